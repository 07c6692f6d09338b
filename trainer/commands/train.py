"""The command `mien train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.errors import DataError, UsageError

from .options import DataOption, FerplusOption, quiet_tensorflow, report_skipped
from .recipe_options import explicit_options, with_recipe_options

RESUME_HELP = "Continue the unfinished run in --run, by its stored recipe; more --epochs prolong it."


@with_recipe_options
def train(
    context: typer.Context,
    data: DataOption,
    run: Annotated[Path, typer.Option("--run", help="Folder for the run's files; a new one for each run.")],
    ferplus: FerplusOption = None,
    recipe_file: Annotated[
        Path | None,
        typer.Option("--recipe", help="Repeat the run of this recipe.json or folder; options override its values."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help=RESUME_HELP)] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write curves for TensorBoard.")] = False,
    **hyperparameters: Any,
) -> None:
    """Train a network on FER-2013.

    It learns from nine tenths of the Training images. The best epoch and the temperature are chosen on the rest.
    model.keras, metrics.json and report.html are written into the run's folder; PublicTest is only reported.
    A finished run is prolonged in a new folder: --recipe OLD --init-from OLD/model.keras --epochs N.

    The options from --network on are stored there as recipe.json, in which relative paths start at its own folder.
    """
    quiet_tensorflow()
    from mien.trainer.training.hardware import distribute_batches, keep_freed_memory, list_accelerators

    keep_freed_memory()

    import msgspec
    from rich.console import Console

    from mien.trainer.data.load import load_dataset
    from mien.trainer.data.split import split_held_out
    from mien.trainer.models.inference import load_keras_model
    from mien.trainer.models.networks import NETWORKS
    from mien.trainer.models.pretrained import load_backbone_weights
    from mien.trainer.recipe_check import check_recipe
    from mien.trainer.recipe_file import compose_recipe, continue_recipe
    from mien.trainer.report.terminal import print_evaluation
    from mien.trainer.run_folder import RunFolder
    from mien.trainer.training.environment import describe_environment
    from mien.trainer.training.finalize import finalize
    from mien.trainer.training.progress import TrainingProgress, create_tensorboard_callback
    from mien.trainer.training.training import train as train_network

    run_folder = RunFolder(run)
    options = explicit_options(context, hyperparameters)
    if resume:
        if recipe_file is not None:
            raise UsageError(
                "--resume continues by the run's own recipe: leave --recipe out, or start another run by it"
            )
        recipe = continue_recipe(run_folder.read_unfinished_recipe(), options, run)
    else:
        run_folder.check_new()
        recipe = compose_recipe(recipe_file, options, run)
        if recipe.mixed_precision is None:
            recipe = msgspec.structs.replace(recipe, mixed_precision=bool(list_accelerators()))
    check_recipe(recipe, has_ferplus=ferplus is not None)
    for model_file in (recipe.init_from, recipe.teacher):
        if model_file:
            load_keras_model(run_folder.locate(model_file))  # finds a wrong path before the folder is created
    if recipe.backbone_weights:
        load_backbone_weights(NETWORKS[recipe.network](), run_folder.locate(recipe.backbone_weights))
    images = load_dataset(data, ferplus)
    if images.test_only:
        raise DataError(
            f"{data} is a test set, its license and its few posed faces rule out training: use it with "
            "`mien model evaluate`"
        )
    report_skipped(images.skipped, len(images))
    training = images.split("Training")
    train_set, held_out = split_held_out(images, seed=recipe.seed)
    train_set.check_every_emotion()
    test_split = images.test_split()
    test_set = held_out if test_split == "Training" else images.split(test_split)
    device_count = distribute_batches()
    if recipe.batch_size % device_count:
        raise UsageError(
            f"{device_count} devices cannot share batches of {recipe.batch_size}: choose a multiple of {device_count}"
        )
    if resume:
        run_folder.check_same_data(images.digest())
        if recipe != run_folder.read_recipe():
            run_folder.write_recipe(recipe)
    else:
        run_folder.create(recipe, describe_environment(images))
    typer.echo(
        f"{recipe.network} on {len(train_set)} images of {data.name}, {len(held_out)} held out; "
        f"devices: {device_count}",
        err=True,
    )
    console = Console(stderr=True)
    progress_bars: list[TrainingProgress] = []

    def create_callbacks(name: str) -> list[object]:
        progress_bars.append(TrainingProgress(console, name))
        curves = [create_tensorboard_callback(run / "tensorboard" / name)] if tensorboard else []
        return [progress_bars[-1], *curves]

    try:
        model = train_network(run_folder, recipe, train_set, held_out, create_callbacks)
    finally:
        for progress in progress_bars:
            progress.stop()
    metrics = finalize(run_folder, recipe, model, held_out=held_out, training=training, test_set=test_set)
    print_evaluation(metrics.evaluation, console)
    typer.echo(metrics.calibration, err=True)
    typer.echo(run_folder.model_file)
