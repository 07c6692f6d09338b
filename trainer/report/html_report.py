"""Writes sections of text, tables and plots as one self-contained HTML report: no script, no external resources."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from mien.trainer.output_file import output_file

from .plots import DOTS_PER_INCH

TEMPLATE = Path(__file__).parent / "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of an HTML report."""

    heading: str
    paragraphs: Sequence[str] = ()
    table: Sequence[Sequence[object]] = ()
    """The first row is the header."""
    plots: Sequence[tuple[str, Figure]] = ()
    """Each with its caption first."""


def write_html_report(file: Path, title: str, sections: Sequence[Section]) -> None:
    """Write an HTML report atomically."""
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text("utf-8"))
    template_sections = [
        {
            "heading": section.heading,
            "paragraphs": section.paragraphs,
            "table": section.table,
            "plots": [(caption, _to_base64_png(figure)) for caption, figure in section.plots],
        }
        for section in sections
    ]
    with output_file(file) as part:
        html: str = template.render(title=title, sections=template_sections)
        part.write_bytes(html.encode("utf-8", errors="backslashreplace"))  # names of files need not be UTF-8


def _to_base64_png(figure: Figure) -> str:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH)
    return base64.b64encode(png.getvalue()).decode("ascii")
