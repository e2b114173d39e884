"""What whoever runs the injector keeps for themselves is not for a pod to say."""

from dataclasses import replace
from typing import Final

import pytest

from sidecar.knowledge.kube.manifest import inject
from sidecar.knowledge.kube.wishes import PINNABLE
from tests.knowledge.kube.inputs import SETTINGS
from tests.knowledge.kube.test_refusals import a_pod, problem

PINNED: Final = replace(SETTINGS, pinned=frozenset(PINNABLE))
SAID: Final = {
    "app": "orders", "health-port": "9999", "image": "evil:1", "listen-env": "HOST",
    "policy": "lax", "proxy-port": "8081", "readiness-path": "/livez", "redis-secret": "mine",
    "secret-env": "A=b/c", "secret-files": "a=/b", "upstream-port": "9",
}  # fmt: skip


@pytest.mark.control("RT-5")
@pytest.mark.parametrize("name", SAID)
def test_a_pod_says_nothing_that_is_pinned(name: str) -> None:
    pod = a_pod({f"sidecar/{name}": SAID[name]})
    assert inject(pod, SETTINGS).problems == ()
    said = problem(pod, PINNED)
    assert f"metadata.annotations.sidecar/{name}: whoever runs the injector has pinned" in said


@pytest.mark.control("RT-5")
@pytest.mark.parametrize("place", ["annotations", "labels"])
def test_no_pod_is_left_out_where_that_is_pinned(place: str) -> None:
    pod = a_pod() | {"metadata": {place: {"sidecar/inject": "false"}}}
    assert inject(pod, SETTINGS).operations == ()
    said = problem(pod, PINNED)
    assert "metadata: pods may not be left out: whoever runs the injector has pinned this" in said


def test_what_is_pinned_binds_what_is_the_sidecar_s_alone() -> None:
    notes = {"sidecar/inject": "true", "image": "other", "example.org/policy": "other"}
    assert inject(a_pod(notes), PINNED).problems == ()
    assert {*SAID, "inject"} == set(PINNABLE)
