"""The trainer's verbs: train, evaluate, export. The only place where its parts are put together."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

app = typer.Typer(help="Train, evaluate and export the expression networks.")

DataOption = Annotated[Path, typer.Option("--data", help="fer2013.csv (plain, .gz, .xz, .zip) or its picture folder.")]


def _quieten_tensorflow() -> None:
    """TensorFlow's notes on the machine's processor are not for mien's users; its warnings and errors stay."""
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
    network: Annotated[str, typer.Option(help="The network to train: cnn-bilstm.")] = "cnn-bilstm",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the Training pictures.")] = 14,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per step.")] = 64,
    start: Annotated[Path | None, typer.Option("--from", help="Start from this .keras model's weights.")] = None,
    ferplus: Annotated[
        Path | None, typer.Option(help="fer2013new.csv: half the label is what FER+'s ten people voted.")
    ] = None,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.5, help="Share of each label spread evenly.")] = 0.1,
    learning_rate: Annotated[float, typer.Option(help="The peak of the cosine.")] = 2e-3,
    seed: Annotated[int, typer.Option(min=0, help="Decides start, order and augmentation.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run, by its own recipe.")] = False,
) -> None:
    """Train a network on FER-2013.

    Learns from the Training pictures and leaves model.keras in the run's folder; PublicTest is only reported.
    """
    _quieten_tensorflow()
    import dataclasses

    from rich.console import Console

    from .fer2013 import read_fer2013
    from .ferplus import mix, read_ferplus
    from .networks import NETWORKS
    from .progress import TrainingProgress
    from .run import Run
    from .settings import Recipe
    from .training import train as train_network

    console = Console(stderr=True)
    if network not in NETWORKS:
        raise UsageError(f"there is no network {network!r}: choose from {', '.join(NETWORKS)}")
    folder = Run(run)
    if resume:
        recipe = folder.resumable()
    else:
        recipe = Recipe(
            network=network,
            start=str(start) if start else None,
            labels="mix" if ferplus else "fer",
            epochs=epochs,
            batch_size=batch_size,
            label_smoothing=label_smoothing,
            learning_rate=learning_rate,
            seed=seed,
        )
    if (recipe.labels == "mix") != (ferplus is not None):
        raise UsageError(f"this run learns from {recipe.labels} labels: give --ferplus just as when it began")
    pictures = read_fer2013(data)
    if ferplus:
        targets = mix(pictures.labels, read_ferplus(ferplus, len(pictures)))
        pictures = dataclasses.replace(pictures, targets=targets)
    training = pictures.split("Training")
    watched = pictures.split(pictures.test_usage())
    if not resume:
        folder.begin(recipe)
    console.print(f"{recipe.network} on {len(training)} pictures of {data.name}", highlight=False)
    train_network(folder, recipe, training, watched, [TrainingProgress(console)])
    typer.echo(folder.model_file)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A .keras or .tflite file.")],
    data: DataOption,
    usage: Annotated[str, typer.Option(help="The split: PublicTest, PrivateTest, Training or Test.")] = "PublicTest",
    ferplus: Annotated[Path | None, typer.Option(help="fer2013new.csv: score against FER+'s votes too.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix into this PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a model: accuracy, F1, confusion matrix."""
    _quieten_tensorflow()
    import msgspec
    from rich.console import Console

    from .evaluation import evaluate as evaluate_model
    from .evaluation import load_predictor
    from .fer2013 import read_fer2013
    from .ferplus import read_ferplus
    from .report import draw_confusion, print_report

    if picture:
        _check_writable(picture, ".png")
    predict, runtime = load_predictor(model)
    pictures = read_fer2013(data)
    test = pictures.split(usage)
    votes = read_ferplus(ferplus, len(pictures))[pictures.usages == usage] if ferplus else None
    report = evaluate_model(predict, runtime, model=model.name, data=test, usage=usage, votes=votes)
    if picture:
        draw_confusion(report, picture)
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        print_report(report, Console())


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="The .tflite file to write.")],
) -> None:
    """Quantise a trained network to one int8 .tflite.

    The file carries its card. Nothing is written unless the conversion is sound: only built-in operations, no NaN, no
    memory of earlier pictures, and the same answers as Keras.
    """
    _quieten_tensorflow()
    import msgspec
    from rich.console import Console

    from .export import export as export_model
    from .fer2013 import read_fer2013
    from .keras_model import load_keras_model
    from .report import print_report
    from .run import Run

    _check_writable(out, ".tflite")
    folder = Run(run)
    recipe = folder.recipe()
    model = load_keras_model(folder.model_file)
    pictures = read_fer2013(data)
    usage = pictures.test_usage()
    report, agreement = export_model(
        model,
        out,
        recipe=msgspec.to_builtins(recipe),
        training=pictures.split("Training"),
        test=pictures.split(usage),
        usage=usage,
        seed=recipe.seed,
    )
    console = Console(stderr=True)
    print_report(report, console)
    console.print(f"int8 and Keras give the same answer for {agreement:.2%} of the pictures", highlight=False)
    typer.echo(out)
