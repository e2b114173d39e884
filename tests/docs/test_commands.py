"""Every command of a page, followed by a reader on a clean machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import HOUSE, Block, Page, pages
from tests.docs.session import (
    SERVICE,
    DifferentError,
    Program,
    Session,
    commands_of,
    free_ports,
    matches,
)

FOLLOWED = ("console", "sh")
# Pages that show commands; a page without any is no case here.
PAGES = [page for page in pages() if any(b.language in FOLLOWED for b in page.blocks())]


def file_of(block: Block) -> str:
    """Name the file that a block is saved as: by a comment before it, or in its first line."""
    if block.mark.startswith("file: "):
        return block.mark.removeprefix("file: ")
    first = block.text.partition("\n")[0]
    return first.removeprefix("# ") if block.language == "yaml" and first.endswith(".yaml") else ""


def followed(page: Page, session: Session) -> None:
    """Follow a page from top to bottom."""
    for block in page.blocks():
        if name := file_of(block):
            session.save(name, block.text)
        if block.language not in FOLLOWED:
            continue
        for command in commands_of(block):
            if command.text.startswith("make "):
                assert target_exists(command.text.split()[1]), command
            else:
                session.follow(command)


def followed_to_the_end(page: Page, session: Session) -> None:
    """Follow a page, and end."""
    followed(page, session)
    session.end()


def target_exists(target: str) -> bool:
    """Tell whether the Makefile has a target, with its line of help."""
    return f"\n{target}: " in (HOUSE / "Makefile").read_text("utf-8")


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, Program]]:
    """The example services: started by the first page that asks, stopped after the last."""
    running: dict[str, Program] = {}
    yield running
    for service in running.values():
        service.stop()


@pytest.fixture(scope="module")
def ports() -> dict[int, int]:
    return free_ports()


@pytest.fixture
def session(
    tmp_path: Path, ports: dict[int, int], services: dict[str, Program]
) -> Iterator[Session]:
    session = Session(tmp_path, ports, services)
    session.prepare()
    yield session
    session.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_reader_sees_what_the_page_shows(page: Page, session: Session) -> None:
    followed_to_the_end(page, session)


def test_a_page_that_shows_something_else_is_found(session: Session) -> None:
    page = Page("here", "```console\n$ echo one two\none … three\n```\n")
    with pytest.raises(DifferentError, match="one two"):
        followed(page, session)


@pytest.mark.parametrize(
    "text", ["$ false\n$ echo on\non\n", "$ false\n"], ids=["in the middle", "at the end"]
)
def test_a_command_that_fails_unsaid_is_found(text: str, session: Session) -> None:
    with pytest.raises(DifferentError):
        followed_to_the_end(Page("here", f"```console\n{text}```\n"), session)


STAND_IN = f"{HOUSE}/tests/docs/curl.py"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("-s -N --path-as-is /api/items/1", '{"id": "1", "name": "anvil", "price": 120}'),
        ("-s -i /api/items/1", "HTTP/1.1 200 OK\nContent-Type: …\n…\n\n{…}"),
        ("-s -I /api/items/1", "HTTP/1.1 200 OK\nContent-Type: …\n…"),
        ("-s -X DELETE -H 'Host: a.example' /echo/x", '{"method": "DELETE", …a.example…}'),
        ("-s -d a=1 /echo/x", '{"method": "POST", …x-www-form-urlencoded…}'),
        ("-s -T upload /upload", '{"bytes": 3, …}'),
        ("-s -o answer -w '%{http_code}\\n' /nowhere", "404"),
    ],
)
def test_the_stand_in_for_curl_does_what_curl_does(
    words: str, shown: str, session: Session
) -> None:
    session.save("upload", "abc")
    options, _, path = words.rpartition(" ")
    command = f".venv/bin/python {STAND_IN} {options} http://127.0.0.1:3000{path}"
    text = f"```console\n$ {SERVICE}\n$ {command}\n{shown}\n```\n"
    followed_to_the_end(Page("here", text), session)


@pytest.mark.parametrize(
    ("shown", "came", "is_same"),
    [
        ("one", "one\n", True),
        ("one", "two\n", False),
        ("o…e", "one\n", True),
        ("o…e", "o\ne\n", False),
        ("one\n…\nfour", "one\ntwo\nthree\nfour\n", True),
        ("one\n…\nfour", "one\nfour\n", True),
        ("one", "one\ntwo\n", False),
        ("", "", True),
    ],
)
def test_an_outcome_is_compared_line_by_line(shown: str, came: str, *, is_same: bool) -> None:
    assert matches(shown, came) is is_same
