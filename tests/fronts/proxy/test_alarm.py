"""Timers to the microsecond: never early, in order, and gone when they are called off."""

import asyncio
import time
from itertools import pairwise

from sidecar.fronts.proxy.alarm import Alarm


async def test_calls_come_in_the_order_of_their_times_and_never_early() -> None:
    alarm, called, over = Alarm(), [], asyncio.Event()
    began = time.monotonic()

    def call(name: str, seconds: float) -> None:
        called.append((name, time.monotonic() - began >= seconds))
        if name == "late":
            over.set()

    alarm.set(0.012, lambda: call("late", 0.012))
    alarm.set(0.0003, lambda: call("early", 0.0003))
    alarm.set(0.0, lambda: call("now", 0.0))
    alarm.set(0.002, lambda: call("never", 0.002)).cancel()
    async with asyncio.timeout(5):
        await over.wait()
    alarm.close()
    assert called == [("now", True), ("early", True), ("late", True)]


async def test_a_call_may_set_the_next_one() -> None:
    alarm, over, times = Alarm(), asyncio.Event(), []

    def call() -> None:
        times.append(time.monotonic())
        if len(times) == 5:
            over.set()
        else:
            alarm.set(0.001, call)

    alarm.set(0.001, call)
    async with asyncio.timeout(5):
        await over.wait()
    alarm.close()
    assert all(after - before >= 0.001 for before, after in pairwise(times))


async def test_nobody_is_called_after_the_end() -> None:
    alarm, over = Alarm(), asyncio.Event()
    alarm.set(0.001, alarm.close)
    alarm.set(0.001, over.set)
    await asyncio.sleep(0.01)
    alarm.close()
    assert not over.is_set()
