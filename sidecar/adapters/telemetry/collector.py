"""The way to a collector of spans: one host, no redirect, no environment, a bounded answer.

The SDK alone takes a redirect for success, reads an answer however long it is, and says of most
failures only that there was one.
"""

import time
from collections.abc import Mapping
from io import BytesIO
from typing import Final, cast

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has none
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests import PreparedRequest, RequestException, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

ANSWER_BYTES: Final = 1 << 16
"""What is read of an answer; a collector that took everything says nothing."""

_PIECE_BYTES: Final = 1 << 13
_MESSAGE_CHARACTERS: Final = 200


class Way(HTTPAdapter):
    """Sends batches, and knows what became of the last one.

    Attributes:
        trouble: why it was not taken, or not all of it, in words without its URL, which may hold
            a token; empty if it was taken.
    """

    def __init__(self, authorities: str | None) -> None:
        """Keep whom to trust.

        Args:
            authorities: file or folder; None for those that come with `requests`.
        """
        super().__init__()
        self._authorities = authorities
        self.trouble = ""

    def send(  # noqa: PLR0913, PLR0917 -- as `requests` calls it
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 -- as above
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002 -- as above
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a batch and read what there is to the answer, whatever the environment wants."""
        del stream, verify, cert, proxies
        verify = self._authorities or True
        patience = timeout if isinstance(timeout, int | float) else 0.0
        deadline = time.monotonic() + patience
        try:
            response = super().send(request, stream=True, timeout=timeout, verify=verify)
            raw = cast("BaseHTTPResponse", response.raw)  # what this adapter made
            content = _read(raw, deadline)
        except (RequestException, HTTPError, OSError) as error:
            self.trouble = cause_of(error)
            raise
        response.raw = BytesIO()
        self.trouble = _objection(response.status_code, content)
        return response


def a_session(way: Way) -> Session:
    """Make a session in which everything goes one way."""
    session = Session()
    # No proxy and no password of the environment: the policy says where spans go.
    session.trust_env = False
    session.mount("http://", way)
    session.mount("https://", way)
    return session


def cause_of(error: BaseException) -> str:
    """Say why nothing was sent: what the system or TLS said, and never the URL."""
    said = name = ""
    cause: BaseException | None = error
    while cause is not None:
        name = type(cause).__name__
        if isinstance(cause, OSError) and not isinstance(cause, RequestException):
            said = str(cause)
        cause = cause.__cause__ or cause.__context__
    return (said or name)[:_MESSAGE_CHARACTERS]


def _read(raw: BaseHTTPResponse, deadline: float) -> bytes:
    """Read the beginning of an answer; the connection is kept only if that was all of it."""
    pieces: list[bytes] = []
    size = 0
    while size <= ANSWER_BYTES:
        # Not decoded: a few bytes of gzip can be as many megabytes as somebody likes.
        piece = raw.read1(_PIECE_BYTES, decode_content=False)
        if not piece:
            return b"".join(pieces)
        size += len(piece)
        if time.monotonic() > deadline:
            break
        pieces.append(piece)
    raw.close()
    return b""


def _objection(status: int, content: bytes) -> str:
    """Say what a collector has against a batch; empty for nothing."""
    if not 200 <= status < 300:  # noqa: PLR2004 -- OTLP: 2xx alone is success
        return f"it answered {status}"
    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError:
        # Whatever else stands there, the status says that it took the batch.
        return ""
    if not partial.rejected_spans:
        return ""
    return f"it rejected {partial.rejected_spans} spans: {partial.error_message}"[
        :_MESSAGE_CHARACTERS
    ]
