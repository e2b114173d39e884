"""Reading why a request was refused is an action of an operator: it is noted, found or not."""

from collections.abc import Mapping

import pytest

from sidecar.lifecycle.errors import BadValueError, NotFoundError
from sidecar.lifecycle.explain_operations import EXPLAIN, ExplainDesk, chosen
from sidecar.model.ports import Event

KEPT = "01a21a84-0d30-7142-8060-239ceaeda0cd"


class Noting:
    """An audit that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note_event(self, event: Event) -> None:
        self.events.append(event)


async def find(request_id: str) -> Mapping[str, object] | None:
    return {"request_id": request_id} if request_id == KEPT else None


async def asked(name: str, noting: Noting) -> Mapping[str, object]:
    [operation] = ExplainDesk(find, noting).operations()
    assert (operation.method, operation.path) == ("GET", EXPLAIN)
    return await operation.perform("watch", {"id": name}, (), b"")


async def test_a_kept_decision_is_told_and_the_reading_noted() -> None:
    noting = Noting()
    assert await asked(KEPT, noting) == {"request_id": KEPT}
    [event] = noting.events
    assert (event.action, event.actor, event.resource_type, event.resource_id, event.reason) == (
        "explain.read", "watch", "request", KEPT, None,
    )  # fmt: skip


async def test_one_that_is_not_kept_is_noted_as_well() -> None:
    noting = Noting()
    with pytest.raises(NotFoundError, match="no decision with this id is kept"):
        await asked("nothing-like-it", noting)
    assert noting.events[0].reason == "no decision with this id is kept"


@pytest.mark.parametrize("name", ["", "short", "a b c d e f", "../../etc/passwd", "x" * 129])
async def test_what_is_no_id_is_not_looked_for(name: str) -> None:
    noting = Noting()
    with pytest.raises(BadValueError):
        await asked(name, noting)
    assert noting.events == []


def a_decision(name: str, at: int, *others: str) -> Mapping[str, object]:
    return {"id": name, "at": f"2026-01-01T00:00:0{at}.000Z", "others": list(others)}


@pytest.mark.parametrize(
    ("found", "expected", "others"),
    [
        pytest.param([a_decision("a", 1)], "a", [], id="one"),
        pytest.param([a_decision("a", 1), a_decision("b", 2)], "b", ["a"], id="the last"),
        pytest.param([a_decision(KEPT, 1), a_decision("b", 2)], KEPT, ["b"], id="its own id"),
        pytest.param([a_decision("a", 2, "c"), a_decision("b", 1, "d")], "a", ["b", "c", "d"],
                     id="the others of all"),
    ],
)  # fmt: skip
def test_of_what_several_processes_keep_one_is_told_and_the_others_named(
    found: list[Mapping[str, object]], expected: str, others: list[str]
) -> None:
    told = chosen(found, KEPT)
    assert told is not None
    assert (told["id"], told["others"]) == (expected, others)
    assert chosen([], KEPT) is None
