"""What goes between a process that serves and one that judges bodies: orders there, findings back.

Orders are Python's own (pickle): the rules come from the policy. Findings are JSON: whoever judges
reads what strangers sent, and must not be able to hand us objects.
"""

import json
import os
import pickle
import socket
import struct
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.validate.reading import Reading
from sidecar.model.body import NO_FILE, About, Fault, Finding
from sidecar.model.refusals import RefusalCode

_ORDER: Final = struct.Struct("!QQ?")
_FINDING: Final = struct.Struct("!Q?")
_LONGEST_FINDING: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Order:
    """A body to judge.

    Attributes:
        reading: what its route demands.
        about: what is known of it.
        size: its bytes.
        content: the bytes; empty when they lie in a file.
        descriptor: of that file; NO_FILE without one.
    """

    reading: Reading
    about: About
    size: int
    content: bytes
    descriptor: int = NO_FILE


def send_order(connection: socket.socket, order: Order) -> None:
    """Send a body to judge; of a file its descriptor goes, not its content.

    Raises:
        OSError: the other side is gone, or too slow.
    """
    words = pickle.dumps((order.reading, order.about))
    is_file = order.descriptor != NO_FILE
    head = _ORDER.pack(len(words), order.size, is_file)
    if is_file:
        socket.send_fds(connection, [head], [order.descriptor])
    else:
        connection.sendall(head)
    connection.sendall(words + order.content)


def receive_order(connection: socket.socket) -> Order | None:
    """Receive a body to judge; None when the other side is gone."""
    head, descriptors, _, _ = socket.recv_fds(connection, _ORDER.size, 1)
    if not head:
        return None
    head += _exactly(connection, _ORDER.size - len(head))
    length, size, is_file = _ORDER.unpack(head)
    # Written by the process that started this one.
    reading, about = pickle.loads(_exactly(connection, length))  # noqa: S301 -- see above
    if not is_file:
        return Order(reading, about, size, _exactly(connection, size))
    [descriptor] = descriptors
    try:
        return Order(reading, about, size, _read(descriptor, size))
    finally:
        os.close(descriptor)


def send_finding(connection: socket.socket, finding: Finding | None, *, is_last: bool) -> None:
    """Send what was found, and whether the process ends with it."""
    document = None
    if finding is not None:
        faults = [[fault.pointer, fault.detail] for fault in finding.faults]
        document = [finding.code, finding.reason, faults, finding.is_mismatch]
    content = json.dumps(document).encode()
    connection.sendall(_FINDING.pack(len(content), is_last) + content)


def receive_finding(connection: socket.socket) -> tuple[Finding | None, bool]:
    """Receive what was found, and whether the process ends with it.

    Raises:
        OSError: the other side is gone, or too slow.
        ValueError: it says what we cannot read.
    """
    length, is_last = _FINDING.unpack(_exactly(connection, _FINDING.size))
    if length > _LONGEST_FINDING:
        raise ValueError("a finding is too long")
    document: object = json.loads(_exactly(connection, length))
    if document is None:
        return None, is_last
    if not isinstance(document, list):
        raise ValueError("a finding is no list")  # noqa: TRY004 -- what came, not what was called
    code, reason, faults, is_mismatch = document
    places = tuple(Fault(str(pointer), str(detail)) for pointer, detail in faults)
    finding = Finding(RefusalCode(code), str(reason), places, is_mismatch=bool(is_mismatch))
    return finding, is_last


def _exactly(connection: socket.socket, size: int) -> bytes:
    pieces, left = [], size
    while left:
        piece = connection.recv(min(left, 1 << 20))
        if not piece:
            raise ConnectionResetError("the other side is gone")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _read(descriptor: int, size: int) -> bytes:
    content = os.pread(descriptor, size, 0)
    while len(content) < size:
        more = os.pread(descriptor, size - len(content), len(content))
        if not more:
            raise ConnectionResetError("the file of a body is cut short")
        content += more
    return content
