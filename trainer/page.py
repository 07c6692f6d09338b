"""One self-contained HTML page from sections of text, tables and figures: no script, nothing loaded from elsewhere."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from .figures import DOTS_PER_INCH
from .whole_file import written_whole

TEMPLATE = Path(__file__).parent / "page.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page."""

    heading: str
    paragraphs: Sequence[str] = ()
    table: Sequence[Sequence[object]] = ()
    """The first row is the head."""
    figures: Sequence[tuple[str, Figure]] = ()
    """Each with its caption."""


def write_page(file: Path, title: str, sections: Sequence[Section]) -> None:
    """Write a page whole or not at all."""
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text("utf-8"))
    shown = [
        {
            "heading": section.heading,
            "paragraphs": section.paragraphs,
            "table": section.table,
            "figures": [(caption, _embedded(figure)) for caption, figure in section.figures],
        }
        for section in sections
    ]
    with written_whole(file) as part:
        part.write_text(template.render(title=title, sections=shown), "utf-8")


def _embedded(figure: Figure) -> str:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH)
    return base64.b64encode(png.getvalue()).decode("ascii")
