"""A notice to print for the people in view: what is seen, what is kept, for how long, whom to ask."""

import html
from importlib.resources import files
from string import Template

BLANK = '<span class="line">&nbsp;</span>'
"""To be filled in by hand."""
DAYS = 30
"""The collector's `retention_days`, unless its owner sets another."""
KEPT = f"{DAYS} days. After that only counts remain: how often a device saw each expression in a quarter of an hour."


def notice(*, operator: str | None, contact: str | None, purpose: str | None) -> str:
    """The page; what is not given is a line to fill in by hand."""
    given = {"operator": operator, "contact": contact, "purpose": purpose}
    page = Template((files("mien.deploy") / "notice.html").read_text())
    return page.substitute(
        {name: html.escape(value) if value else BLANK for name, value in given.items()}, retention=KEPT
    )
