"""The injector and the chart's template make the same container and volumes."""

from pathlib import Path
from typing import Any, Final

import yaml

from sidecar import __version__
from sidecar.knowledge.kube.container import container, volumes
from sidecar.knowledge.kube.wishes import Settings, wishes
from tests.chart.helm import CHART, Helm, one_of
from tests.chart.releases import NATIVE, a_team_chart, manifests_of

# What the example's values say, in annotations.
NOTES: Final = {
    "sidecar/policy": "orders-sidecar",
    "sidecar/redis-secret": "orders-redis",
    "sidecar/secret-files": "orders-sidecar=/secrets",
}
SETTINGS: Final = Settings(__version__, f"tenant-sidecar:{__version__}")


def injected(notes: dict[str, str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    wished = wishes({"annotations": notes}, SETTINGS, ())
    return container(wished, SETTINGS, 3000), volumes(wished)


def rendered(helm: Helm, folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Render the pod of the example's chart; the injector's one variable is among `env`."""
    own = {"env": {"SIDECAR_UPSTREAM_PORT": "3000"}, **values}
    text = helm.text({"sidecar": own}, a_team_chart(folder))
    found = [one for one in yaml.safe_load_all(text) if one]
    return dict(one_of(found, "Deployment")["spec"]["template"]["spec"])


def test_the_container_of_the_injector_is_that_of_the_chart(helm: Helm, tmp_path: Path) -> None:
    pod = rendered(helm, tmp_path, {})
    built, mounted = injected(NOTES)
    assert [built] == pod["initContainers"]
    assert list(built) == list(pod["initContainers"][0])
    assert mounted == pod["volumes"]


def test_what_annotations_say_is_what_values_say(helm: Helm, tmp_path: Path) -> None:
    values = {
        "secretFiles": [{"secret": "a", "path": "/a"}, {"secret": "b", "path": "/b"}],
        "secretEnv": [{"name": "PEPPER", "secret": "keys", "key": "pepper"}],
        "readinessPath": "/livez",
    }
    notes = {
        **NOTES,
        "sidecar/secret-files": "a=/a,b=/b",
        "sidecar/secret-env": "PEPPER=keys/pepper",
        "sidecar/readiness-path": "/livez",
    }
    pod = rendered(helm, tmp_path, values)
    built, mounted = injected(notes)
    assert [built] == pod["initContainers"]
    assert mounted == pod["volumes"]


def test_a_container_that_differs_is_found(helm: Helm, tmp_path: Path) -> None:
    (pod,) = [
        one["spec"]["template"]["spec"]
        for one in manifests_of(NATIVE, helm, tmp_path)
        if one["kind"] == "Deployment"
    ]
    assert [injected(NOTES)[0]] != pod["initContainers"]


def test_the_resources_are_the_values_of_the_chart() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_bytes())
    assert injected(NOTES)[0]["resources"] == values["resources"]
