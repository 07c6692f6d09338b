"""The trainer's verbs. The only place where its parts are put together."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

from .options import DataOption, FerplusOption, JsonOption, check_writable, prepare
from .train_command import train

app = typer.Typer(help="Train, evaluate, compare and export the expression networks.")

app.command()(train)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A .keras or .tflite file.")],
    data: DataOption,
    ferplus: FerplusOption = None,
    usage: Annotated[
        str | None,
        typer.Option(help="The split, by default PublicTest or Test: PrivateTest, Validation, Training."),
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="What the model learned from, to count leaks, where --data does not hold it.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder to draw confusion matrices and reliability into, as PNG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a model: accuracy, F1, calibration, leaks, confusion matrix."""
    prepare()
    import msgspec
    from rich.console import Console

    from .evaluation import evaluate as evaluate_model
    from .evaluation import load_predictor
    from .figures import DOTS_PER_INCH
    from .reading import read_data
    from .reports import evaluation_figures
    from .tables import print_report

    if pictures:
        try:
            pictures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{pictures} is no folder to draw into ({error.strerror}): name another") from error
    predict, runtime = load_predictor(model)
    everything = read_data(data, ferplus)
    test = everything.split(usage or everything.test_usage())
    known = None
    if training:
        known = read_data(training).split("Training")
    elif "Training" in everything.usages and test.usages[0] != "Training":
        known = everything.split("Training")
    if known is None:
        typer.echo("no Training pictures at hand, so leaks are not counted: name them with --training", err=True)
    for line in everything.skipped:
        typer.echo(f"left out {line}", err=True)
    scores = predict(test.pictures)
    report = evaluate_model(scores, model=model.name, runtime=runtime, data=test, training=known)
    if pictures:
        for name, figure in evaluation_figures(report, scores, test).items():
            figure.savefig(pictures / f"{name}.png", dpi=DOTS_PER_INCH)
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        print_report(report, Console())


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="The .tflite file to write.")],
    ferplus: FerplusOption = None,
    quantisation: Annotated[str, typer.Option(help="int8, float16 or float32.")] = "int8",
) -> None:
    """Quantise a trained network to one .tflite, int8 by default.

    The file carries its card. Nothing is written unless the conversion is sound: only built-in operations, no NaN, no
    memory of earlier pictures, and the same answers as Keras.
    """
    prepare()
    from rich.console import Console

    from .duplicates import hold_out
    from .export import QUANTISATIONS
    from .export import export as export_model
    from .keras_model import load_keras_model
    from .reading import read_data
    from .run import Run
    from .tables import print_report

    check_writable(out, ".tflite")
    if quantisation not in QUANTISATIONS:
        raise UsageError(f"there is no quantisation {quantisation!r}: choose from {', '.join(QUANTISATIONS)}")
    folder = Run(run)
    recipe, metrics = folder.recipe(), folder.metrics()
    pictures = read_data(data, ferplus)
    folder.check_data(pictures.digest())
    learned, held_out = hold_out(pictures, seed=recipe.seed)
    exported = export_model(
        load_keras_model(folder.model_file),
        out,
        quantisation=quantisation,  # type: ignore[arg-type]  # checked above
        recipe=recipe,
        calibration=metrics.calibration,
        training=pictures.split("Training"),
        learned=learned,
        held_out=held_out,
        test=pictures.split(pictures.test_usage()),
    )
    print_report(exported.report, Console(stderr=True))
    change = exported.change
    worst = max(change.drop_per_class, key=lambda emotion: change.drop_per_class[emotion])
    worst_points = change.drop_per_class[worst] * 100
    typer.echo(
        f"{quantisation} and Keras give the same answer for {change.agreement:.2%} of the held-out pictures; "
        f"accuracy drops by {change.drop * 100:.2f} points, recall by at most {worst_points:.1f} ({worst})",
        err=True,
    )
    typer.echo(out)


@app.command()
def fuse(
    members: Annotated[list[Path], typer.Argument(help=".keras files of finished runs.")],
    out: Annotated[Path, typer.Option("--out", help="The .keras file to write.")],
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Ask each of the picture's mirror image, too.")] = False,
) -> None:
    """Make one network of several, whose answer is the mean of theirs: to teach, or to see what is left to gain.

    It costs what all of them cost: a device would rather run what it has taught (`mien train --teacher`).
    """
    prepare()
    from .keras_model import load_keras_model
    from .networks import fused
    from .whole_file import written_whole

    check_writable(out, ".keras")
    network = fused([load_keras_model(member) for member in members], mirrored=mirrored)
    with written_whole(out) as part:
        network.save(part)
    typer.echo(out)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    page: Annotated[Path | None, typer.Option(help="Write the comparison as a web page, too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: accuracy with intervals, McNemar's test against the best."""
    prepare()
    import msgspec
    from rich.console import Console

    from .comparison import compare as compare_runs
    from .page import write_page
    from .reports import comparison_sections
    from .run import Run
    from .tables import print_comparison

    if page:
        check_writable(page, ".html")
    comparison = compare_runs([Run(folder) for folder in runs])
    if page:
        write_page(page, comparison.title, comparison_sections(comparison))
    if as_json:
        typer.echo(msgspec.json.encode(comparison))
    else:
        print_comparison(comparison, Console())


@app.command()
def data(
    data: Annotated[Path, typer.Argument(help="fer2013.csv, pictures by emotion, CK+ or JAFFE.")],
    page: Annotated[Path, typer.Option(help="The .html file to write. It shows faces: keep it to yourself.")],
    ferplus: FerplusOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the run whose held-out pictures to count.")] = 1,
) -> None:
    """Write a dataset's card: emotions, splits, exact copies, samples."""
    prepare()
    import contextlib

    from mien.errors import DataError

    from .duplicates import hold_out
    from .page import write_page
    from .reading import read_data
    from .reports import data_sections

    check_writable(page, ".html")
    pictures = read_data(data, ferplus)
    learned, held_out = None, None
    with contextlib.suppress(DataError):  # a test set, or too few pictures to part: the card says what there is
        learned, held_out = hold_out(pictures, seed=seed)
    write_page(page, f"Data card: {pictures.name}", data_sections(pictures, learned, held_out, seed=seed))
    typer.echo(page)


@app.command()
def card(
    model: Annotated[Path | None, typer.Argument(help="A .tflite file; the one that ships unless named.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a model's card: intended and prohibited uses, scores, data."""
    import msgspec

    from mien.card import DEFAULT_MODEL, read_model

    from .model_card import model_card

    _, found = read_model(model or DEFAULT_MODEL)
    typer.echo(msgspec.json.encode(found) if as_json else model_card(found), nl=as_json)
