"""Manifests for Kubernetes, plain and by Kustomize: valid, injected, and the same in the end."""

import copy
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest

from sidecar.cli.exit_codes import DONE, NO
from sidecar.cli.main import invoke
from tests.chart.test_pod_security import RULES
from tests.chart.test_rendering import MINORS
from tests.examples.apps import EXAMPLES
from tests.examples.deployments import Tree, judge_policy, one_of, read

PLAINLY: Final = "kubernetes/plain"
BASE: Final = "kubernetes/kustomize/base"
OVERLAY: Final = "kubernetes/kustomize/with-sidecar"
WHOLE: Final = (
    f"{PLAINLY}/orders.yaml",
    f"{PLAINLY}/sidecar.yaml",
    f"{PLAINLY}/injected.yaml",
    f"{BASE}/deployment.yaml",
    f"{BASE}/service.yaml",
    f"{OVERLAY}/network-policy.yaml",
)
IMAGE: Final = "registry.example/tenant-sidecar:0.1.0"
# Lists that Kubernetes merges by a key of their items; ports of a Service by `port`.
KEYS: Final = ("name", "port")


def merged(below: Any, above: Any) -> Any:  # noqa: ANN401 -- trees without fixed types
    """Merge a patch into a manifest, as far as these patches need it."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merged(below.get(key), above[key]) for key in above}
    if isinstance(below, list) and isinstance(above, list):
        (key,) = {next(key for key in KEYS if key in one) for one in above}
        news = {one[key]: one for one in above}
        kept = [merged(one, news.pop(one[key], {})) for one in below]
        return [*kept, *news.values()]
    return above


def named(manifest: Tree) -> tuple[str, str, str]:
    return manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]


def built() -> list[Tree]:
    """Apply the patches of the overlay to the base, and name its image."""
    kustomization = read(f"{OVERLAY}/kustomization.yaml")[0]
    manifests = {named(one): one for name in resources(BASE) for one in read(f"{BASE}/{name}")}
    for patch in kustomization["patches"]:
        (change,) = read(f"{OVERLAY}/{patch['path']}")
        # A patch without a target in the base is an error of Kustomize, and here.
        manifests[named(change)] = merged(manifests[named(change)], change)
    (image,) = kustomization["images"]
    pod = one_of(list(manifests.values()), "Deployment")["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["image"] == image["name"]
    sidecar["image"] = f"{image['newName']}:{image['newTag']}"
    return list(manifests.values())


def resources(folder: str) -> list[str]:
    names: list[str] = read(f"{folder}/kustomization.yaml")[0]["resources"]
    return names


def pods_of(manifests: list[Tree]) -> list[Tree]:
    return [one["spec"]["template"] for one in manifests if one["kind"] == "Deployment"]


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("name", [*WHOLE, "built"])
def test_kubernetes_takes_every_manifest(name: str, minor: str) -> None:
    for one in built() if name == "built" else read(name):
        assert kubernetes_validate.validate(one, minor, strict=True) == minor


@pytest.mark.parametrize("name", [f"{PLAINLY}/injected.yaml", "built"])
def test_every_pod_keeps_the_rules_of_restricted(name: str) -> None:
    (template,) = pods_of(built() if name == "built" else read(name))
    assert [rule.name for rule in RULES if not rule.holds(template)] == []


def test_the_injected_manifests_are_what_the_command_makes(tmp_path: Path) -> None:
    made = tmp_path / "injected.yaml"
    source = EXAMPLES / PLAINLY / "orders.yaml"
    words = ["inject", "--image", IMAGE, "-f"]
    assert invoke([*words, str(source), "-o", str(made)]) == DONE
    assert made.read_bytes() == (EXAMPLES / PLAINLY / "injected.yaml").read_bytes()
    assert invoke([*words, str(source), "--check"]) == NO


def test_the_overlay_makes_what_the_command_makes() -> None:
    expected = copy.deepcopy(read(f"{PLAINLY}/injected.yaml"))
    (template,) = pods_of(expected)
    # They are for the command; a patch says what it wants.
    del template["metadata"]["annotations"]
    assert sorted(built(), key=named) == sorted(expected, key=named)


def test_every_file_of_a_kustomization_is_there_and_used() -> None:
    for folder in (BASE, OVERLAY):
        kustomization = read(f"{folder}/kustomization.yaml")[0]
        patches = [one["path"] for one in kustomization.get("patches", ())]
        generated = [
            file for one in kustomization.get("configMapGenerator", ()) for file in one["files"]
        ]
        files = [one for one in kustomization["resources"] if one != "../base"]
        present = {one.name for one in (EXAMPLES / folder).iterdir()}
        assert {*patches, *generated, *files, "kustomization.yaml"} == present


def policy_of(where: str) -> str:
    if where == OVERLAY:
        return (EXAMPLES / OVERLAY / "policy.yaml").read_text("utf-8")
    text: str = one_of(read(f"{PLAINLY}/sidecar.yaml"), "ConfigMap")["data"]["policy.yaml"]
    return text


@pytest.mark.parametrize("where", [PLAINLY, OVERLAY])
def test_the_policy_fits_the_pod(where: str) -> None:
    manifests = read(f"{PLAINLY}/injected.yaml") if where == PLAINLY else built()
    pod = pods_of(manifests)[0]["spec"]
    (sidecar,) = pod["initContainers"]
    (app,) = pod["containers"]
    environment = {one["name"]: one["value"] for one in sidecar["env"]}
    policy = judge_policy(policy_of(where), **environment)
    ports = {one["name"]: one["containerPort"] for one in sidecar["ports"]}
    assert policy["listen"] == {"health": f"0.0.0.0:{ports['sidecar-health']}"}
    assert policy["upstream"] == "http://127.0.0.1:${SIDECAR_UPSTREAM_PORT}"
    assert environment["SIDECAR_UPSTREAM_PORT"] == str(app["ports"][0]["containerPort"])
    asked = app["readinessProbe"]["httpGet"]
    assert asked["port"] == ports["sidecar"]
    assert [one["path"] for one in policy["routes"] if one.get("public")] == [asked["path"]]


@pytest.mark.parametrize("where", [PLAINLY, OVERLAY])
def test_the_policy_has_the_name_that_the_pod_mounts(where: str) -> None:
    manifests = read(f"{PLAINLY}/injected.yaml") if where == PLAINLY else built()
    volumes = {one["name"]: one for one in pods_of(manifests)[0]["spec"]["volumes"]}
    mounted = volumes["sidecar-policy"]["configMap"]["name"]
    if where == PLAINLY:
        made = one_of(read(f"{PLAINLY}/sidecar.yaml"), "ConfigMap")["metadata"]["name"]
    else:
        (generated,) = read(f"{OVERLAY}/kustomization.yaml")[0]["configMapGenerator"]
        made = generated["name"]
    assert mounted == made


@pytest.mark.parametrize("name", [f"{PLAINLY}/sidecar.yaml", f"{OVERLAY}/network-policy.yaml"])
def test_the_network_policy_opens_the_ports_of_the_sidecar_alone(name: str) -> None:
    network = one_of(read(name), "NetworkPolicy")["spec"]
    template = pods_of(read(f"{PLAINLY}/injected.yaml"))[0]
    assert network["podSelector"]["matchLabels"] == template["metadata"]["labels"]
    (sidecar,) = template["spec"]["initContainers"]
    opened = [port["port"] for one in network["ingress"] for port in one["ports"]]
    assert opened == [one["containerPort"] for one in sidecar["ports"]]
    assert "from" in network["ingress"][1]
