"""Audit records to a syslog server: RFC 5424 over TCP or TLS, with octet counting (RFC 6587).

Syslog has no answer by which a server says what it has. So lines count as taken when the other
machine's TCP has acknowledged their last byte: a connection that breaks loses none of them. What
a server had not read when it crashed is lost; HTTP and Redis streams answer for each record.
"""

import errno
import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from sidecar.policy.schema.audit import SyslogSink

PATIENCE_SECONDS: Final = 5.0
TLS_PORT: Final = 6514
"""RFC 5425 §4.1."""

TCP_PORT: Final = 601
"""RFC 3195 and IANA: syslog-conn; RFC 6587 names none."""

# Facility 13, log audit; severity 6, informational (RFC 5424 §6.2.1).
_PRIORITY: Final = 13 * 8 + 6
_NIL: Final = b"-"
_HOST_CHARACTERS: Final = 255
_ACTION_CHARACTERS: Final = 32
_PIECE_BYTES: Final = 16 << 10
_FIRST_LOOK_SECONDS: Final = 0.0005
_LAST_LOOK_SECONDS: Final = 0.05


class SyslogCarrier:
    """A connection to a syslog server.

    Args:
        section: the sink of the policy.

    Attributes:
        name: URL of the server.
        most: lines that may be sent at once.
    """

    def __init__(self, section: SyslogSink) -> None:
        self.name = section.syslog
        self.most = 1 << 20
        url = urlsplit(section.syslog)
        is_secure = url.scheme == "tls"
        self._host = url.hostname or ""
        self._port = url.port or (TLS_PORT if is_secure else TCP_PORT)
        self._context: ssl.SSLContext | None = None
        if is_secure:
            self._context = ssl.create_default_context(cafile=section.ca)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._socket: socket.socket | None = None
        self._lines: Sequence[bytes] = ()
        self._payload = b""
        self._sent = 0

    def connect(self) -> None:
        """Connect, or connect anew.

        Raises:
            OSError: nobody can be reached there, or its certificate is not good.
        """
        fresh = socket.create_connection((self._host, self._port), PATIENCE_SECONDS)
        try:
            if self._context is not None:
                fresh = self._context.wrap_socket(fresh, server_hostname=self._host)
        except OSError:
            fresh.close()
            raise
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.close()
        self._socket = fresh

    def send(self, lines: Sequence[bytes]) -> None:
        """Send lines, and wait until the other side's TCP has them.

        Raises:
            OSError: it took too long, then the next call goes on; or the connection broke, then
                the next call begins anew on another.
        """
        if lines is not self._lines:
            self._lines, self._sent = lines, 0
            self._payload = b"".join(map(_frame, lines))
        if self._socket is None:
            self.connect()
        open_socket = self._socket
        if open_socket is None:
            return
        try:
            self._push(open_socket)
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, "the receiver does not read") from error
        except OSError:
            self.close()
            raise

    def _push(self, open_socket: socket.socket) -> None:
        if not self._sent:
            _refuse_ended(open_socket)
        deadline = time.monotonic() + PATIENCE_SECONDS
        open_socket.settimeout(PATIENCE_SECONDS)
        while self._sent < len(self._payload):
            # OpenSSL wants the same bytes again after a time-out: pieces begin where it stands.
            piece = self._payload[self._sent : self._sent + _PIECE_BYTES]
            self._sent += open_socket.send(piece)
            if time.monotonic() > deadline:
                raise TimeoutError
        pause = _FIRST_LOOK_SECONDS
        while _unacknowledged(open_socket):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(pause)
            pause = min(2 * pause, _LAST_LOOK_SECONDS)
        _refuse_ended(open_socket)

    def close(self) -> None:
        """Close the connection; what was sent in part is sent anew on the next one."""
        open_socket, self._socket = self._socket, None
        self._sent = 0
        if open_socket is not None:
            open_socket.close()


def _refuse_ended(open_socket: socket.socket) -> None:
    """Find out whether the other side has hung up: it never sends anything else.

    Raises:
        ConnectionResetError: it has.
    """
    open_socket.settimeout(0)
    try:
        ended = not open_socket.recv(_PIECE_BYTES)
    except (BlockingIOError, ssl.SSLWantReadError):
        ended = False
    finally:
        open_socket.settimeout(PATIENCE_SECONDS)
    if ended:
        raise ConnectionResetError(errno.ECONNRESET, "the receiver has closed the connection")


def _unacknowledged(open_socket: socket.socket) -> int:
    """Bytes that the other side's TCP has not acknowledged (Linux: SIOCOUTQ is TIOCOUTQ).

    Raises:
        OSError: the connection broke meanwhile.
    """
    if broken := open_socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(broken, os.strerror(broken))
    found = fcntl.ioctl(open_socket.fileno(), termios.TIOCOUTQ, bytes(4))
    (count,) = struct.unpack("i", found)
    return int(count)


def _frame(line: bytes) -> bytes:
    """Make a syslog message of a line, after its length (RFC 5424 §6, RFC 6587 §3.4.1)."""
    line = line.rstrip(b"\n")
    head = b"<%d>1 %s %s sidecar %d %s - " % (
        _PRIORITY,
        _text_of(line, b"timestamp"),
        _HOST,
        os.getpid(),
        _text_of(line, b"action")[:_ACTION_CHARACTERS],
    )
    return b"%d %s%s" % (len(head) + len(line), head, line)


def _text_of(line: bytes, key: bytes) -> bytes:
    # A quote inside of a text is escaped: no text can look like a key.
    _, found, rest = line.partition(b'"%s":"' % key)
    return rest.partition(b'"')[0] if found else _NIL


def _own_name() -> bytes:
    name = socket.gethostname()
    is_fit = name.isascii() and name.isprintable() and " " not in name
    return name.encode()[:_HOST_CHARACTERS] if name and is_fit else _NIL


_HOST: Final = _own_name()
