"""The commands of `mien dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.trainer.recipe import Recipe

from .options import FerplusOption, check_writable, quiet_tensorflow, report_skipped
from .recipe_options import recipe_option

dataset = typer.Typer(help="Inspect a dataset.", no_args_is_help=True)


@dataset.callback()
def _dataset() -> None:
    """Inspect a dataset."""


@dataset.command()
def report(
    data: Annotated[Path, typer.Argument(help="fer2013.csv, images in folders by emotion, CK+ or JAFFE.")],
    html: Annotated[Path, typer.Option(help="The .html file to write. It shows faces: do not publish it.")],
    ferplus: FerplusOption = None,
    seed: Annotated[
        int, recipe_option("seed", help_text="The --seed of the run whose held-out images to count.")
    ] = Recipe().seed,
) -> None:
    """Report a dataset's emotions, splits, exact copies and samples."""
    quiet_tensorflow()
    import contextlib

    from mien.errors import DataError
    from mien.trainer.data.load import load_dataset
    from mien.trainer.data.split import split_held_out
    from mien.trainer.report.html_report import write_html_report
    from mien.trainer.report.sections import dataset_sections

    check_writable(html, ".html")
    images = load_dataset(data, ferplus)
    report_skipped(images.skipped, len(images))
    train_set, held_out = None, None
    with contextlib.suppress(DataError):  # a test set, or too few images to split: reported without these parts
        train_set, held_out = split_held_out(images, seed=seed)
    write_html_report(html, f"Dataset report: {images.name}", dataset_sections(images, train_set, held_out, seed=seed))
    typer.echo(html)
