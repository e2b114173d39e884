"""Request heads as tests read them."""

from collections.abc import Callable
from typing import Final

from sidecar.knowledge.http1.request import RequestHeadParser, new_hosts, new_request_lines
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.model.errors import ProtocolError
from sidecar.model.refusals import RefusalCode

LIMITS: Final = HeadLimits(start_line=200, head=600, fields=8)
BAD: Final = RefusalCode.BAD_REQUEST


def a_parser(*, is_tls: bool = False) -> RequestHeadParser:
    return RequestHeadParser(LIMITS, new_request_lines(), new_hosts(), is_tls=is_tls)


def refusal(read: Callable[[bytes], object], raw: bytes) -> RefusalCode | None:
    """Read bytes, and say how they are refused; None if they are not."""
    try:
        read(raw)
    except ProtocolError as error:
        return error.code
    return None


def code_of(raw: bytes, *, is_tls: bool = False) -> RefusalCode | None:
    """Parse a head twice, and say how it is refused; None if it is not."""
    parser = a_parser(is_tls=is_tls)
    first, second = (refusal(parser.parse, raw) for _ in range(2))
    assert first is second
    return first
