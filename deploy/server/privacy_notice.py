"""A privacy notice to print for the people in view: what is seen, what is stored, for how long, whom to ask."""

import html
from importlib.resources import files
from string import Template

BLANK = '<span class="line">&nbsp;</span>'
"""A line to fill in by hand."""
RETENTION_DAYS = 30
"""The default of the collector's `retention_days`."""
RETENTION = (
    f"{RETENTION_DAYS} days. "
    "After that only counts remain: how often a device saw each expression in a quarter of an hour."
)


def privacy_notice(*, operator: str | None, contact: str | None, purpose: str | None) -> str:
    """The notice as HTML; a value that is not given becomes a line to fill in by hand."""
    values = {"operator": operator, "contact": contact, "purpose": purpose}
    template = Template((files("mien.deploy.server") / "privacy_notice.html").read_text())
    return template.substitute(
        {name: html.escape(value) if value else BLANK for name, value in values.items()}, retention=RETENTION
    )
