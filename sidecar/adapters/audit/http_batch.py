"""Audit records to an HTTP server: JSON lines, packed with gzip, a batch in each POST (AU-1).

A batch is taken when the answer is 2xx. After 408, 425, 429, 5xx and whatever breaks the connection
it is sent again: soon at first, then less often, and not before the time that Retry-After names.
Any other answer means that one of the two is set up wrongly: that is complained about, and tried
again twice a minute, since mending it must lose nothing. 413 halves the batches.
"""

import errno
import gzip
import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from sidecar import __version__
from sidecar.adapters.audit.sinks import WaitError
from sidecar.policy.schema.audit import HttpSink

PATIENCE_SECONDS: Final = 5.0
MOST_LINES: Final = 1000
WRONG_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 300.0

_ANSWER_BYTES: Final = 64 << 10
_TOO_LARGE: Final = 413
_PASSING: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_PACKING: Final = 6


class HttpCarrier:
    """A connection to an HTTP server, kept alive.

    Args:
        section: the sink of the policy.

    Attributes:
        name: URL of the server, without its query.
        most: lines that may be sent at once.
    """

    def __init__(self, section: HttpSink) -> None:
        url = urlsplit(section.http)
        self.name = f"{url.scheme}://{url.netloc}{url.path}"
        self.most = MOST_LINES
        self._host, self._port = url.hostname or "", url.port
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._context: ssl.SSLContext | None = None
        if url.scheme == "https":
            self._context = ssl.create_default_context(cafile=section.ca)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "User-Agent": f"sidecar/{__version__}",
            **{name: value.reveal().decode("latin-1") for name, value in section.headers.items()},
        }
        self._connection: HTTPConnection | None = None

    def connect(self) -> None:
        """Connect, or connect anew.

        Raises:
            OSError: nobody can be reached there, or its certificate is not good.
        """
        fresh = self._fresh()
        try:
            fresh.connect()
        except OSError:
            fresh.close()
            raise
        self.close()
        self._connection = fresh

    def _fresh(self) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(self._host, self._port, timeout=PATIENCE_SECONDS)
        return HTTPSConnection(
            self._host, self._port, timeout=PATIENCE_SECONDS, context=self._context
        )

    def send(self, lines: Sequence[bytes]) -> None:
        """Send lines in one request.

        Raises:
            OSError: they were not taken.
        """
        connection = self._connection or self._fresh()
        self._connection = connection
        body = gzip.compress(b"".join(lines), _PACKING)
        try:
            connection.request("POST", self._target, body, self._headers)
            answer = connection.getresponse()
            answer.read(_ANSWER_BYTES)
        except (HTTPException, OSError) as error:
            self.close()
            raise _broken(error) from error
        if not answer.isclosed() or answer.will_close:
            # More than anybody reads of an answer.
            self.close()
        self._judge(answer, len(lines))

    def _judge(self, answer: HTTPResponse, sent: int) -> None:
        status = answer.status
        if 200 <= status < 300:  # noqa: PLR2004  the class of success (RFC 9110 §15.3)
            return
        reason = f"the receiver answers {status}"
        if status == _TOO_LARGE and sent > 1:
            self.most = sent // 2
            raise WaitError(f"{reason}: batches become smaller", self.name, 0.0)
        asked = _seconds_in(answer.getheader("Retry-After"))
        if status in _PASSING or status >= _SERVER_ERROR:
            raise WaitError(reason, self.name, asked)
        raise WaitError(reason, self.name, max(asked, WRONG_SECONDS))

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _broken(error: Exception) -> OSError:
    if isinstance(error, TimeoutError):
        return OSError(errno.ETIMEDOUT, "the receiver does not answer in time")
    if isinstance(error, OSError) and error.strerror:
        return error
    return OSError(errno.EPROTO, f"the receiver breaks off: {type(error).__name__}")


def _seconds_in(value: str | None) -> float:
    """Read Retry-After (RFC 9110 §10.2.3): seconds or a date, five minutes at most."""
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        seconds = float(value)
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)
