"""What the chart renders: it is what was reviewed, and what Kubernetes takes."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from sidecar import __version__
from tests.chart.golden import file_of
from tests.chart.helm import CHART, HOUSE, Helm, RefusedError, one_of
from tests.chart.releases import (
    CLAIMED,
    FULL,
    GOLDEN,
    NATIVE,
    PLAIN,
    PLAIN_CHARTS,
    RELEASES,
    SHIPPED,
    a_team_chart,
    manifests_of,
    text_of,
)

# The oldest that the chart is for, one between, and the newest that schemas are there for.
MINORS: Final = ("1.30", "1.34", "1.37")
# Kinds of the operator of Prometheus: Kubernetes has no schema of them.
OPERATORS: Final = frozenset({"ServiceMonitor", "PrometheusRule"})
TAKEN: Final = {
    "ServiceMonitor": {"endpoints", "jobLabel", "selector"},
    "PrometheusRule": {"groups"},
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_release_is_what_was_reviewed(name: str, helm: Helm, tmp_path: Path) -> None:
    assert text_of(name, helm, tmp_path) == file_of(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLAIN_CHARTS)
def test_helm_has_nothing_to_say_against_the_chart(name: str, helm: Helm) -> None:
    report = helm.ask("lint", CHART, PLAIN_CHARTS[name])
    found = [one["error"] for one in report["messages"]]
    assert report["errors"] == []
    assert set(found) <= {"icon is recommended"}


def test_nor_against_the_chart_of_a_team(helm: Helm, tmp_path: Path) -> None:
    report = helm.ask("lint", a_team_chart(tmp_path), {})
    assert report["errors"] == []
    assert {one["error"] for one in report["messages"]} <= {"icon is recommended"}


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("name", RELEASES)
def test_kubernetes_takes_every_manifest(name: str, minor: str, helm: Helm, tmp_path: Path) -> None:
    manifests = manifests_of(name, helm, tmp_path)
    known = [one for one in manifests if one["kind"] not in OPERATORS]
    assert len(known) > 3
    for one in known:
        assert kubernetes_validate.validate(one, minor, strict=True) == minor


def test_what_kubernetes_does_not_take_is_found(helm: Helm) -> None:
    deployment = one_of(helm.manifests(PLAIN), "Deployment")
    deployment["spec"]["template"]["spec"]["initContainer"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="initContainer"):
        kubernetes_validate.validate(deployment, MINORS[0], strict=True)


@pytest.mark.parametrize("values", [FULL, SHIPPED])
def test_of_the_operator_s_kinds_only_known_fields_are_used(
    values: dict[str, Any], helm: Helm
) -> None:
    found = [one for one in helm.manifests(values) if one["kind"] in OPERATORS]
    assert found
    for one in found:
        assert one["apiVersion"] == "monitoring.coreos.com/v1"
        assert set(one["spec"]) == TAKEN[one["kind"]]
        assert one["metadata"]["labels"]["release"] == "prometheus"


def test_rules_and_dashboard_are_those_that_are_shipped(helm: Helm) -> None:
    manifests = helm.manifests(SHIPPED)
    rules = yaml.safe_load((HOUSE / "config/prometheus/rules.yaml").read_bytes())
    assert one_of(manifests, "PrometheusRule")["spec"] == rules
    dashboard = one_of(manifests, "ConfigMap", "-dashboard")
    text = (HOUSE / "config/grafana/dashboard.json").read_text(encoding="utf-8")
    assert dashboard["data"] == {"sidecar.json": text}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_rules_and_dashboard_stand_once_in_the_repository_and_go_into_the_package(
    helm: Helm, tmp_path: Path
) -> None:
    files = CHART / "files"
    assert sorted(one.name for one in files.iterdir() if one.is_symlink()) == [
        "dashboard.json",
        "rules.yaml",
    ]
    package = helm.ask("package", CHART, {}, to=str(tmp_path))["package"]
    with tarfile.open(package) as archive:
        for file in files.iterdir():
            packed = archive.extractfile(f"sidecar/files/{file.name}")
            assert packed is not None
            assert packed.read() == file.read_bytes()


def test_metrics_are_found_by_the_labels_of_their_service(helm: Helm) -> None:
    manifests = helm.manifests(FULL)
    monitor = one_of(manifests, "ServiceMonitor")["spec"]
    service = one_of(manifests, "Service", "-health")
    labels = service["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert "sidecar" in labels[monitor["jobLabel"]]
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    others = [one for one in manifests if one["kind"] == "Service" and one is not service]
    wanted = monitor["selector"]["matchLabels"].items()
    assert not [one for one in others if wanted <= one["metadata"]["labels"].items()]


def test_the_chart_runs_the_version_that_it_came_with() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_bytes())
    assert about["appVersion"] == __version__


@pytest.mark.parametrize(
    "change",
    [{"policy": f"{PLAIN['policy']}mode: shadow\n"}, {"policyFiles": {"a.json": "{}"}}],
    ids=["policy", "a file of it"],
)
def test_a_change_of_the_policy_replaces_the_pods(change: dict[str, Any], helm: Helm) -> None:
    def digest(values: dict[str, Any]) -> str:
        template = one_of(helm.manifests(values), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["sidecar/policy-sha256"])

    assert digest(dict(PLAIN)) == digest(dict(PLAIN))
    assert digest({**PLAIN, **change}) != digest(dict(PLAIN))
    assert len(digest(dict(PLAIN))) == hashlib.sha256().digest_size * 2


def test_one_file_of_sqlite_is_never_opened_by_two_pods(helm: Helm) -> None:
    spec = one_of(helm.manifests(CLAIMED), "Deployment")["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    volumes = {one["name"]: one for one in spec["template"]["spec"]["volumes"]}
    assert volumes["sidecar-state"] == {
        "name": "sidecar-state",
        "persistentVolumeClaim": {"claimName": "sidecar-state"},
    }


def test_a_native_sidecar_is_ready_before_the_service_starts(helm: Helm, tmp_path: Path) -> None:
    pod = one_of(manifests_of(NATIVE, helm, tmp_path), "Deployment")["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("sidecar", "Always")
    assert sidecar["startupProbe"]["httpGet"]["port"] == "sidecar-health"
    assert [one["name"] for one in pod["containers"]] == ["orders"]


def test_a_gateway_serves_while_others_learn_that_it_goes(helm: Helm) -> None:
    pod = one_of(helm.manifests(PLAIN), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "restartPolicy" not in container
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_a_budget_is_for_several_replicas(helm: Helm) -> None:
    kinds = {one["kind"] for one in helm.manifests(PLAIN)}
    assert not {"PodDisruptionBudget", "HorizontalPodAutoscaler"} & kinds
    manifests = helm.manifests(FULL)
    budget = one_of(manifests, "PodDisruptionBudget")["spec"]
    deployment = one_of(manifests, "Deployment")["spec"]
    assert budget["selector"] == deployment["selector"]
    assert "replicas" not in deployment
    target = one_of(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "edge")


def test_volumes_and_mounts_are_the_same(helm: Helm, tmp_path: Path) -> None:
    for name in RELEASES:
        folder = tmp_path / name
        pod = one_of(manifests_of(name, helm, folder), "Deployment")["spec"]["template"]["spec"]
        containers = [*pod.get("initContainers", ()), *pod["containers"]]
        mounted = [m["name"] for one in containers for m in one.get("volumeMounts", ())]
        assert mounted == [one["name"] for one in pod["volumes"]]


def test_no_value_of_a_secret_can_be_given(helm: Helm) -> None:
    schema = json.loads((CHART / "values.schema.json").read_bytes())["properties"]
    assert set(schema["secretEnv"]["items"]["properties"]) == {"name", "secret", "key"}
    assert set(schema["secretFiles"]["items"]["properties"]) == {"secret", "path"}
    with pytest.raises(RefusedError):
        helm.text({**PLAIN, "secretEnv": [{"name": "PEPPER", "value": "literal"}]})
