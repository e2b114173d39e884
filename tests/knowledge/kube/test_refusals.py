"""What the sidecar is not put into: each is said with its place and its mend."""

import json
from typing import Final

import pytest

from sidecar.knowledge.kube.json_patch import Operation, applied, pointer
from sidecar.knowledge.kube.manifest import inject
from sidecar.knowledge.kube.tree import ManifestError
from sidecar.knowledge.kube.wishes import Settings
from sidecar.knowledge.kube.yaml_edit import edited, read, split
from tests.knowledge.kube.inputs import SETTINGS, Tree, injected, text_of

PORTS: Final = [{"containerPort": 3000}]
APP: Final = {"name": "orders", "image": "orders:1", "ports": PORTS}


def a_pod(notes: Tree | None = None, app: Tree | None = None, **spec: object) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orders", "annotations": notes or {}},
        "spec": {"containers": [{**APP, **(app or {})}], **spec},
    }


def a_deployment(template: object, **metadata: object) -> Tree:
    metadata = {"name": "orders", **metadata}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"template": template},
    }


def a_service(**spec: object) -> Tree:
    selector = {"app": "orders"}
    metadata = {"name": "orders", "annotations": {"sidecar/upstream-port": "3000"}}
    whole = {"selector": selector, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": whole}


def problem(document: object, settings: Settings = SETTINGS) -> str:
    outcome = inject(document, settings)
    assert outcome.operations == ()
    (found,) = outcome.problems
    return f"{found.of}: {found.text}"


TWO: Final = [APP, {"name": "proxy", "image": "proxy:1"}]
REFUSED: Final = {
    "more secrets than may be named": (
        a_pod({"sidecar/secret-files": ",".join(f"s{at}=/s{at}" for at in range(65))}),
        "65 are too many (mend: name 64 at most)",
    ),
    "no port": (a_pod(app={"ports": []}), "spec.containers[0].ports: there is no TCP port"),
    "a port by UDP alone": (
        a_pod(app={"ports": [{"containerPort": 53, "protocol": "UDP"}]}),
        'say where the app listens: sidecar/upstream-port: "3000"',
    ),
    "two ports": (
        a_pod(app={"ports": [*PORTS, {"containerPort": 9100}]}),
        "which one is behind the sidecar: 3000, 9100?",
    ),
    "a port of no name": (
        a_pod({"sidecar/upstream-port": "web"}),
        "none is named web (mend: sidecar/upstream-port is the number of a port, or the name of",
    ),
    "no number": (a_pod(app={"ports": [{"name": "http"}]}), "a port has no containerPort"),
    "two containers": (
        a_pod(containers=TWO),
        'which one is behind the sidecar: orders, proxy? (mend: say sidecar/app: "orders")',
    ),
    "no such container": (
        a_pod({"sidecar/app": "shop"}),
        "spec.containers: none is named shop (mend: sidecar/app is one of: orders)",
    ),
    "no container": (a_pod(containers=[]), "spec.containers: there is none"),
    "host network": (a_pod(hostNetwork=True), "spec.hostNetwork: the pod's loopback is the node's"),
    "processes that see each other": (
        a_pod(shareProcessNamespace=True),
        "spec.shareProcessNamespace: other processes could read the secrets of the sidecar",
    ),
    "processes of the node": (a_pod(hostPID=True), "spec.hostPID: other processes could read"),
    "a port of the node": (
        a_pod(app={"ports": [{"containerPort": 3000, "hostPort": 80}]}),
        "spec.containers[0].ports[0].hostPort: port 80 of the node leads to the app, past the",
    ),
    "a port of the node, said of another container": (
        a_pod(
            {"sidecar/app": "orders"},
            containers=[APP, {"name": "b", "ports": [{"containerPort": 3000, "hostPort": 81}]}],
        ),
        "spec.containers[1].ports[0].hostPort: port 81 of the node leads to the app",
    ),
    "the state in another container": (
        a_pod(app={"volumeMounts": [{"name": "sidecar-state", "mountPath": "/a"}]}),
        "volumeMounts[0].name: sidecar-state is the sidecar's alone (mend: mount a volume of your",
    ),
    "a secret in an init container": (
        a_pod(initContainers=[{"name": "a", "volumeMounts": [{"name": "sidecar-secret-0"}]}]),
        "spec.initContainers[0].volumeMounts[0].name: sidecar-secret-0 is the sidecar's alone",
    ),
    "audit files that others may write": (
        a_pod(app={"volumeMounts": [{"name": "sidecar-audit", "mountPath": "/a"}]}),
        "sidecar-audit is the sidecar's alone (mend: say readOnly: true)",
    ),
    **{
        f"a variable of the sidecar's own: {name}": (
            a_pod({"sidecar/secret-env": f"PEPPER=keys/pepper, {name}=keys/evil"}),
            f"sidecar/secret-env: {name} is the sidecar's own (mend: as in",
        )
        for name in ("SIDECAR_POLICY", "SIDECAR_UPSTREAM_PORT", "PYTHONPATH", "LD_PRELOAD", "PATH")
    },
    **{
        f"a folder of the sidecar's own: {folder}": (
            a_pod({"sidecar/secret-files": f"keys=/secrets, evil={folder}"}),
            f"sidecar/secret-files: {folder} is the sidecar's own (mend: as in",
        )
        for folder in (
            "/etc", "/etc/sidecar", "//etc/./sidecar/schemas", "/opt/sidecar/lib", "/usr",
            "/secrets/../opt", "/var/lib", "/var/log/sidecar/old",
        )
    },
    "the proxy's port": (
        a_pod(app={"ports": [{"containerPort": 8080}]}),
        'elsewhere: listen.proxy of the policy, and sidecar/proxy-port: "8081")',
    ),
    "the health port, in another container": (
        a_pod(containers=[APP, {"name": "b", "ports": [{"containerPort": 9902}]}])
        | {"metadata": {"annotations": {"sidecar/app": "orders"}}},
        "spec.containers[1].ports: port 9902 is the sidecar's",
    ),
    "a port's name": (
        a_pod(app={"ports": [{"containerPort": 3000, "name": "sidecar"}]}),
        "a port of another container is named sidecar",
    ),
    "a container's name": (
        a_pod({"sidecar/app": "sidecar"}, {"name": "sidecar"}),
        "spec.containers[0].name: a container that was not injected is named sidecar",
    ),
    "an init container's name": (
        a_pod(initContainers=[{"name": "sidecar"}]),
        "spec.initContainers[0].name: a container that was not injected is named sidecar",
    ),
    "a container's name, beside a sidecar": (
        a_pod({"sidecar/injected": "0.1.0"}, {"name": "sidecar"}),
        "spec.containers[0].name: a container that was not injected is named sidecar",
    ),
    "a volume's name": (
        a_pod(volumes=[{"name": "a"}, {"name": "sidecar-tmp"}]),
        "spec.volumes[1].name: a volume that was not injected is named sidecar-tmp",
    ),
    "a Secret's volume": (
        a_pod(volumes=[{"name": "sidecar-secret-7"}]),
        "a volume that was not injected is named sidecar-secret-7",
    ),
    "a probe by gRPC": (
        a_pod(app={"livenessProbe": {"grpc": {"port": 3000}}}),
        "spec.containers[0].livenessProbe.grpc: a probe by gRPC does not pass the sidecar",
    ),
    "an annotation that there is not": (
        a_pod({"sidecar/upstreamport": "3000"}),
        "there is no such annotation (mend: is sidecar/upstream-port meant?)",
    ),
    "an annotation like no other": (
        a_pod({"sidecar/0": "3000"}),
        "metadata.annotations.sidecar/0: there is no such annotation (mend: known are sidecar/app,",
    ),
    "an answer that is none": (
        a_pod({"sidecar/inject": "no"}),
        "'no' is no answer (mend: sidecar/inject: \"false\" leaves it out)",
    ),
    "a word that is none": (a_pod({"sidecar/inject": False}), "is not a text (mend: put it into q"),
    "a port that is none": (a_pod({"sidecar/proxy-port": "http"}), "'http' is no port from 1024"),
    "a port of root's": (a_pod({"sidecar/proxy-port": "80"}), "'80' is no port from 1024"),
    "a port that is too large": (a_pod({"sidecar/health-port": "65536"}), "is no port from 1024"),
    "one port for both": (
        a_pod({"sidecar/proxy-port": "9902"}),
        "sidecar/health-port: 9902 is the proxy's port too",
    ),
    "a policy's name": (a_pod({"sidecar/policy": ""}), "'' cannot be used (mend: as in sidecar/po"),
    "an address that others reach": (
        a_pod({"sidecar/listen-env": "HOST=0.0.0.0"}),
        "'HOST=0.0.0.0' cannot be used (mend: as in sidecar/listen-env: \"HOST\")",
    ),
    "a Secret without a folder": (
        a_pod({"sidecar/secret-files": "keys=/a, keys"}),
        'as in sidecar/secret-files: "sidecar-keys=/secrets"',
    ),
    "annotations of the workload": (
        a_deployment({}, annotations={"example.org/a": "b", "sidecar/policy": "orders"}),
        "Deployment orders: metadata.annotations.sidecar/policy: annotations of the workload",
    ),
    "no template": (a_deployment(None), "spec.template.spec.containers: there is none"),
    "a list in the place of a mapping": (a_deployment([]), "spec.template: is not a mapping"),
    "a mapping in the place of a list": (
        a_pod(containers={"name": "orders"}),
        "spec.containers: is not a list (mend: see kubectl explain)",
    ),
    "metadata without sense": (a_pod() | {"metadata": 1}, "Pod without a name: metadata: is not"),
    "a List of no list": (
        {"apiVersion": "v1", "kind": "List", "items": {}},
        "List: items: is not a list",
    ),
    "a Service's port without a number": (a_service(ports=[{}]), "spec.ports[0].port: there is no"),
    "a Service's ports": (a_service(ports=1), "Service orders: spec.ports: is not a list"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_injected_is_refused_with_place_and_mend(
    document: object, said: str
) -> None:
    assert said in problem(document)


@pytest.mark.parametrize(
    "app",
    [
        {"volumeMounts": [{"name": "sidecar-audit", "mountPath": "/a", "readOnly": True}]},
        {"volumeMounts": [{"name": "own", "mountPath": "/a"}]},
        {"ports": [*PORTS, {"containerPort": 3000, "hostPort": 53, "protocol": "UDP"}]},
        {"ports": [*PORTS, {"containerPort": 9, "hostPort": 9, "protocol": "UDP"}]},
    ],
    ids=["audit files to read", "a volume of its own", "UDP", "a port of the node, of another"],
)
def test_what_is_no_way_around_the_sidecar_is_injected(app: Tree) -> None:
    outcome = inject(a_pod(app=app), SETTINGS)
    assert outcome.problems == ()
    assert outcome.operations


@pytest.mark.parametrize("folder", ["/secrets", "/etc/keys", "/etc/sidecars", "/var/run/keys"])
def test_a_folder_beside_those_of_the_sidecar_may_hold_secrets(folder: str) -> None:
    assert inject(a_pod({"sidecar/secret-files": f"keys={folder}"}), SETTINGS).problems == ()


def test_without_a_policy_nothing_is_injected() -> None:
    said = problem(a_pod(), Settings("0.1.0", "tenant-sidecar:0.1.0"))
    assert "there is no policy (mend: name the ConfigMap with policy.yaml" in said


@pytest.mark.parametrize("document", [None, "text", 7, [], {"kind": "Pod"}])
def test_what_is_no_manifest_stays(document: object) -> None:
    assert inject(document, SETTINGS).operations == ()


def test_a_number_that_the_container_does_not_list_is_taken() -> None:
    notes = {"sidecar/upstream-port": "4000"}
    operations = inject(a_pod(notes), SETTINGS).operations
    (built,) = [one.value for one in operations if one.path == ("spec", "initContainers")]
    assert "{'name': 'SIDECAR_UPSTREAM_PORT', 'value': '4000'}" in str(built)


@pytest.mark.parametrize(
    "probe",
    [{"httpGet": {"port": 3000, "host": "other"}}, {"httpGet": {"port": 9}}, {"grpc": {"port": 9}}],
)
def test_a_probe_of_something_else_stays(probe: Tree) -> None:
    outcome = inject(a_pod(app={"livenessProbe": probe}), SETTINGS)
    assert [one for one in outcome.operations if "livenessProbe" in one.path] == []


def test_a_template_without_metadata_gets_some() -> None:
    spec = {"containers": [APP]}
    first = inject(a_deployment({"spec": spec}), SETTINGS).operations[0]
    value = {"annotations": {"sidecar/injected": "0.1.0"}}
    assert first == Operation("add", ("spec", "template", "metadata"), value)


def test_a_sidecar_that_somebody_took_out_is_put_in_again() -> None:
    paths = [one.path for one in inject(a_pod({"sidecar/injected": "0.1.0"}), SETTINGS).operations]
    assert paths == [("spec", "initContainers"), ("spec", "volumes")]


def test_a_service_without_a_selector_is_not_spoken_of() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}}
    assert inject(service, SETTINGS).notes == ()


def test_a_service_that_is_left_out_stays() -> None:
    service = a_service(ports=[{"port": 3000}])
    assert [one.value for one in inject(service, SETTINGS).operations] == ["sidecar"]
    service["metadata"]["annotations"]["sidecar/inject"] = "false"
    outcome = inject(service, SETTINGS)
    assert outcome.operations == ()
    assert "left out" in outcome.notes[0].text


def test_pointers_are_those_of_rfc_6901() -> None:
    assert pointer(("metadata", "annotations", "sidecar/a~b", 0)) == (
        "/metadata/annotations/sidecar~1a~0b/0"
    )
    one = Operation("add", ("a", 0), 1)
    assert one.as_json() == {"op": "add", "path": "/a/0", "value": 1}


def test_a_patch_does_not_change_the_document_itself() -> None:
    document: Tree = {"a": [2]}
    added = applied(document, [Operation("add", ("a", 0), 1), Operation("replace", ("a", 1), 3)])
    assert (document, added) == ({"a": [2]}, {"a": [1, 3]})


def test_what_is_no_yaml_is_said() -> None:
    with pytest.raises(ManifestError, match=r"is no YAML: .* line 1"):
        read("a: [1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "spec: {containers: [{name: a, env: &e [{name: X, value: x}]}, {name: b, env: *e}]}",
            id="an alias's anchor",
        ),
        pytest.param("x: &e []\nspec: {containers: [{name: a, env: *e}]}", id="an alias"),
        pytest.param("x: &e {env: []}\nspec: {containers: [{name: a, <<: *e}]}", id="a merge key"),
    ],
)
def test_a_shared_place_is_not_edited(text: str) -> None:
    operation = Operation("add", ("spec", "containers", 0, "env", 0), {"name": "HOST"})
    with pytest.raises(ManifestError, match="is shared by an anchor"):
        edited(text, [operation])


