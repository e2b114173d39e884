"""Metrics are written once for all who ask meanwhile, and never by what a reader made up."""

import asyncio
from collections.abc import Callable

import pytest

from sidecar.adapters.telemetry.scrapes import LONGEST_REST_SECONDS, Scrapes, asks_openmetrics


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        ("text/plain;q=0.5, Application/OpenMetrics-Text ;version=1.0.0;escaping=x;q=0.6", True),
        ("application/openmetrics-text;version=abc", True),
        ("application/openmetrics-text2", False),
        (";,;,==", False),
    ],
)
def test_a_reader_gets_openmetrics_if_it_names_it(accept: str, is_openmetrics: bool) -> None:
    assert asks_openmetrics(accept) is is_openmetrics


class Pen:
    """Writes as slowly as it is told."""

    def __init__(self) -> None:
        self.began: list[bool] = []
        self.now = 0.0
        self.takes = 0.0
        self.gate = asyncio.Event()
        self.is_broken = False

    async def write(self, is_openmetrics: bool) -> tuple[str, bytes]:
        self.began.append(is_openmetrics)
        number = len(self.began)
        await self.gate.wait()
        self.now += self.takes
        if self.is_broken:
            raise ValueError("broken")
        return "text", str(number).encode()


async def reached(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 -- a few turns of the loop
            await asyncio.sleep(0)


async def test_those_who_ask_while_it_is_written_share_the_next_text() -> None:
    pen = Pen()
    scrapes = Scrapes(pen.write, lambda: pen.now)
    first = asyncio.create_task(scrapes.read(is_openmetrics=False))
    await reached(lambda: len(pen.began) == 1)
    others = [asyncio.create_task(scrapes.read(is_openmetrics=False)) for _ in range(20)]
    strict = asyncio.create_task(scrapes.read(is_openmetrics=True))
    await asyncio.sleep(0)
    # One that does not wait any longer takes it from nobody.
    others[0].cancel()
    pen.gate.set()
    assert (await first)[1] == b"1"
    assert {(await other)[1] for other in others[1:]} == {b"2"}
    assert (await strict)[1] == b"3"
    assert pen.began == [False, False, True]


async def test_an_error_is_everybodys_and_the_next_one_is_served() -> None:
    pen = Pen()
    pen.is_broken = True
    pen.gate.set()
    scrapes = Scrapes(pen.write, lambda: pen.now)
    asking = [asyncio.create_task(scrapes.read(is_openmetrics=False)) for _ in range(2)]
    for one in asking:
        with pytest.raises(ValueError, match="broken"):
            await one
    pen.is_broken = False
    assert (await scrapes.read(is_openmetrics=False))[1] == b"2"


@pytest.mark.parametrize(("takes", "rest"), [(0.02, 0.06), (60.0, LONGEST_REST_SECONDS)])
async def test_it_rests_for_longer_than_it_took(
    takes: float, rest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pen = Pen()
    pen.takes = takes
    pen.gate.set()
    scrapes = Scrapes(pen.write, lambda: pen.now)
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await scrapes.read(is_openmetrics=False)
    await scrapes.read(is_openmetrics=False)
    assert slept == [0.0, pytest.approx(rest)]
