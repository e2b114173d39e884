"""Reviews of a real API server are answered as they were, and the answers give what it stored.

They are of Kubernetes 1.20, whose types do not have `restartPolicy` of a container: what it stored
lacks that, and nothing else. Newer fields are tested by hand in `test_review.py`.
"""

import json
from typing import Any, Final

import pytest

from sidecar.knowledge.kube.container import NAME
from sidecar.knowledge.kube.review import Decision, Result, decide
from tests.corpora.reviews.recorded import NAMES, Recorded, digest, read, sent, with_patch
from tests.knowledge.kube.inputs import Tree
from tests.knowledge.kube.test_review import patched

DROPPED: Final = "restartPolicy"
STORED: Final = [name for name in NAMES if read(name).stored]
PODS: Final = [name for name in STORED if read(name).kind == "Pod"]


def decided(recorded: Recorded, body: bytes | None = None) -> Decision:
    return decide(body or recorded.sent(), recorded.kind, recorded.injector())


def test_there_are_pods_and_services_refused_injected_and_left_alone() -> None:
    found = {(read(name).kind, decided(read(name)).result) for name in NAMES}
    assert found == {
        ("Pod", Result.INJECTED),
        ("Pod", Result.REFUSED),
        ("Pod", Result.UNCHANGED),
        ("Service", Result.INJECTED),
        ("Service", Result.UNCHANGED),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_those_that_came(name: str) -> None:
    recorded = read(name)
    assert digest(recorded.sent()) == recorded.sha256


@pytest.mark.parametrize("name", NAMES)
def test_a_review_is_answered_as_it_was(name: str) -> None:
    recorded = read(name)
    assert decided(recorded).body() == recorded.answer()
    assert decided(recorded).is_dry is ("dry" in name)


@pytest.mark.parametrize("name", NAMES)
def test_notes_reach_whoever_asked_as_warnings(name: str) -> None:
    recorded = read(name)
    assert recorded.warnings == recorded.response["response"].get("warnings", [])


def test_a_pod_without_a_name_is_known_by_how_it_begins() -> None:
    assert decided(read("pod-of-a-replica-set")).of == "Pod team/orders-7d4b9c6f5b-*"
    assert decided(read("pod")).of == "Pod team/by-hand"


@pytest.mark.parametrize("name", STORED)
def test_the_answer_gives_the_object_that_was_stored(name: str) -> None:
    recorded = read(name)
    response = json.loads(recorded.answer())["response"]
    given = patched(recorded.object, response) if "patch" in response else recorded.object
    assert missing(as_1_20_has_it(given), recorded.stored) == []


@pytest.mark.parametrize("name", [name for name in NAMES if not read(name).stored])
def test_a_refusal_reaches_whoever_asked(name: str) -> None:
    recorded = read(name)
    said = recorded.response["response"]["status"]
    assert recorded.status == said["code"]
    assert recorded.message == f"{DENIED[recorded.kind]}{said['message']}"


DENIED: Final = {
    kind: f'admission webhook "{kind.lower()}s.injector.sidecar" denied the request: '
    for kind in ("Pod", "Service")
}


@pytest.mark.parametrize("name", PODS)
def test_what_was_stored_is_asked_again_and_needs_no_patch(name: str) -> None:
    """With the field that 1.20 drops put back, as a newer API server stores it."""
    recorded = read(name)
    review = json.loads(recorded.sent())
    review["request"]["object"] = json.loads(json.dumps(recorded.stored))
    for one in review["request"]["object"]["spec"].get("initContainers", []):
        one.update({DROPPED: "Always"} if one["name"] == NAME else {})
    decision = decided(recorded, sent(review))
    assert (decision.result, decision.injection.operations) == (Result.UNCHANGED, ())


def as_1_20_has_it(given: Tree) -> Tree:
    """Leave out what 1.20 drops, wherever a container of ours is."""
    made: Tree = json.loads(json.dumps(given))
    for one in made["spec"].get("initContainers", []):
        one.pop(DROPPED, None)
    return made


def missing(given: Any, stored: Any, at: str = "") -> list[str]:  # noqa: ANN401 -- any trees
    """List what was given and is not stored; an API server may add, and nothing else."""
    if isinstance(given, dict) and isinstance(stored, dict):
        return [
            lack
            for key, below in given.items()
            if below is not None and key not in {"managedFields", "status"}
            for lack in missing(below, stored.get(key), f"{at}.{key}")
        ]
    if isinstance(given, list) and isinstance(stored, list) and len(given) <= len(stored):
        pairs = zip(given, stored, strict=False)
        return [lack for n, pair in enumerate(pairs) for lack in missing(*pair, f"{at}[{n}]")]
    return [] if given == stored else [f"{at}: {given!r} is not {stored!r}"]


def test_an_answer_is_read_as_it_was_written() -> None:
    recorded = read("pod")
    assert with_patch(recorded.answer()) == recorded.response
