"""The code blocks of the documents, and the marks of those that no test runs; run it to count them: `make docs`."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
OTHER_DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "deploy/README.md",
    "trainer/LOG.md",
    "mien/troubleshooting.md",
)
DOCUMENTS = sorted([*(ROOT / name for name in OTHER_DOCUMENTS), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n+)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
NOT_RUN = re.compile(r"not run(?:, (?P<words>[^:]+))?: (?P<reason>.+)")
RUN_BY = re.compile(r"run by (?P<test>tests/\S+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block, and the HTML comment in the line above it."""

    document: str
    line: int
    language: str
    """Empty for lines of a shell."""
    text: str
    heading: str
    """Above it, of any level."""
    mark: str | None

    @property
    def reason(self) -> str | None:
        """Why no test runs it, or the lines that begin with `skipped_words`."""
        match = NOT_RUN.fullmatch(self.mark or "")
        return match["reason"] if match else None

    @property
    def skipped_words(self) -> frozenset[str]:
        """What the lines begin with that no test runs; empty if the mark is for the whole block."""
        match = NOT_RUN.fullmatch(self.mark or "")
        return frozenset((match["words"] or "").split(", ")) - {""} if match else frozenset()

    @property
    def other_test(self) -> str | None:
        """The test that runs it, if it is not run with its page."""
        match = RUN_BY.fullmatch(self.mark or "")
        return match["test"] if match else None

    @property
    def is_run_with_its_page(self) -> bool:
        """All of it, or all but the lines that begin with `skipped_words`."""
        return self.other_test is None and (self.reason is None or bool(self.skipped_words))

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def read_blocks(document: Path) -> Iterator[Block]:
    """The blocks of one document, without the site's own such as tables of contents."""
    text = document.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if not match["language"].startswith("{"):
            before = text[: match.start()]
            yield Block(
                document=document.relative_to(ROOT).as_posix(),
                line=text[: match.start("text")].count("\n"),
                language=match["language"],
                text=match["text"],
                heading=re.findall(r"^#+ (.*)", before, re.MULTILINE)[-1],
                mark=match["mark"],
            )


def all_blocks() -> list[Block]:
    """Those of all documents."""
    return [block for document in DOCUMENTS for block in read_blocks(document)]


def count_marks() -> str:
    """How many blocks tests run, and the reasons of the others."""
    blocks = all_blocks()
    reasons = Counter(block.reason for block in blocks if block.reason)
    lines = [f"{len(blocks)} blocks; tests run {sum(block.reason is None for block in blocks)} as they are"]
    lines += [f"{count:3} with lines not run: {reason}" for reason, count in reasons.most_common()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(count_marks())
