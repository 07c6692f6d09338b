"""The commands of `mien model`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

from .options import DataOption, FerplusOption, JsonOption, check_writable, quiet_tensorflow, report_skipped

model = typer.Typer(help="Show, evaluate, compare, export and combine trained models.", no_args_is_help=True)


@model.command()
def card(
    file: Annotated[Path | None, typer.Argument(help="A .tflite file; by default the shipped model.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a model card: intended and prohibited uses, scores, data."""
    import msgspec

    from mien.model.model_card import DEFAULT_MODEL, read_model
    from mien.trainer.report.model_card import format_model_card

    _, model_card = read_model(file or DEFAULT_MODEL)
    typer.echo(msgspec.json.encode(model_card) if as_json else format_model_card(model_card), nl=as_json)


@model.command(name="update-card")
def update_card(
    file: Annotated[Path, typer.Argument(help="A .tflite file.")],
    data: DataOption,
    output: Annotated[Path, typer.Option("--output", help="The .tflite file to write; it may be the same.")],
    ferplus: FerplusOption = None,
) -> None:
    """Measure a .tflite file again and write the result on its card.

    Its scores on the test split, risk over coverage, and the confidence below which predictions are shown as
    uncertain, chosen on the held-out Training images. The weights stay as they are.
    """
    quiet_tensorflow()

    from mien.trainer.data.load import load_dataset
    from mien.trainer.export.card_update import update_card as update_model_card

    if file.suffix != ".tflite":
        raise UsageError(f"{file} is not a .tflite file: only these have a card")
    check_writable(output, ".tflite")
    card = update_model_card(file, output, load_dataset(data, ferplus))
    if card.threshold is None:
        typer.echo("no confidence is high enough for a threshold: no prediction will be shown as uncertain", err=True)
    typer.echo(output)


@model.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="A .keras or .tflite file.")],
    data: DataOption,
    ferplus: FerplusOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="PublicTest, Test, PrivateTest, Validation or Training, or in short public, private, val or train; "
            "by default the first of these in the data."
        ),
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(help="The data that the model was trained on, to count leaks, if it is not in --data."),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for plots as PNG files: confusion, reliability, risk over coverage, corruptions."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a model: accuracy, F1, calibration, confidence, leaks, confusion matrix."""
    quiet_tensorflow()
    import msgspec
    from rich.console import Console

    from mien.media.file_name import to_text
    from mien.trainer.data.load import load_dataset
    from mien.trainer.evaluation.corruptions import measure_corruptions
    from mien.trainer.evaluation.evaluation import evaluate as evaluate_scores
    from mien.trainer.evaluation.evaluation import load_predictor
    from mien.trainer.report.plots import DOTS_PER_INCH
    from mien.trainer.report.sections import plot_evaluation
    from mien.trainer.report.terminal import print_evaluation

    if plots:
        try:
            plots.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{plots} cannot be created ({error.strerror}): name another folder") from error
    predict, runtime = load_predictor(file)
    images = load_dataset(data, ferplus)
    test_set = images.split(split or images.test_split())
    training_images = None
    if training:
        training_images = load_dataset(training).split("Training")
    elif "Training" in images.splits and test_set.splits[0] != "Training":
        training_images = images.split("Training")
    if training_images is None:
        typer.echo("leaks are not counted, there are no Training images: give them with --training", err=True)
    report_skipped(images.skipped, len(images))
    scores = predict(test_set.images)
    name = to_text(Path(file.name))
    evaluation = evaluate_scores(scores, model=name, runtime=runtime, data=test_set, training=training_images)
    if plots:
        corruption_scores = measure_corruptions(predict, test_set)
        for name, figure in plot_evaluation(evaluation, scores, test_set, corruption_scores).items():
            figure.savefig(plots / f"{name}.png", dpi=DOTS_PER_INCH)
    if as_json:
        typer.echo(msgspec.json.encode(evaluation))
    else:
        print_evaluation(evaluation, Console())


