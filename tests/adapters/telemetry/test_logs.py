"""The sidecar's own logs."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from sidecar.adapters.telemetry.logs import set_up
from sidecar.model.secret import Secret


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give the root logger back to pytest."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # `force` would close those of pytest
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(stream: StringIO) -> dict[str, object]:
    line: dict[str, object] = json.loads(stream.getvalue())
    return line


def test_a_log_is_a_json_object_a_line() -> None:
    stream = StringIO()
    set_up(stream)
    logging.getLogger("sidecar.audit").error("disk %s", "full", extra={"sink": "stdout", "n": 3})
    line = logged(stream)
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "level": "error",
        "logger": "sidecar.audit",
        "message": "disk full",
        "sink": "stdout",
        "n": 3,
    }


def test_a_terminal_gets_text() -> None:
    stream = Terminal()
    set_up(stream)
    logging.getLogger("sidecar").warning("policy reloaded", extra={"routes": 4})
    assert stream.getvalue().rstrip().endswith("warning  policy reloaded  routes=4")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_cannot_forge_a_line_or_steer_a_terminal(as_json: bool) -> None:
    stream = StringIO()
    set_up(stream, as_json=as_json)
    logging.getLogger("sidecar").error("path /a\nerror forged \x1b[2J \x9b2J")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue()[:-1].isprintable()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_stays_one(as_json: bool) -> None:
    stream = StringIO()
    set_up(stream, as_json=as_json)
    secret = Secret(b"hunter2")
    logging.getLogger("sidecar").error("with %s and %r", secret, secret, extra={"key": secret})
    assert stream.getvalue().count("Secret(") == 3
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exception_comes_with_its_traceback(as_json: bool) -> None:
    stream = StringIO()
    set_up(stream, as_json=as_json)
    try:
        raise ValueError("odd")  # noqa: TRY301  the traceback is what is tested
    except ValueError:
        logging.getLogger("sidecar").exception("it failed")
    assert "it failed" in stream.getvalue()
    assert "ValueError: odd" in stream.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    stream = StringIO()
    set_up(stream, level=logging.ERROR)
    logging.getLogger("sidecar").warning("nothing")
    logging.getLogger("aiohttp.access").error("GET /")
    assert "nothing" not in stream.getvalue()


def test_setting_up_again_replaces_the_stream() -> None:
    first, second = StringIO(), StringIO()
    set_up(first)
    set_up(second)
    logging.getLogger("sidecar").error("once")
    assert first.getvalue() == ""
    assert logged(second)["message"] == "once"
