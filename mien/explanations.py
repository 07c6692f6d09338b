"""What troubleshooting.md says about an error: by the words of its message, or by its exit code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

HEADING = re.compile(r"^(##+) (.*)$", re.MULTILINE)
EXIT_CODE = re.compile(r"\(exit code (\d+)\)")
ANY = "…"
"""In a quoted message: whatever stands in its place."""


@dataclass(frozen=True)
class Explanation:
    """One heading with the text below it, up to the next one."""

    heading: str
    """As in the document; messages are quoted in `backticks`, and `…` stands for their variable parts."""
    body: str
    number: str
    """Such as 8.4, the fourth message below the heading of exit code 8; empty for symptoms."""

    @cached_property
    def quotes(self) -> list[str]:
        """The messages in the heading."""
        return re.findall(r"`([^`]+)`", self.heading)

    def explains(self, message: str) -> bool:
        """Whether one of the quoted messages is, or begins, a part of this one."""
        return any(_pattern(quote).search(message) for quote in self.quotes)

    @property
    def title(self) -> str:
        """The heading as plain text, with its number."""
        return " ".join(filter(None, (self.number, self.heading.replace("`", ""))))

    def __str__(self) -> str:
        return f"{self.title}\n\n{self.body}".rstrip()


@cache
def read_explanations() -> tuple[Explanation, ...]:
    """All of them, in the order of the document."""
    text = (files("mien") / "troubleshooting.md").read_text(encoding="utf-8")
    return tuple(_parse(text))


def explain(words: str) -> list[Explanation]:
    """Those with this number or exit code, those for this message, or else those with these words."""
    explanations = read_explanations()
    if re.fullmatch(r"\d+(\.\d+)?", words):
        return [entry for entry in explanations if words in (entry.number, entry.number.partition(".")[0])]
    if found := [entry for entry in explanations if entry.explains(words)]:
        return found
    wanted = words.casefold()
    return [entry for entry in explanations if wanted in entry.title.casefold()] or [
        entry for entry in explanations if all(word in str(entry).casefold() for word in wanted.split())
    ]


def number_for(message: str, exit_code: int) -> str:
    """What to give `explain` for this error: the number of its own explanation, or else its exit code."""
    own = [
        entry.number
        for entry in read_explanations()
        if entry.explains(message) and entry.number.startswith(f"{exit_code}.")
    ]
    return own[0] if own else str(exit_code)


def _parse(text: str) -> Iterator[Explanation]:
    parts = HEADING.split(text)[1:]
    section, count = "", 0
    for level, heading, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if level == "##":
            match = EXIT_CODE.search(heading)
            section, count = (match[1], 0) if match else ("", 0)
            number = section
        else:
            count += 1
            number = f"{section}.{count}" if section else ""
        yield Explanation(heading=heading, body=body.strip(), number=number)


@cache
def _pattern(quote: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, quote.strip(ANY).split(ANY))), re.IGNORECASE)