@model.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    html: Annotated[Path | None, typer.Option(help="Also write the comparison to this .html file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: accuracy with intervals, McNemar's test against the best."""
    quiet_tensorflow()
    import msgspec
    from rich.console import Console

    from mien.trainer.report.comparison import compare_runs
    from mien.trainer.report.html_report import write_html_report
    from mien.trainer.report.sections import comparison_sections
    from mien.trainer.report.terminal import print_comparison
    from mien.trainer.run_folder import RunFolder

    if html:
        check_writable(html, ".html")
    comparison = compare_runs([RunFolder(folder) for folder in runs])
    if html:
        write_html_report(html, comparison.title, comparison_sections(comparison))
    if as_json:
        typer.echo(msgspec.json.encode(comparison))
    else:
        print_comparison(comparison, Console())


@model.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: DataOption,
    output: Annotated[Path, typer.Option("--output", help="The .tflite file to write.")],
    ferplus: FerplusOption = None,
    quantization: Annotated[str, typer.Option(help="int8, float16 or float32.")] = "int8",
) -> None:
    """Export a trained network as a quantized .tflite file.

    The file includes the model card. It is only written if the conversion is sound: built-in operations only, no NaN,
    no memory of earlier images, and the same predictions as Keras.
    """
    quiet_tensorflow()
    from rich.console import Console

    from mien.trainer.data.load import load_dataset
    from mien.trainer.data.split import split_held_out
    from mien.trainer.export.conversion import QUANTIZATIONS
    from mien.trainer.export.export import export as export_network
    from mien.trainer.models.inference import load_keras_model
    from mien.trainer.report.terminal import print_evaluation
    from mien.trainer.run_folder import RunFolder

    check_writable(output, ".tflite")
    if quantization not in QUANTIZATIONS:
        raise UsageError(f"there is no quantization {quantization!r}: choose from {', '.join(QUANTIZATIONS)}")
    run_folder = RunFolder(run)
    recipe, metrics = run_folder.read_recipe(), run_folder.read_metrics()
    images = load_dataset(data, ferplus)
    run_folder.check_same_data(images.digest())
    train_set, held_out = split_held_out(images, seed=recipe.seed)
    result = export_network(
        load_keras_model(run_folder.model_file),
        output,
        quantization=quantization,  # type: ignore[arg-type]  # checked above
        recipe=recipe,
        calibration=metrics.calibration,
        training=images.split("Training"),
        train_set=train_set,
        held_out=held_out,
        test_set=images.split(images.test_split()),
    )
    print_evaluation(result.evaluation, Console(stderr=True))
    loss = result.loss
    emotion, recall_drop = max(loss.recall_drops.items(), key=lambda item: item[1])
    typer.echo(
        f"{quantization} and Keras make the same prediction for {loss.agreement:.2%} of the held-out images; accuracy "
        f"drops by {loss.accuracy_drop * 100:.2f} points, recall by at most {recall_drop * 100:.1f} ({emotion})",
        err=True,
    )
    typer.echo(output)


@model.command()
def ensemble(
    members: Annotated[list[Path], typer.Argument(help=".keras files of finished runs.")],
    output: Annotated[Path, typer.Option("--output", help="The .keras file to write.")],
    mirrored: Annotated[
        bool, typer.Option("--mirrored", help="Also let each member predict the mirror image.")
    ] = False,
) -> None:
    """Combine networks into one that averages their logits.

    It costs as much as all its members together: use it as a teacher (`mien train --teacher`), or to see how much
    accuracy is left to gain.
    """
    quiet_tensorflow()
    from mien.trainer.models.inference import load_keras_model
    from mien.trainer.models.networks import build_ensemble
    from mien.trainer.output_file import output_file

    check_writable(output, ".keras")
    network = build_ensemble([load_keras_model(member) for member in members], mirrored=mirrored)
    with output_file(output) as part:
        network.save(part)
    typer.echo(output)
