"""The tour and its verdicts, without a sidecar: the service is asked directly."""

from pathlib import Path

import pytest

from sidecar.fronts.demo.stops import ACME_KEY, REVOKED_KEY, STOPS, Expected
from sidecar.fronts.demo.tour import Tour
from sidecar.fronts.demo.upstream import serving
from sidecar.fronts.demo.visit import Answer, Plain

# No sidecar gives up before the service answers, so nothing is shown by its taking 5 s.
SLOWEST = 0.1


def an_answer(status: int = 200, body: str = "Hello", pieces: int = 1) -> Answer:
    return Answer(status, "OK", [("Allow", "GET")], body, pieces)


@pytest.mark.parametrize(
    ("expected", "fault"),
    [
        pytest.param(Expected(200), None, id="as expected"),
        pytest.param(Expected(404), "the status is 200, not 404", id="status"),
        pytest.param(Expected(200, says=("hello",)), None, id="case does not matter"),
        pytest.param(Expected(200, says=("bye",)), "the body lacks 'bye'", id="lacks"),
        pytest.param(Expected(200, hides=("HELLO",)), "the body holds 'HELLO'", id="holds"),
        pytest.param(Expected(200, fields=(("allow", "GET"),)), None, id="field"),
        pytest.param(
            Expected(200, fields=(("Allow", None),)),
            "Allow is 'GET', not None",
            id="unwanted field",
        ),
        pytest.param(
            Expected(200, fields=(("Via", "x"),)), "Via is None, not 'x'", id="missing field"
        ),
        pytest.param(
            Expected(200, is_streamed=True), "the body came in one piece", id="not streamed"
        ),
        pytest.param(
            Expected(200, because="refused"), "the reason is not 'refused'", id="another reason"
        ),
        pytest.param(Expected(200, is_closed=True), "the connection stayed open", id="not closed"),
    ],
)
def test_a_stop_names_what_is_not_as_expected(expected: Expected, fault: str | None) -> None:
    assert expected.faults(an_answer(), "admitted") == ([] if fault is None else [fault])


async def test_without_a_sidecar_the_tour_fails_and_says_where(tmp_path: Path) -> None:
    lines: list[str] = []
    async with serving(slowest=SLOWEST) as port:
        assert not await Tour(("127.0.0.1", port), tmp_path / "none", lines.append).walk()
    shown = "\n".join(lines)
    assert f"0 of {len(STOPS)} stops gave the expected answer." in shown
    assert "unexpected: the body holds 'quarterly figures'" in shown
    assert "unexpected: the reason is not 'admitted'" in shown
    assert "\x1b" not in shown


async def test_a_sidecar_that_is_not_there_is_said_in_one_line_a_stop(tmp_path: Path) -> None:
    lines: list[str] = []
    async with serving() as port:
        pass
    tour = Tour(("127.0.0.1", port), tmp_path / "none", lines.append, has_colour=True)
    assert not await tour.walk()
    assert sum("no answer: " in line for line in lines) == len(STOPS)
    assert lines[0].startswith("\x1b[1m")


def test_every_kind_of_refusal_that_a_client_can_cause_is_on_the_tour() -> None:
    shown = {stop.expected.status for stop in STOPS}
    assert {200, 201, 101, 400, 401, 403, 404, 405, 413, 415, 429, 502, 504} <= shown


def test_no_target_of_the_tour_is_tidied_up_on_its_way() -> None:
    targets = [stop.request.target for stop in STOPS if isinstance(stop.request, Plain)]
    assert any("/../" in target for target in targets)
    assert any("%2F" in target for target in targets)
    assert all(target.isascii() for target in targets)


async def test_keys_are_sent_but_not_shown(tmp_path: Path) -> None:
    keys = {ACME_KEY: "demo_ABC", REVOKED_KEY: "demo_XYZ"}
    lines: list[str] = []
    async with serving(slowest=SLOWEST) as port:
        tour = Tour(("127.0.0.1", port), tmp_path / "none", lines.append, keys=keys)
        await tour.walk()
    # This service, asked directly, shows all that it was sent.
    shown = "\n".join(lines)
    assert f"    > X-API-Key: {ACME_KEY}" in lines
    assert f"    > X-API-Key: {REVOKED_KEY}" in lines
    assert "<   X-API-Key: demo_ABC" in shown
    assert "<   X-API-Key: demo_XYZ" in shown
    assert "> X-API-Key: demo" not in shown
