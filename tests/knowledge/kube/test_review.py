"""An AdmissionReview is answered with a patch, or refused with a mend; nothing else comes out.

These are written by hand: native sidecars are newer than the API server whose reviews were recorded
(`test_recorded_reviews.py`), and the rest no API server sends.
"""

import base64
import json
from typing import Any, Final

import pytest

from sidecar.knowledge.kube.json_patch import Operation, applied
from sidecar.knowledge.kube.review import KINDS, Result, decide
from sidecar.knowledge.kube.tree import ManifestError
from tests.knowledge.kube.inputs import SETTINGS, Tree, injected, template_of, text_of
from tests.knowledge.kube.test_refusals import a_pod

UID: Final = "0df28fbd-5f5f-11e8-bc74-36e6bb280816"


def a_review(tree: object, kind: str = "Pod", **request: object) -> Tree:
    whole = {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": kind},
        "namespace": "shop",
        "operation": "CREATE",
        "object": tree,
        **request,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": whole}


def answered(review: object, kind: str = "Pod") -> Tree:
    response = json.loads(decide(json.dumps(review).encode(), kind, SETTINGS).body())
    assert (response["apiVersion"], response["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    return dict(response["response"])


def patched(tree: Tree, response: Tree) -> Any:  # noqa: ANN401 -- an object of Kubernetes
    """Apply a patch as an API server does."""
    assert response["patchType"] == "JSONPatch"
    operations = [
        Operation(one["op"], _path(one["path"]), one["value"])
        for one in json.loads(base64.b64decode(response["patch"]))
    ]
    return applied(tree, operations)


def _path(pointer: str) -> tuple[str | int, ...]:
    steps = [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
    return tuple(int(one) if one.isdecimal() else one for one in steps)


def test_a_pod_gets_what_the_command_line_puts_in() -> None:
    (deployment, _) = [
        json.loads(json.dumps(one)) for one in injected(text_of("01-deployment.yaml")).objects
    ]
    before = a_pod({"sidecar/policy": "orders-sidecar", "sidecar/listen-env": "HOST"})
    before["spec"]["containers"][0]["image"] = "registry.example/orders:1"
    response = answered(a_review(before))
    assert (response["uid"], response["allowed"]) == (UID, True)
    assert patched(before, response)["spec"] == template_of(deployment)["spec"]


def test_a_pod_that_is_injected_already_needs_no_patch() -> None:
    before = a_pod({"sidecar/policy": "orders"})
    after = patched(before, answered(a_review(before)))
    assert answered(a_review(after)) == {"uid": UID, "allowed": True}


def a_service(**notes: str) -> Tree:
    spec = {"selector": {"app": "orders"}, "ports": [{"port": 80, "targetPort": 3000}]}
    metadata = {
        "name": "orders",
        "annotations": {f"sidecar/{k.replace('_', '-')}": v for k, v in notes.items()},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    "request_", [{"operation": "DELETE", "object": None}, {"subResource": "ephemeralcontainers"}]
)
def test_what_is_no_new_pod_passes(request_: Tree) -> None:
    assert answered(a_review(a_pod(), **request_)) == {"uid": UID, "allowed": True}


MALFORMED: Final = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\xff",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "null": b"null",
    "another kind": b'{"apiVersion": "admission.k8s.io/v1", "kind": "Pod"}',
    "another version": b'{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}',
    "no request": b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}',
    "a request that is none": (
        b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": 1}'
    ),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
def test_what_is_no_review_is_refused(body: bytes) -> None:
    decision = decide(body, "Pod", SETTINGS)
    response = json.loads(decision.body())["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("", False, 400)
    assert response["status"]["message"].startswith("sidecar: this is no AdmissionReview of ")
    assert decision.result is Result.MALFORMED


def _of(kind: object) -> Tree:
    review = a_review(a_pod())
    review["request"]["kind"] = kind
    return review


@pytest.mark.parametrize("kind", [None, "Pod", {"group": "apps", "version": "v1", "kind": "Pod"}])
def test_a_review_of_something_else_is_refused(kind: object) -> None:
    response = answered(_of(kind))
    assert response["allowed"] is False
    assert "came to the webhook for a Pod" in response["status"]["message"]
    assert answered(a_review(a_pod()), "Service")["allowed"] is False


@pytest.mark.parametrize("tree", [7, {"metadata": []}, {"spec": []}, {"spec": {"containers": 1}}])
def test_an_object_without_sense_is_refused(tree: object) -> None:
    assert answered(a_review(tree))["allowed"] is False


def test_a_service_that_cannot_be_read_is_refused() -> None:
    service = a_service(upstream_port="3000") | {"spec": {"ports": [{}]}}
    with pytest.raises(ManifestError):
        KINDS["Service"](service, SETTINGS)
    assert answered(a_review(service, "Service"), "Service")["allowed"] is False
