"""A sidecar that came back from an API server is the one that was built; any other is not."""

from typing import Final

import pytest

from sidecar.knowledge.kube.container import container, volumes
from sidecar.knowledge.kube.defaults import TOKEN, is_as_built
from sidecar.knowledge.kube.wishes import wishes
from tests.knowledge.kube.inputs import SETTINGS, Tree

WISHED: Final = wishes({}, SETTINGS, ())
MOUNT: Final = {"name": "kube-api-access-x", "mountPath": TOKEN, "readOnly": True}


def built() -> Tree:
    return container(WISHED, SETTINGS, 3000)


def returned() -> Tree:
    """Make what an API server makes of the container."""
    made = built()
    probes = {
        name: {
            "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3, **made[name],
            "httpGet": {"scheme": "HTTP", **made[name]["httpGet"]},
        }
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }  # fmt: skip
    return {
        **made,
        **probes,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [*made["volumeMounts"], MOUNT],
    }


def test_what_an_api_server_adds_changes_nothing() -> None:
    assert returned() != built()
    assert is_as_built(returned(), built())


@pytest.mark.parametrize("at", range(len(volumes(WISHED))))
def test_a_volume_with_the_usual_mode_is_the_same(at: int) -> None:
    one: Tree = volumes(WISHED)[at]
    kind = next(key for key in one if key != "name")
    assert is_as_built({**one, kind: {**one[kind], "defaultMode": 0o644}}, one)
    assert not is_as_built({**one, kind: {**one[kind], "defaultMode": 0o777}}, one)


@pytest.mark.parametrize(
    "changes",
    [
        {"command": ["sleep"]},
        {"image": "evil:1"},
        {"args": ["run", "x"]},
        {"args": []},
        {"terminationMessagePath": "/etc/passwd"},
        {"securityContext": {}},
        {"stdin": True},
        {"restartPolicy": None},
        {"startupProbe": {}},
        {"volumeMounts": [*built()["volumeMounts"], {**MOUNT, "readOnly": False}]},
        {"volumeMounts": [*built()["volumeMounts"], {**MOUNT, "mountPath": "/etc/sidecar"}]},
        {"volumeMounts": [MOUNT]},
        {"volumeMounts": "none"},
        # A token is a mount; in another list it would be a variable that nobody built.
        {"env": [*built()["env"], {**MOUNT, "name": "SIDECAR_POLICY", "value": "/evil"}]},
        {"ports": [1, 2]},
    ],
)
def test_a_container_that_differs_is_another(changes: Tree) -> None:
    assert not is_as_built({**returned(), **changes}, built())


def test_what_is_missing_is_missed() -> None:
    without = returned()
    del without["securityContext"]
    assert not is_as_built(without, built())


@pytest.mark.parametrize(("found", "said"), [(1, True), (True, 1), ("1", 1), (None, 0)])
def test_a_number_is_no_truth(found: object, said: object) -> None:
    assert not is_as_built(found, said)
