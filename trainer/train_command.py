"""The verb `mien train`."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from mien.errors import DataError, UsageError

from .options import DataOption, FerplusOption, prepare


def train(
    data: DataOption,
    run: Annotated[Path, typer.Option("--run", help="Folder for the run's files; a new one for each run.")],
    network: Annotated[
        str,
        typer.Option(
            help="cnn-bilstm, cnn-bilstm-both, cnn, cnn-same-size, cnn-residual, cnn-residual-32, bilstm, hero, "
            "hero-1, hero-2 or hero-3."
        ),
    ] = "cnn-bilstm",
    labels: Annotated[str, typer.Option(help="fer, ferplus (the votes) or mix (half of each).")] = "fer",
    ferplus: FerplusOption = None,
    start: Annotated[Path | None, typer.Option("--from", help="Start from this .keras model's weights.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="A .keras model whose answers are half of each target.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the Training pictures.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per step.")] = 64,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="The peak of the cosine.")] = 2e-3,
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
    prepare()
    from .memory import keep_freed_memory

    keep_freed_memory()

    from rich.console import Console

    from .accelerators import accelerators, share_the_work
    from .conclusion import conclude
    from .duplicates import hold_out
    from .environment import environment
    from .keras_model import load_keras_model
    from .networks import NETWORKS
    from .progress import TrainingProgress, tensorboard_curves
    from .reading import read_data
    from .run import Run
    from .settings import Recipe
    from .tables import print_report
    from .targets import Labels
    from .training import train as train_network

    if network == "hero" and start:
        raise UsageError("HERO's three networks start from random weights: leave --from out, or train hero-1 to hero-3")
    if network not in NETWORKS:
        raise UsageError(f"there is no network {network!r}: choose from {', '.join(NETWORKS)}")
    if labels not in get_args(Labels):
        raise UsageError(f"there are no labels {labels!r}: choose from {', '.join(get_args(Labels))}")
    folder = Run(run)
    if resume:
        recipe = folder.resumable()
    else:
        folder.check_new()
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
    for model in (recipe.start, recipe.teacher):
        if model:
            load_keras_model(Path(model))  # a wrong path is found out now, not after the folder is made
    pictures = read_data(data, ferplus)
    if pictures.test_only:
        raise DataError(f"{data} is a test set: its licence and its few posed faces do not make a model to ship")
    for line in pictures.skipped:
        typer.echo(f"left out {line}", err=True)
    training = pictures.split("Training")
    learned, held_out = hold_out(pictures, seed=recipe.seed)
    learned.check_every_emotion()
    usage = pictures.test_usage()
    reported = held_out if usage == "Training" else pictures.split(usage)
    shared = share_the_work()
    if recipe.batch_size % shared:
        raise UsageError(f"{shared} devices cannot share batches of {recipe.batch_size}: choose a multiple of {shared}")
    if resume:
        folder.check_data(pictures.digest())
    else:
        folder.begin(recipe, environment(pictures))
    about = f"{recipe.network} on {len(learned)} pictures of {data.name}, {len(held_out)} held out; devices: {shared}"
    typer.echo(about, err=True)
    console = Console(stderr=True)
    shown: list[TrainingProgress] = []

    def watch(name: str) -> list[object]:
        shown.append(TrainingProgress(console, name))
        curves = [tensorboard_curves(run / "tensorboard" / name)] if tensorboard else []
        return [shown[-1], *curves]

    try:
        model = train_network(folder, recipe, learned, held_out, watch)
    finally:
        for progress in shown:
            progress.stop()
    metrics = conclude(folder, recipe, model, held_out=held_out, training=training, reported=reported)
    print_report(metrics.evaluation, console)
    typer.echo(metrics.calibration, err=True)
    typer.echo(folder.model_file)
