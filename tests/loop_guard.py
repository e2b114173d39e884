"""A watchman beside the event loop, who notes when it was blocked and by what line."""

import asyncio
import sys
import threading
import time
import traceback
from typing import Final

import uvloop

LIMIT_SECONDS: Final = 0.5
ROUND_SECONDS: Final = 0.05


class LoopGuard:
    """Make event loops, and ask the newest one twenty times a second whether it is there.

    A loop that does not answer within half a second was blocked, unless it was stopped meanwhile,
    or the machine was too busy to wake the watchman himself in time.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._blocks: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop guard", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the watchman to go."""
        self._is_over.set()
        self._thread.join()

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop of a test: uvloop, as in production."""
        self._loop = uvloop.new_event_loop()
        return self._loop

    def take(self) -> list[str]:
        """Hand out what was seen since the last time."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def _watch(self) -> None:
        while not self._is_over.wait(ROUND_SECONDS):
            if self._loop is not None and self._loop.is_running():
                self._ask(self._loop)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        answered = threading.Event()
        asked = time.monotonic()
        try:
            loop.call_soon_threadsafe(answered.set)
        except RuntimeError:  # it was closed meanwhile
            return
        if answered.wait(LIMIT_SECONDS):
            return
        is_starved = time.monotonic() - asked > LIMIT_SECONDS + 2 * ROUND_SECONDS
        stack = _stack_of_the_loop()
        if not is_starved and loop.is_running() and not answered.wait(ROUND_SECONDS):
            self._blocks.append(stack)


def _stack_of_the_loop() -> str:
    # The name is private to the interpreter, yet documented for this very use.
    frames = sys._current_frames()  # noqa: SLF001  there is no public name
    frame = frames.get(threading.main_thread().ident or 0)
    return "".join(traceback.format_stack(frame, limit=8)) if frame else "(no stack)"
