"""The process that judges bodies for one that serves.

    python -m sidecar.adapters.bodies.serving DESCRIPTOR LARGEST_KIB

It reads what strangers sent with parsers that nobody can interrupt, so that whoever serves can end
it, and loses nothing with it. It ends with the other end of its socket, and by itself after a body
that made it large: memory that parsers have used seldom returns to the system.
"""

import contextlib
import gc
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from sidecar.adapters.bodies.wire import Order, receive_order, send_finding
from sidecar.knowledge.validate.reading import Judge, Reading
from sidecar.model.body import Finding
from sidecar.model.refusals import RefusalCode

_REMEMBERED: Final = 64
_OBJECTS: Final = 10_000_000
# ru_maxrss is in KiB on Linux, in bytes on macOS.
_UNIT: Final = 1024 if sys.platform == "darwin" else 1
_NO_MEMORY: Final = Finding(RefusalCode.OVERLOADED, "judging the body takes too much memory")


def serve(connection: socket.socket, largest_kib: int) -> None:
    """Judge one body after the other, until nobody asks or too much memory was used.

    Args:
        connection: where orders come from.
        largest_kib: memory that it may have used, to be of further use.
    """
    judges: dict[Reading, Judge] = {}
    is_last = False
    while not is_last and (order := receive_order(connection)) is not None:
        finding = judged(order, judges)
        is_last = largest_seen_kib() > largest_kib
        send_finding(connection, finding, is_last=is_last)


def largest_seen_kib() -> int:
    """Return the most memory that the process had at a time.

    Where only `getrusage` can tell, that begins with what the process had that started this one.
    """
    try:
        status = Path("/proc/self/status").read_bytes()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNIT
    return int(status.partition(b"VmHWM:")[2].split()[0])


def judged(order: Order, judges: dict[Reading, Judge]) -> Finding | None:
    """Judge a body by rules that are compiled once."""
    judge = judges.get(order.reading)
    if judge is None:
        if len(judges) >= _REMEMBERED:
            judges.clear()
        judge = judges[order.reading] = Judge(order.reading)
    try:
        return judge.judge(order.content, order.about)
    except MemoryError:
        return _NO_MEMORY


def main() -> None:
    """Serve on the socket that was inherited."""
    # Ctrl-C is for the process that serves; this one ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Documents hold no cycles, and looking for some takes a third of the time of parsing.
    gc.set_threshold(_OBJECTS)
    # Where memory runs out, this one is to go, and not whoever serves.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection, int(sys.argv[2]))


if __name__ == "__main__":
    main()
