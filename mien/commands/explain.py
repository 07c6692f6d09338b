"""`mien explain`: what an error means, and what to do."""

from typing import Annotated

import typer

from mien.errors import UsageError


def explain(
    words: Annotated[
        list[str] | None, typer.Argument(help="An error's number or line, an exit code, or some words.")
    ] = None,
) -> None:
    """Say more about an error or a symptom, by its number, its line, or words such as "no rows".

    Without words, lists what there is. The same is in the documentation, under Troubleshooting.
    """
    from mien.explanations import explain, read_explanations

    if not words:
        for entry in read_explanations():
            typer.echo(f"{'  ' if '.' in entry.number else ''}{entry.title}")
        return
    text = " ".join(words).removeprefix("mien: ")
    found = explain(text)
    if not found:
        raise UsageError(f"nothing is known about {text!r}: `mien explain` lists what there is")
    typer.echo("\n\n".join(map(str, found)))
