"""A watchman beside the event loop, who notes when it was blocked, and by what line.

He also ends what waits for ever. The alarm of pytest-timeout cannot: uvloop hands what a signal's
handler raises to the loop's exception handler, and the test goes on waiting.
"""

import asyncio
import faulthandler
import io
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Final

import uvloop

LIMIT_SECONDS: Final = 0.5
ROUND_SECONDS: Final = 0.05
# How long before the alarm the tasks of a test are cancelled, and how long after it a process that
# still hangs is ended: pytest-xdist then names the test and goes on with another process.
EARLY_SECONDS: Final = 2.0
GRACE_SECONDS: Final = 60.0


class _Loop(uvloop.Loop):
    """A loop that fails the test which left a connection open, and does not wait for it.

    pytest makes an error of the warning, which then ends the closing of that connection, and the
    loop goes on to wait until it is closed.
    """

    def close(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().close()
        left = [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)]
        if left:
            raise ResourceWarning("; ".join(left))


class LoopGuard:
    """Make event loops, and ask the newest one twenty times a second whether it is there.

    A loop that does not answer within half a second was blocked, unless it was stopped meanwhile,
    or the machine was too busy to wake the watchman himself in time.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._blocks: list[str] = []
        self._overdue: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop guard", daemon=True)
        # pytest takes descriptor 2 for itself while a test runs.
        self._stderr = os.fdopen(os.dup(2), "w")
        self._deadline: float | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the watchman to go."""
        self._is_over.set()
        self._thread.join()
        self._stderr.close()

    def limit(self, seconds: float) -> None:
        """Give the test that begins so much time."""
        self._deadline = time.monotonic() + max(seconds - EARLY_SECONDS, seconds / 2)
        faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=self._stderr)

    def unlimit(self) -> None:
        """Take note that the test ended."""
        self._deadline = None
        faulthandler.cancel_dump_traceback_later()

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop of a test: uvloop, as in production."""
        self._loop = _Loop()
        return self._loop

    def take(self) -> list[str]:
        """Hand out what was seen since the last time."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def take_overdue(self) -> list[str]:
        """Hand out what each task of a test waited for that took too long."""
        overdue, self._overdue = self._overdue, []
        return overdue

    def _watch(self) -> None:
        while not self._is_over.wait(ROUND_SECONDS):
            if self._loop is None or not self._loop.is_running():
                continue
            self._ask(self._loop)
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._deadline = None
                self._call(self._loop, self._end_all)

    def _end_all(self) -> None:
        """Cancel every task of the loop, and keep what each of them waited for."""
        for task in asyncio.all_tasks():
            stack = io.StringIO()
            task.print_stack(file=stack)
            self._overdue.append(stack.getvalue())
            task.cancel("the test took too long")

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        answered = threading.Event()
        asked = time.monotonic()
        if not self._call(loop, answered.set) or answered.wait(LIMIT_SECONDS):
            return
        is_starved = time.monotonic() - asked > LIMIT_SECONDS + 2 * ROUND_SECONDS
        stack = _stack_of_the_loop()
        if not is_starved and loop.is_running() and not answered.wait(ROUND_SECONDS):
            self._blocks.append(stack)

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> bool:
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:  # it was closed meanwhile
            return False
        return True


def _stack_of_the_loop() -> str:
    # The name is private to the interpreter, yet documented for this very use.
    frames = sys._current_frames()  # noqa: SLF001  there is no public name
    frame = frames.get(threading.main_thread().ident or 0)
    return "".join(traceback.format_stack(frame, limit=8)) if frame else "(no stack)"
