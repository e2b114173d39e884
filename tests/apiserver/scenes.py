"""What is asked of the API server: each scene with a sentence and what comes before it."""

from dataclasses import dataclass
from typing import Any, Final

from tests.apiserver.cluster import TEAM
from tests.apiserver.server import Answer, Ask, Tree

PODS: Final = f"/api/v1/namespaces/{TEAM}/pods"
SERVICES: Final = f"/api/v1/namespaces/{TEAM}/services"
CONTROLLER: Final = "system:serviceaccount:kube-system:replicaset-controller"
GROUPS: Final = (
    "system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated",
)  # fmt: skip
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
POLICY: Final = {"sidecar/policy": "orders-sidecar"}
_UPSTREAM: Final = {"sidecar/upstream-port": "3000"}


@dataclass(frozen=True, slots=True)
class Scene:
    """Something that is asked of the API server, and reviewed.

    Attributes:
        name: of its file.
        what: a sentence.
        asked: what is reviewed.
        before: what is asked before; it may be reviewed too, and is not recorded.
    """

    name: str
    what: str
    asked: Ask
    before: tuple[Ask, ...] = ()


def a_pod(name: str, notes: Tree | None = None, app: Tree | None = None, **spec: Any) -> Tree:  # noqa: ANN401 -- a field of Kubernetes
    metadata = {"name": name, "labels": {"app": "orders"}, "annotations": {**(notes or {})}}
    one = {
        "name": "orders",
        "image": "registry.example/orders:1",
        "ports": [{"name": "http", "containerPort": 3000}],
        **(app or {}),
    }
    spec = {"containers": [one], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def a_service(name: str, notes: Tree | None = None) -> Tree:
    metadata = {"name": name, "annotations": {**(notes or {})}}
    spec = {"selector": {"app": "orders"}, "ports": [{"port": 80, "targetPort": 3000}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def an_applied_service() -> Tree:
    """Make a Service for server-side apply, which 1.20 cannot do without a port's protocol."""
    service = a_service("applied", _UPSTREAM)
    service["spec"]["ports"][0]["protocol"] = "TCP"
    return service


def a_pod_of_a_replica_set(**spec: Any) -> Tree:  # noqa: ANN401 -- likewise
    """Make a pod as the controller of ReplicaSets does."""
    pod = a_pod("", POLICY, **spec)
    del pod["metadata"]["name"]
    pod["metadata"] |= {
        "generateName": "orders-7d4b9c6f5b-",
        "labels": {"app": "orders", "pod-template-hash": "7d4b9c6f5b"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "orders-7d4b9c6f5b",
                "uid": "5b0d6c1e-2b7f-4b8e-9a53-0d6f5e6c7a10", "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }  # fmt: skip
    return pod


def _made(pod: Tree, query: str = "", **who: Any) -> Ask:  # noqa: ANN401 -- arguments of Ask
    return Ask("POST", f"{PODS}{query}", pod, **who)


_PROBED: Final = {
    "env": [{"name": "HOST", "value": "0.0.0.0"}],  # noqa: S104 -- what is to be moved
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
    "livenessProbe": {"tcpSocket": {"port": 3000}},
    "lifecycle": {"preStop": {"httpGet": {"path": "/stop", "port": 3000}}},
}
_PRETENDING: Final = {"name": "sidecar", "image": "evil:1", "command": ["sleep"]}
_SECRETS: Final = {
    **POLICY,
    "sidecar/redis-secret": "redis",
    "sidecar/secret-files": "sidecar-keys=/secrets",
    "sidecar/secret-env": "PEPPER=keys/pepper",
    "sidecar/proxy-port": "8081",
    "sidecar/readiness-path": "/livez",
}
_INIT: Final = [{"name": "migrate", "image": "registry.example/orders:1", "args": ["migrate"]}]
_CACHE: Final = [{"name": "cache", "emptyDir": {}}]

SCENES: Final = (
    Scene("pod", "A pod is made by hand.", _made(a_pod("by-hand", POLICY))),
    Scene(
        "pod-of-a-replica-set",
        "A pod is made by a controller: an account, an owner, and no name yet.",
        _made(a_pod_of_a_replica_set(), user=CONTROLLER, groups=GROUPS),
    ),
    Scene(
        "pod-probed",
        "A pod whose app has probes, a hook and the variable that moves it.",
        _made(a_pod("probed", {**POLICY, "sidecar/listen-env": "HOST"}, _PROBED)),
    ),
    Scene(
        "pod-with-init-containers",
        "A pod with an init container and a volume of its own, and no policy but the injector's.",
        _made(a_pod("with-init", initContainers=_INIT, volumes=_CACHE)),
    ),
    Scene(
        "pod-with-secrets",
        "A pod that says all that annotations can.",
        _made(a_pod("with-secrets", _SECRETS)),
    ),
    Scene(
        "pod-applied",
        "A pod is made by server-side apply.",
        Ask(
            "PATCH", f"{PODS}/applied?fieldManager=kubectl", a_pod("applied", POLICY),
            content_type=APPLY,
        ),
    ),
    Scene("pod-dry-run", "A pod is made in a dry run.", _made(a_pod("dry", POLICY), "?dryRun=All")),
    Scene(
        "pod-left-out",
        "A pod is left out by annotation; its owner is told.",
        _made(a_pod("left-out", {"sidecar/inject": "false"})),
    ),
    Scene(
        "pod-pretending",
        "A pod says that it has the sidecar, and has another container of that name.",
        _made(a_pod("pretending", {"sidecar/injected": "0.1.0"}, initContainers=[_PRETENDING])),
    ),
    Scene(
        "pod-refused-host-network",
        "A pod on the node's network is refused.",
        _made(a_pod("on-node", POLICY, hostNetwork=True)),
    ),
    Scene(
        "pod-refused-unknown-annotation",
        "A misspelt annotation is refused.",
        _made(a_pod("misspelt", {"sidecar/polici": "orders-sidecar"})),
    ),
    Scene(
        "service",
        "A Service says which of its ports leads to a pod with the sidecar.",
        Ask("POST", SERVICES, a_service("orders", _UPSTREAM)),
    ),
    Scene(
        "service-without-a-word",
        "A Service says nothing.",
        Ask("POST", SERVICES, a_service("silent")),
    ),
    Scene(
        "service-led-back",
        "A Service that was led to the sidecar is led to the app again, as its manifest has it.",
        Ask(
            "PATCH", f"{SERVICES}/led-back", {"spec": a_service("")["spec"]}, content_type=MERGE
        ),
        (Ask("POST", SERVICES, a_service("led-back", _UPSTREAM)),),
    ),
    Scene(
        "service-applied-again",
        "A Service is applied a second time by server-side apply.",
        Ask(
            "PATCH", f"{SERVICES}/applied?fieldManager=kubectl", an_applied_service(),
            content_type=APPLY,
        ),
        (
            Ask(
                "PATCH", f"{SERVICES}/applied?fieldManager=kubectl",
                an_applied_service(), content_type=APPLY,
            ),
        ),
    ),
)  # fmt: skip


def copied(stored: Answer, name: str) -> Tree:
    """Make a pod anew from what is stored, as `kubectl get -o yaml` and `create` do."""
    kept = {key: stored.tree[key] for key in ("apiVersion", "kind", "metadata", "spec")}
    own = ("name", "labels", "annotations")
    metadata = {key: value for key, value in kept["metadata"].items() if key in own}
    return {**kept, "metadata": {**metadata, "name": name}}
