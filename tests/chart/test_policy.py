"""The policy that is deployed is one, and the service is reached through it alone (RT-5)."""

import base64
from pathlib import Path
from typing import Any, Final

import pytest

from sidecar.decision.pipeline import build
from sidecar.knowledge.rules import RULES
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded
from tests.chart.helm import Helm, one_of
from tests.chart.releases import FULL, NATIVE, PLAIN, WITH_POLICY, manifests_of

# What the Secrets of the releases hold; a master key has 32 bytes.
SECRET: Final = base64.b64encode(bytes(range(32)))
REDIS: Final = "redis://redis:6379/0"


def container_of(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Find the container of the sidecar."""
    pod = one_of(manifests, "Deployment")["spec"]["template"]["spec"]
    containers = [*pod.get("initContainers", ()), *pod["containers"]]
    (found,) = [one for one in containers if one["name"] == "sidecar"]
    return dict(found)


def read_as_in_the_pod(manifests: list[dict[str, Any]]) -> Loaded:
    """Load the policy with the files and variables that the container has."""
    container = container_of(manifests)
    mounted = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    (texts,) = [
        one["data"]
        for one in manifests
        if one["kind"] == "ConfigMap" and "policy.yaml" in one["data"]
    ]
    folder = next(path for path, name in mounted.items() if name == "sidecar-policy")
    secrets = [path for path, name in mounted.items() if name.startswith("sidecar-secret-")]

    def read(name: str) -> bytes:
        file = Path(name)
        if str(file.parent) == folder and file.name in texts:
            return str(texts[file.name]).encode()
        if str(file.parent) in secrets:
            return SECRET
        raise FileNotFoundError(2, "is not in the pod", name)

    variables = {
        one["name"]: one.get("value", REDIS if one["name"].endswith("_URL") else SECRET.decode())
        for one in container["env"]
    }
    return load(variables["SIDECAR_POLICY"], read, variables, RULES)


@pytest.mark.parametrize("name", WITH_POLICY)
def test_the_policy_of_a_release_passes_the_check(name: str, helm: Helm, tmp_path: Path) -> None:
    manifests = manifests_of(name, helm, tmp_path)
    loaded = read_as_in_the_pod(manifests)
    assert loaded.warnings == ()
    build(loaded.policy)
    listen, container = loaded.policy.listen, container_of(manifests)
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert listen.health is not None
    assert ports == {"sidecar": listen.proxy.port, "sidecar-health": listen.health.port}


def test_a_policy_is_deployed_byte_for_byte(helm: Helm) -> None:
    text = f"{PLAIN['policy']}# <b>&\t{{{{ .Values.mode }}}} ünï\r\n# no: 1:30 1000000\n\n"
    found = one_of(helm.manifests({**PLAIN, "policy": text}), "ConfigMap")["data"]["policy.yaml"]
    assert found == text


def ports_admitted(policy: dict[str, Any]) -> set[int]:
    """List the ports that a NetworkPolicy opens."""
    return {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}


def selects(policy: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted: dict[str, str] = policy["spec"]["podSelector"]["matchLabels"]
    return bool(wanted) and wanted.items() <= labels.items()


@pytest.mark.control("RT-5")
def test_the_pods_of_a_service_are_reached_on_the_ports_of_the_sidecar_alone(
    helm: Helm, tmp_path: Path
) -> None:
    manifests = manifests_of(NATIVE, helm, tmp_path)
    network = one_of(manifests, "NetworkPolicy")
    labels = one_of(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selects(network, labels)
    assert network["spec"]["policyTypes"] == ["Ingress"]
    ports = {one["containerPort"] for one in container_of(manifests)["ports"]}
    assert ports_admitted(network) == ports
    upstream = read_as_in_the_pod(manifests).policy.upstream.url
    assert upstream.port not in ports


@pytest.mark.control("RT-5")
@pytest.mark.parametrize("values", [PLAIN, FULL], ids=["plain", "full"])
def test_the_pods_behind_a_gateway_are_reached_by_the_gateway_alone(
    values: dict[str, Any], helm: Helm
) -> None:
    manifests = helm.manifests(values)
    network = one_of(manifests, "NetworkPolicy", "-upstream")
    assert selects(network, {"app": "orders"})
    pods = one_of(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    (rule,) = network["spec"]["ingress"]
    (peer,) = rule["from"]
    assert set(peer) == {"podSelector"}
    assert peer["podSelector"]["matchLabels"].items() <= pods.items()
    assert not peer["podSelector"]["matchLabels"].items() <= {"app": "orders"}.items()


def test_metrics_are_for_those_who_are_named(helm: Helm) -> None:
    def rules(values: dict[str, Any]) -> list[dict[str, Any]]:
        manifests = helm.manifests(values)
        network = next(one for one in manifests if one["kind"] == "NetworkPolicy")
        return list(network["spec"]["ingress"])

    clients, metrics = rules(dict(PLAIN))
    assert "from" not in clients
    assert metrics["from"]
    pods = {"upstreamPods": {"app": "orders"}, "metricsFrom": []}
    assert len(rules({**PLAIN, "networkPolicy": pods})) == 1


@pytest.mark.control("RT-5")
def test_the_service_of_a_team_leads_to_the_sidecar(helm: Helm, tmp_path: Path) -> None:
    manifests = manifests_of(NATIVE, helm, tmp_path)
    service = next(
        one for one in manifests if one["kind"] == "Service" and one["metadata"]["name"] == "orders"
    )
    names = {one["name"] for one in container_of(manifests)["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in names


def test_probes_of_the_service_go_through_the_sidecar(helm: Helm, tmp_path: Path) -> None:
    manifests = manifests_of(NATIVE, helm, tmp_path)
    pod = one_of(manifests, "Deployment")["spec"]["template"]["spec"]
    probe = pod["containers"][0]["readinessProbe"]["httpGet"]
    policy = read_as_in_the_pod(manifests).policy
    assert probe["port"] == policy.listen.proxy.port
    assert probe["path"] in [route.path for route in policy.routes if route.public]
