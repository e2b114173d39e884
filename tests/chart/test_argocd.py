"""The Application of the examples installs the chart, with values that the chart takes."""

import json
from typing import Any, Final

import jsonschema_rs
import kubernetes_validate
import yaml

from sidecar import __version__
from tests.chart.helm import CHART, HOUSE, Helm, one_of
from tests.chart.test_rendering import MINORS, OPERATORS
from tests.examples.deployments import judge_policy

APPLICATION: Final[dict[str, Any]] = yaml.safe_load(
    (HOUSE / "examples/argocd/application.yaml").read_bytes()
)
SOURCE: Final[dict[str, Any]] = APPLICATION["spec"]["source"]
VALUES: Final[dict[str, Any]] = SOURCE["helm"]["valuesObject"]


def rendered(helm: Helm) -> list[dict[str, Any]]:
    """Render it with the name of the Application, which Argo CD gives to the release."""
    return helm.manifests(VALUES, name=APPLICATION["metadata"]["name"])


def test_it_says_what_from_where_and_whereto() -> None:
    assert (APPLICATION["apiVersion"], APPLICATION["kind"]) == (
        "argoproj.io/v1alpha1", "Application",
    )  # fmt: skip
    assert set(APPLICATION) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(APPLICATION["spec"]) == {"project", "source", "destination", "syncPolicy"}
    assert set(SOURCE) == {"repoURL", "targetRevision", "path", "helm"}
    assert (HOUSE / SOURCE["path"]) == CHART
    assert SOURCE["targetRevision"] == f"v{__version__}"
    assert set(SOURCE["helm"]) == {"valuesObject"}
    assert APPLICATION["spec"]["destination"] == {
        "server": "https://kubernetes.default.svc", "namespace": "shop",
    }  # fmt: skip
    assert APPLICATION["spec"]["syncPolicy"] == {"automated": {"prune": True, "selfHeal": True}}


def test_the_chart_takes_its_values() -> None:
    schema = jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_bytes()))
    schema.validate({**yaml.safe_load((CHART / "values.yaml").read_bytes()), **VALUES})
    assert not schema.is_valid({**VALUES, "unknown": ""})


def test_kubernetes_takes_what_it_installs(helm: Helm) -> None:
    manifests = rendered(helm)
    known = [one for one in manifests if one["kind"] not in OPERATORS]
    assert len(known) > 3
    for one in known:
        for minor in MINORS:
            assert kubernetes_validate.validate(one, minor, strict=True) == minor


def test_clients_find_the_service_that_it_names(helm: Helm) -> None:
    services = {one["metadata"]["name"] for one in rendered(helm) if one["kind"] == "Service"}
    assert "edge-sidecar" in services


def test_the_policy_that_it_deploys_is_right(helm: Helm) -> None:
    deployed = one_of(rendered(helm), "ConfigMap")["data"]["policy.yaml"]
    assert judge_policy(deployed) == yaml.safe_load(VALUES["policy"])
