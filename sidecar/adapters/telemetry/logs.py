"""The sidecar's own logs, on standard error: JSON lines, or text for a person at a terminal.

What happened to a request stands in the audit trail, not here. No record holds a secret: a value
that is one is a `Secret`, which no formatting reveals.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Final, TextIO

# Attributes that every record has; whatever else one has came as `extra`.
_ORDINARY: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(stream: TextIO, *, level: int = logging.INFO, as_json: bool | None = None) -> None:
    """Send all logs to a stream, in place of where they went before.

    Args:
        stream: where they go.
        level: the least that is written.
        as_json: JSON lines or text; None for text on a terminal and JSON elsewhere.
    """
    if as_json is None:
        as_json = not stream.isatty()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if as_json else Text())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # Each request of the admin listener, and asyncio's choice of selector, interest nobody.
    for name in ("aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what came as `extra`, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as a line."""
        line: dict[str, object] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Text(logging.Formatter):
    """A line for a person: time, level, message and what came as `extra`; then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as a line; what could steer the terminal is spelled out."""
        words = [_timestamp(record), f"{record.levelname.lower():7}", record.getMessage()]
        words += [f"{name}={value}" for name, value in _extra(record).items()]
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in "  ".join(words))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _ORDINARY}


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
