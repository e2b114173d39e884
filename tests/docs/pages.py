"""Markdown pages as what a test asks of them: blocks of code, links, headings, names in code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOUSE: Final = Path(__file__).parents[2]
# Records of decisions speak of what was weighed as well, and the bench writes its own page.
_APART: Final = ("docs/adr/",)

_FENCE: Final = re.compile(r"^```(\w*)$")
_MARK: Final = re.compile(r"^<!-- (.+) -->$")
_LINK: Final = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])+\]\(([^()\s]+)\)")
_IMAGE: Final = re.compile(r"!\[[^\]]*\]\(([^()\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        language: the word behind the fence.
        mark: the HTML comment in the line before the fence; empty without one.
        text: its lines.
        place: page and line, for messages.
    """

    language: str
    mark: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name from the root of the repository, and its text."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        """The file."""
        return HOUSE / self.name

    def blocks(self) -> Iterator[Block]:
        """Every block of code, in order."""
        lines = self.text.splitlines()
        opened: int | None = None
        language = ""
        for number, line in enumerate(lines):
            if opened is None and (found := _FENCE.match(line)):
                opened, language = number, found[1]
            elif opened is not None and line == "```":
                mark = _MARK.match(lines[opened - 1]) if opened else None
                body = "".join(f"{inner}\n" for inner in lines[opened + 1 : number])
                place = f"{self.name}:{opened + 1}"
                yield Block(language, mark[1] if mark else "", body, place)
                opened = None
        assert opened is None, f"{self.name}: the block of line {opened} does not end"

    @property
    def prose(self) -> str:
        """The text without blocks of code."""
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    def links(self) -> list[str]:
        """Where links and pictures lead."""
        return [*_LINK.findall(self.prose), *_IMAGE.findall(self.prose)]

    def names(self) -> list[str]:
        """What stands in the type of code within sentences and tables."""
        return [" ".join(found.split()) for found in _CODE.findall(self.prose)]

    def anchors(self) -> set[str]:
        """The anchors of all headings, as GitHub makes them."""
        headings = _HEADING.findall(self.prose)
        return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def pages() -> list[Page]:
    """Read every page that is written for users."""
    files = [HOUSE / "README.md", HOUSE / "CHANGELOG.md", *sorted((HOUSE / "docs").rglob("*.md"))]
    named = [(str(file.relative_to(HOUSE)), file) for file in files]
    return [
        Page(name, file.read_text("utf-8")) for name, file in named if not name.startswith(_APART)
    ]
