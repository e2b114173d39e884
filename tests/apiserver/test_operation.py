"""The webhook in the hands of its operator: what is not asked, what is down, slow, or renewed."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from tests.apiserver.cluster import OWN, PLAIN, SYSTEM, TEAM, Cluster
from tests.apiserver.scenes import (
    PODS,
    POLICY,
    a_pod,
    a_service,
)
from tests.apiserver.server import Answer, Ask, Tree, wait_for
from tests.apiserver.webhook import Pair, Running, in_base64, webhook, wire
from tests.ports import HOST

BAD_GATEWAY: Final = 500
"""What an API server says of a webhook that it cannot ask."""
ROUNDS: Final = 40


@contextmanager
def asked(cluster: Cluster, pair: Pair, **changes: object) -> Iterator[Running]:
    """Run the webhook, and have the API server ask it, until the block ends."""
    with (
        webhook(pair) as running,
        cluster.configured(cluster.configuration(running.port, pair.bundle(), **changes)),
    ):
        cluster.is_asked()
        yield running


def make(cluster: Cluster, pod: Tree, namespace: str = TEAM, query: str = "?dryRun=All") -> Answer:
    return cluster.server.ask(Ask("POST", f"/api/v1/namespaces/{namespace}/pods{query}", pod))


def has_sidecar(answer: Answer) -> bool:
    inits = answer.tree.get("spec", {}).get("initContainers", [])
    return [one["name"] for one in inits] == ["sidecar"]


def a_deployment() -> Tree:
    template = {key: value for key, value in a_pod("").items() if key in ("metadata", "spec")}
    spec = {"selector": {"matchLabels": {"app": "orders"}}, "template": template}
    metadata = {"name": "orders"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def labelled(tree: Tree) -> Tree:
    tree["metadata"]["labels"] = {"sidecar/inject": "false", "app": "orders"}
    return tree


def test_what_the_chart_s_rules_leave_out_is_not_asked_about(cluster: Cluster, pair: Pair) -> None:
    deployments = f"/apis/apps/v1/namespaces/{TEAM}/deployments"
    running = f"{PODS}/running"
    merge = "application/merge-patch+json"
    with (
        webhook(pair) as behind,
        wire(pair, behind.port) as between,
        cluster.configured(cluster.configuration(between.port, pair.bundle())),
    ):
        cluster.is_asked()
        assert has_sidecar(make(cluster, a_pod("running", POLICY), query=""))
        between.taken()
        ephemeral = {
            "apiVersion": "v1",
            "kind": "EphemeralContainers",
            "metadata": {"name": "running"},
            "ephemeralContainers": [
                {"name": "shell", "image": "busybox:1", "terminationMessagePolicy": "File"}
            ],
        }
        left_out = (
            Ask("POST", deployments, a_deployment()),
            Ask("POST", PODS, labelled(a_pod("by-label"))),
            Ask("POST", f"/api/v1/namespaces/{PLAIN}/pods", a_pod("unlabelled")),
            Ask("POST", f"/api/v1/namespaces/{SYSTEM}/pods", a_pod("system")),
            Ask("POST", f"/api/v1/namespaces/{OWN}/pods", a_pod("own")),
            Ask("PATCH", running, {"metadata": {"labels": {"a": "b"}}}, content_type=merge),
            Ask("PUT", f"{running}/ephemeralcontainers", ephemeral),
            Ask("DELETE", f"{running}?gracePeriodSeconds=0"),
        )
        for ask in left_out:
            answer = cluster.server.ask(ask)
            assert answer.status in (200, 201), answer
        assert between.taken() == []


def test_without_a_webhook_nothing_is_made_where_it_is_asked(cluster: Cluster, pair: Pair) -> None:
    with asked(cluster, pair) as running:
        running.child.kill()
        running.child.wait()
        for query in ("", "?dryRun=All"):
            answer = make(cluster, a_pod("closed", POLICY), query=query)
            assert answer.status == BAD_GATEWAY
            assert 'failed calling webhook "pods.injector.sidecar"' in answer.tree["message"]
        path = f"/api/v1/namespaces/{TEAM}/services"
        answer = cluster.server.ask(Ask("POST", path, a_service("closed")))
        assert 'failed calling webhook "services.injector.sidecar"' in answer.tree["message"]
        assert make(cluster, a_pod("open"), PLAIN).status == 201
        assert make(cluster, labelled(a_pod("open"))).status == 201
        assert cluster.server.ask(Ask("GET", f"{PODS}/closed")).status == 404
        # It is back: the next one is made.
        with webhook(pair, running.port):
            wait_for(lambda: has_sidecar(make(cluster, a_pod("closed", POLICY))))


def test_a_webhook_that_stands_still_is_waited_for_as_long_as_is_said(
    cluster: Cluster, pair: Pair
) -> None:
    with asked(cluster, pair, timeoutSeconds=1) as running:
        os.kill(running.child.pid, signal.SIGSTOP)
        try:
            answer = make(cluster, a_pod("still", POLICY))
        finally:
            os.kill(running.child.pid, signal.SIGCONT)
        assert answer.status == BAD_GATEWAY
        assert "deadline exceeded" in answer.tree["message"]
        assert has_sidecar(make(cluster, a_pod("still", POLICY)))


def test_a_certificate_of_a_new_authority_is_taken_while_the_api_server_asks(
    cluster: Cluster, pair: Pair
) -> None:
    with asked(cluster, pair) as running:
        assert has_sidecar(make(cluster, a_pod("before", POLICY)))
        pair.issue()
        # As cert-manager does: another authority, so that no former connection is used.
        cluster.change(cluster.configuration(running.port, pair.bundle()))
        wait_for(lambda: has_sidecar(make(cluster, a_pod("after", POLICY))))
        # An authority that did not sign it is not believed: the call was made anew.
        stranger = Pair(pair.key.parent, "stranger")
        cluster.change(cluster.configuration(running.port, stranger.bundle()))
        wait_for(lambda: make(cluster, a_pod("after", POLICY)).status == BAD_GATEWAY)
        assert "x509" in make(cluster, a_pod("after", POLICY)).tree["message"]


def test_one_connection_serves_one_review_after_another(cluster: Cluster, pair: Pair) -> None:
    with asked(cluster, pair) as running:
        for _ in range(ROUNDS):
            assert has_sidecar(make(cluster, a_pod("again", POLICY)))
        (line,) = [one for one in running.metrics().splitlines() if one.startswith(CONNECTIONS)]
        assert float(line.split()[1]) <= 2


CONNECTIONS: Final = "sidecar_injector_connections "


def test_what_an_owner_is_told_reaches_the_owner(cluster: Cluster, pair: Pair) -> None:
    with asked(cluster, pair):
        answer = make(cluster, a_pod("on-node", POLICY, hostNetwork=True))
        assert answer.status == 422
        denied = 'admission webhook "pods.injector.sidecar" denied the request: '
        assert answer.tree["message"].startswith(f"{denied}sidecar: spec.hostNetwork: the pod's")
        left_out = a_pod("left-out", {"sidecar/inject": "false"})
        assert make(cluster, left_out).warnings == [
            'sidecar: left out, as sidecar/inject: "false" says'
        ]


class _Other(BaseHTTPRequestHandler):
    """Another webhook, which mounts something into every container, as those of secrets do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        spec: Tree = review["object"]["spec"]
        patch = [
            {"op": "add", "path": f"/spec/{kind}/{at}/env/-", "value": {"name": "CA", "value": "1"}}
            for kind in ("initContainers", "containers")
            for at, one in enumerate(spec.get(kind, []))
            if "CA" not in [found["name"] for found in one.get("env", [])] and one.get("env")
        ]
        response: dict[str, Any] = {"uid": review["uid"], "allowed": True}
        if patch:
            coded = in_base64(json.dumps(patch).encode())
            response |= {"patchType": "JSONPatch", "patch": coded}
        whole = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        said = json.dumps({**whole, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- likewise
        """Say nothing."""


@contextmanager
def other_webhook(pair: Pair) -> Iterator[int]:
    server = ThreadingHTTPServer((HOST, 0), _Other)
    server.socket = pair.serves().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def an_other_configuration(port: int, authority: bytes) -> Tree:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    one = {
        "name": "other.example.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": f"https://{HOST}:{port}/", "caBundle": in_base64(authority)},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": TEAM}},
        "rules": [{**rule, "resources": ["pods"]}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "zz-other"},
        "webhooks": [one],
    }


@pytest.mark.parametrize(
    ("policy", "reviews", "is_edited"), [("Never", 1, True), ("IfNeeded", 2, False)]
)
def test_beside_another_webhook_that_edits_all_containers(
    policy: str, reviews: int, is_edited: bool, cluster: Cluster, pair: Pair
) -> None:
    """Asked again, it makes the sidecar its own again; the app keeps what others gave it."""
    pod = a_pod("beside", POLICY, {"env": [{"name": "A", "value": "1"}]})
    with (
        webhook(pair) as running,
        wire(pair, running.port) as between,
        other_webhook(pair) as other,
        cluster.configured(an_other_configuration(other, pair.bundle())),
        cluster.configured(
            cluster.configuration(between.port, pair.bundle(), reinvocationPolicy=policy)
        ),
    ):
        cluster.is_asked()
        wait_for(lambda: has_variable(make(cluster, pod), "containers"))
        between.taken()
        answer = make(cluster, pod)
        assert len(between.taken()) == reviews
    assert has_sidecar(answer)
    assert has_variable(answer, "containers")
    assert has_variable(answer, "initContainers") is is_edited


def has_variable(answer: Answer, kind: str) -> bool:
    """Tell whether the other webhook's variable is in the container of a kind."""
    (one,) = answer.tree["spec"][kind]
    return "CA" in [found["name"] for found in one["env"]]