@pytest.mark.parametrize(
    ("text", "operation", "after"),
    [
        ("a: 1", Operation("add", ("b",), 2), "a: 1\nb: 2\n"),
        ("a: 1 # one", Operation("add", ("b",), [2]), "a: 1 # one\nb: [2]\n"),
        ("a: |\n  x\n", Operation("add", ("b",), 2), "a: |\n  x\nb: 2\n"),
        ("a:", Operation("replace", ("a",), {"b": 1}), "a: {b: 1}"),
        ("a: null # n\n", Operation("replace", ("a",), "x"), "a: x # n\n"),
        ("{}", Operation("add", ("a",), 1), '{\n  "a": 1\n}\n'),
        ("{a: []} # c\n", Operation("add", ("a", 0), {"b": 1}), "{a: [{b: 1}]} # c\n"),
        ("{a: [x]}", Operation("add", ("a", 1), "y"), "{a: [x, y]}"),
        ("{a: [x]}", Operation("add", ("a", 0), "y"), "{a: [y, x]}"),
        ("a:\n- b: 1\n  c: 2\n", Operation("replace", ("a", 0), {"b": 3}), "a:\n- {b: 3}\n"),
        ("a:\n  - x\n", Operation("add", ("a", 1), "y"), "a:\n  - x\n  - y\n"),
        ("- a: 1\n", Operation("add", (1,), {"b": {"c": [{"d": {}}]}}),
         "- a: 1\n- b:\n    c:\n      - d: {}\n"),
        ("a:\n# first\n- x\n", Operation("add", ("a", 0), "y"), "a:\n- y\n# first\n- x\n"),
        ("# top\n- x\n", Operation("add", (0,), "y"), "- y\n# top\n- x\n"),
        ("a:\n  - x\n\n  - y\n", Operation("add", ("a", 1), "z"), "a:\n  - x\n\n  - z\n  - y\n"),
    ],
)  # fmt: skip
def test_an_edit_changes_its_place_alone(text: str, operation: Operation, after: str) -> None:
    assert edited(text, [operation]) == after


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 1), ("a: 1", 1), ("---\na: 1\n", 1), ("a: 1\n---\nb: |\n  ---\n--- # c\nc: 1\n", 3)],
)
def test_a_stream_is_cut_at_its_markers(text: str, count: int) -> None:
    assert "".join(split(text)) == text
    assert len(split(text)) == count


def test_json_stays_json() -> None:
    after = injected(text_of("26-json.json")).text
    assert json.loads(after)["spec"]["initContainers"][0]["name"] == "sidecar"


def test_a_pod_of_megabytes_takes_no_more_than_its_share_of_time() -> None:
    """In the square of their number, these volumes would take longer than a test may."""
    many = [{"name": f"sidecar-secret-{at}"} for at in range(60_000)]
    pod = a_pod({"sidecar/injected": "0.0.9"}, volumes=[*many, {"name": "cache"}])
    (kept, *_) = [one for one in inject(pod, SETTINGS).operations if one.path[-1] == "volumes"]
    assert isinstance(kept.value, list)
    assert [one["name"] for one in kept.value[:2]] == ["cache", "sidecar-policy"]
