"""The tour: visit every stop, print what was asked, what came back and why, and judge it."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aiohttp import ClientError

from sidecar.fronts.demo.stops import STOPS, Stop
from sidecar.fronts.demo.visit import Answer, Echo, Plain, Raw, Request, send

# Audit records are written in batches, so the one of a stop may be a little late.
_RECORD_SECONDS: Final = 3.0
_LOOK_AGAIN_SECONDS: Final = 0.05
_EXCERPT_LINES: Final = 14
_LINE_LENGTH: Final = 112

_BOLD, _DIM, _RED, _GREEN = "1", "2", "31", "32"

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Tour:
    """A tour of a running sidecar.

    Attributes:
        origin: host and port of the proxy listener.
        trail: the file that the sidecar writes its audit records to.
        show: prints one line.
        has_colour: whether lines may hold ANSI escapes.
        keys: the keys, by what stands for them in the stops.
    """

    origin: tuple[str, int]
    trail: Path
    show: Callable[[str], None]
    has_colour: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)

    async def walk(self) -> bool:
        """Visit every stop in order; true if each gave the answer that it must."""
        verdicts = [await self._visit(number, stop) for number, stop in enumerate(STOPS, 1)]
        good, total = sum(verdicts), len(verdicts)
        colour = _GREEN if good == total else _RED
        self.show(self._paint(colour, f"{good} of {total} stops gave the expected answer."))
        return good == total

    async def _visit(self, number: int, stop: Stop) -> bool:
        self.show(self._paint(_BOLD, f"{number:>2}  {stop.title}"))
        for line in _request_lines(stop.request):
            self.show(f"    > {line}".rstrip())
        try:
            answer = await send(self.origin, self._with_keys(stop.request))
        except (OSError, ClientError) as error:
            self.show(self._paint(_RED, f"    no answer: {str(error) or type(error).__name__}"))
            return False
        for line in _answer_lines(answer, stop.shows):
            self.show(f"    < {line}")
        why = _why(await _find_record(self.trail, answer.get("X-Request-Id")))
        self.show(self._paint(_DIM, f"    why: {why}"))
        faults = stop.expected.faults(answer, why)
        for fault in faults:
            self.show(self._paint(_RED, f"    unexpected: {fault}"))
        self.show("")
        return not faults

    def _with_keys(self, request: Request) -> Request:
        """Put the keys in; what is printed is the request without them."""
        if not isinstance(request, Plain):
            return request
        fields = tuple((name, self.keys.get(value, value)) for name, value in request.fields)
        return replace(request, fields=fields)

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colour else text


def _request_lines(request: Request) -> Iterator[str]:
    match request:
        case Plain(method, target, fields, body):
            yield f"{method} {target}"
            yield from (f"{name}: {value}" for name, value in fields)
            if body:
                yield f"[{len(body)} bytes] {body[:40].decode()}"
        case Raw(message):
            yield from message.decode().splitlines()
        case Echo(target, text):
            yield f"GET {target} (WebSocket)"
            yield f"[message] {text}"


def _answer_lines(answer: Answer, shows: tuple[str, ...]) -> Iterator[str]:
    yield f"{answer.status} {answer.reason}"
    yield from (f"{name}: {value}" for name in shows if (value := answer.get(name)) is not None)
    lines = [line for line in _body_lines(answer.body) if line.strip()]
    for line in lines[:_EXCERPT_LINES]:
        yield line if len(line) <= _LINE_LENGTH else f"{line[:_LINE_LENGTH]}…"
    if len(lines) > _EXCERPT_LINES:
        yield f"… and {len(lines) - _EXCERPT_LINES} lines more"


def _body_lines(body: str) -> list[str]:
    """Lay out what the echo endpoint saw as a request; anything else as it came."""
    try:
        seen = json.loads(body)
        headers = [f"  {name}: {value}" for name, value in seen["headers"]]
    except (ValueError, TypeError, KeyError):
        return body.splitlines()
    return [f"the service saw: {seen['method']} {seen['target']}", *headers]


async def _find_record(trail: Path, request_id: str | None) -> Record | None:
    """Wait for the audit record of a request.

    Args:
        trail: the file of audit records, one JSON object a line.
        request_id: the answer's X-Request-Id; None finds nothing.
    """
    for _ in range(int(_RECORD_SECONDS / _LOOK_AGAIN_SECONDS) if request_id else 0):
        records = [json.loads(line) for line in _lines_of(trail)]
        if found := [record for record in records if record["request_id"] == request_id]:
            return dict(found[0])
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return None


def _lines_of(trail: Path) -> list[str]:
    # The last piece is a line still being written, or nothing.
    return trail.read_text("utf-8").split("\n")[:-1] if trail.exists() else []


def _why(record: Record | None) -> str:
    """Say in words what the audit record says: outcome, step, reason, route."""
    if record is None:
        return "the audit trail does not say"
    traffic = record.get("metadata")
    traffic = traffic if isinstance(traffic, Mapping) else {}
    words = str(record.get("outcome"))
    if step := traffic.get("step"):
        words += f" by {step}"
    if reason := record.get("reason"):
        words += f": {reason}"
    for refusal in traffic.get("would_refuse", ()):
        words += f", though {refusal['code']} in earnest: {refusal['reason']}"
    return f"{words} (route {record.get('resource_id')})"
