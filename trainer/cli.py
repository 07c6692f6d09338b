"""The trainer's verbs. The only place where its parts are put together."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import DataError, UsageError

app = typer.Typer(help="Train, evaluate, compare and export the expression networks.")

DataOption = Annotated[
    Path, typer.Option("--data", help="fer2013.csv (plain, .gz, .xz, .zip), pictures by emotion, CK+ or JAFFE.")
]
FerplusOption = Annotated[Path | None, typer.Option("--ferplus", help="fer2013new.csv, FER+'s votes on fer2013.csv.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _prepare() -> None:
    """Before TensorFlow is imported: its notes on the processor are not for mien's users; warnings and errors stay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    logging.getLogger("absl").setLevel(logging.WARNING)


def _check_writable(file: Path, suffix: str) -> None:
    """UsageError before minutes of work, not after, if a file cannot be what it is to become."""
    if file.suffix != suffix or not file.parent.is_dir():
        raise UsageError(f"cannot write {file}: name a {suffix} file in a folder that exists")


@app.command()
def train(
    data: DataOption,
    run: Annotated[Path, typer.Option("--run", help="Folder for the run's files; a new one for each run.")],
    network: Annotated[
        str, typer.Option(help="cnn-bilstm, cnn, cnn-same-size, bilstm, hero, hero-1, hero-2 or hero-3.")
    ] = "cnn-bilstm",
    labels: Annotated[str, typer.Option(help="fer, ferplus (the votes) or mix (half of each).")] = "fer",
    ferplus: FerplusOption = None,
    start: Annotated[Path | None, typer.Option("--from", help="Start from this .keras model's weights.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="A .keras model whose answers are half of each target.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the Training pictures.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="The peak of the cosine.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(min=0, help="Of AdamW.")] = 0.02,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.5, help="Share of each label spread evenly.")] = 0.0,
    class_weighting: Annotated[
        float, typer.Option(min=0, max=1, help="0 leaves rare emotions rare, 1 makes all weigh the same.")
    ] = 0.5,
    mixup: Annotated[float, typer.Option(min=0, help="Blend pictures by Beta(this, this); 0 blends none.")] = 0.0,
    rotation_degrees: Annotated[float, typer.Option(min=0, max=45, help="Turn pictures by up to this.")] = 8.0,
    scale: Annotated[float, typer.Option(min=0, max=0.5, help="Scale pictures by up to this share.")] = 0.1,
    shift_pixels: Annotated[float, typer.Option(min=0, max=12, help="Shift pictures by up to this.")] = 3.0,
    erased_share: Annotated[float, typer.Option(min=0, max=1, help="Share of pictures with a part erased.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Decides start, held-out pictures, order and augmentation.")] = 1,
    mixed_precision: Annotated[
        bool | None,
        typer.Option("--mixed-precision/--full-precision", help="Multiply in 16 bits: by default on accelerators."),
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write curves for TensorBoard too.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run, by its own recipe.")] = False,
) -> None:
    """Train a network on FER-2013.

    Learns from nine tenths of the Training pictures, chooses the best epoch and the temperature on the rest, and leaves
    model.keras, metrics.json and report.html in the run's folder; PublicTest is only reported.
    """
    _prepare()
    from typing import get_args

    from rich.console import Console

    from .memory import keep_freed_memory

    keep_freed_memory()

    from .accelerators import accelerators, share_the_work
    from .conclusion import conclude
    from .duplicates import hold_out
    from .environment import environment
    from .networks import NETWORKS
    from .progress import TrainingProgress, tensorboard_curves
    from .reading import read_data
    from .run import Run
    from .settings import Recipe
    from .tables import print_report
    from .targets import Labels
    from .training import train as train_network

    console = Console(stderr=True)
    if network not in NETWORKS:
        raise UsageError(f"there is no network {network!r}: choose from {', '.join(NETWORKS)}")
    if labels not in get_args(Labels):
        raise UsageError(f"there are no labels {labels!r}: choose from {', '.join(get_args(Labels))}")
    folder = Run(run)
    if resume:
        recipe = folder.resumable()
    else:
        recipe = Recipe(
            network=network,
            labels=labels,  # type: ignore[arg-type]  # checked above
            start=str(start) if start else None,
            teacher=str(teacher) if teacher else None,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            class_weighting=class_weighting,
            mixup=mixup,
            rotation_degrees=rotation_degrees,
            scale=scale,
            shift_pixels=shift_pixels,
            erased_share=erased_share,
            seed=seed,
            mixed_precision=bool(accelerators()) if mixed_precision is None else mixed_precision,
        )
    if recipe.labels != "fer" and ferplus is None:
        raise UsageError(f"this run learns from {recipe.labels} labels: give --ferplus the path of fer2013new.csv")
    pictures = read_data(data, ferplus)
    if pictures.test_only:
        raise DataError(f"{data} is a test set: its licence and its few posed faces do not make a model to ship")
    for line in pictures.skipped:
        console.print(f"left out {line}", highlight=False, soft_wrap=True)
    training = pictures.split("Training")
    learned, held_out = hold_out(pictures, seed=recipe.seed)
    learned.check_every_emotion()
    reported = pictures.split(pictures.test_usage())
    if not resume:
        folder.begin(recipe, environment())
    shared = share_the_work()
    console.print(
        f"{recipe.network} on {len(learned)} pictures of {data.name}, {len(held_out)} held out; devices: {shared}",
        highlight=False,
        soft_wrap=True,
    )

    def watch(name: str) -> list[object]:
        curves = [tensorboard_curves(run / "tensorboard" / name)] if tensorboard else []
        return [TrainingProgress(console, name), *curves]

    model = train_network(folder, recipe, learned, held_out, watch)
    metrics = conclude(folder, recipe, model, held_out=held_out, training=training, reported=reported)
    print_report(metrics.evaluation, console)
    console.print(metrics.calibration, highlight=False, soft_wrap=True)
    typer.echo(folder.model_file)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A .keras or .tflite file.")],
    data: DataOption,
    ferplus: FerplusOption = None,
    usage: Annotated[
        str | None,
        typer.Option(help="The split: PublicTest (if there is one), PrivateTest, Training or Test."),
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
    _prepare()
    import msgspec
    from rich.console import Console

    from .evaluation import evaluate as evaluate_model
    from .evaluation import load_predictor
    from .figures import DOTS_PER_INCH
    from .reading import read_data
    from .reports import evaluation_figures
    from .tables import print_report

    talk = Console(stderr=True)
    predict, runtime = load_predictor(model)
    everything = read_data(data, ferplus)
    test = everything.split(usage or everything.test_usage())
    learned = read_data(training) if training else everything
    known = learned.split("Training") if "Training" in learned.usages and test.usages[0] != "Training" else None
    if known is None:
        talk.print(
            "no Training pictures at hand, so leaks are not counted: name them with --training",
            highlight=False,
            soft_wrap=True,
        )
    for line in everything.skipped:
        talk.print(f"left out {line}", highlight=False, soft_wrap=True)
    scores = predict(test.pictures)
    report = evaluate_model(scores, model=model.name, runtime=runtime, data=test, training=known)
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
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
    _prepare()
    from rich.console import Console

    from .duplicates import hold_out
    from .export import QUANTISATIONS
    from .export import export as export_model
    from .keras_model import load_keras_model
    from .reading import read_data
    from .run import Run
    from .tables import print_report

    _check_writable(out, ".tflite")
    if quantisation not in QUANTISATIONS:
        raise UsageError(f"there is no quantisation {quantisation!r}: choose from {', '.join(QUANTISATIONS)}")
    folder = Run(run)
    recipe, metrics = folder.recipe(), folder.metrics()
    pictures = read_data(data, ferplus)
    learned, _ = hold_out(pictures, seed=recipe.seed)
    exported = export_model(
        load_keras_model(folder.model_file),
        out,
        quantisation=quantisation,  # type: ignore[arg-type]  # checked above
        recipe=recipe,
        calibration=metrics.calibration,
        training=pictures.split("Training"),
        learned=learned,
        test=pictures.split(pictures.test_usage()),
    )
    console = Console(stderr=True)
    print_report(exported.report, console)
    worst = max(exported.drop_per_class, key=lambda emotion: exported.drop_per_class[emotion])
    console.print(
        f"{quantisation} and Keras give the same answer for {exported.agreement:.2%} of the pictures; accuracy drops "
        f"by {exported.drop * 100:.2f} points, recall by at most {exported.drop_per_class[worst] * 100:.1f} ({worst})",
        highlight=False,
        soft_wrap=True,
    )
    typer.echo(out)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    page: Annotated[Path | None, typer.Option(help="Write the comparison as a web page, too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: accuracy with intervals, McNemar's test against the best."""
    _prepare()
    import msgspec
    from rich.console import Console

    from .comparison import compare as compare_runs
    from .page import write_page
    from .reports import comparison_sections
    from .run import Run
    from .tables import print_comparison

    if page:
        _check_writable(page, ".html")
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
    _prepare()
    from .duplicates import hold_out
    from .page import write_page
    from .reading import read_data
    from .reports import data_sections

    _check_writable(page, ".html")
    pictures = read_data(data, ferplus)
    learned, held_out = hold_out(pictures, seed=seed) if "Training" in pictures.usages else (None, None)
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
