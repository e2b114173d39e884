"""The injector and the chart's template make the same container and volumes."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from sidecar import __version__
from sidecar.cli.webhook import command as webhook
from sidecar.knowledge.kube.container import container, volumes
from sidecar.knowledge.kube.wishes import PINNABLE, Settings, wishes
from tests.chart.helm import CHART, Helm, one_of
from tests.chart.releases import INJECTING, NATIVE, a_team_chart, manifests_of

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


def test_what_is_not_injected_is_not_made(helm: Helm) -> None:
    webhooks = one_of(helm.manifests(INJECTING), "MutatingWebhookConfiguration")["webhooks"]
    assert [one["clientConfig"]["service"]["path"] for one in webhooks] == ["/pods", "/services"]
    for one in webhooks:
        assert one["failurePolicy"] == "Fail"
        assert one["sideEffects"] == "None"
        assert one["admissionReviewVersions"] == ["v1"]
        assert one["namespaceSelector"]["matchLabels"] == {"sidecar/inject": "true"}
        (names,) = one["namespaceSelector"]["matchExpressions"]
        assert (names["operator"], names["values"]) == ("NotIn", ["kube-system", "shop"])
        (left_out,) = one["objectSelector"]["matchExpressions"]
        assert left_out == {"key": "sidecar/inject", "operator": "NotIn", "values": ["false"]}


def test_with_opting_out_pinned_labelled_pods_are_asked_about_too(helm: Helm) -> None:
    injector = {**INJECTING["injector"], "pinned": ["inject", "image"]}
    manifests = helm.manifests({**INJECTING, "injector": injector})
    pods, services = one_of(manifests, "MutatingWebhookConfiguration")["webhooks"]
    assert "objectSelector" not in pods
    assert "objectSelector" in services
    (own,) = one_of(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"--pin=inject", "--pin=image"} <= set(own["args"])


def test_the_chart_knows_every_annotation_that_can_be_pinned() -> None:
    schema = json.loads((CHART / "values.schema.json").read_bytes())
    pinned = schema["properties"]["injector"]["properties"]["pinned"]
    assert tuple(pinned["items"]["enum"]) == PINNABLE


def test_the_webhook_s_command_takes_its_arguments(helm: Helm) -> None:
    pod = one_of(helm.manifests(INJECTING), "Deployment")["spec"]["template"]
    (own,) = pod["spec"]["containers"]
    name, *words = own["args"]
    context = webhook.make_context(
        name, [w for w in words if not w.startswith(("--cert", "--key"))], resilient_parsing=True
    )
    told = {"policy": "sidecar-policy", "redis_secret": "redis", "image": own["image"]}
    assert told.items() <= context.params.items()
    assert pod["metadata"]["labels"]["sidecar/inject"] == "false"


def test_an_injector_is_watched_by_the_shipped_rules(helm: Helm) -> None:
    watching = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    manifests = helm.manifests({**INJECTING, **watching})
    (group,) = one_of(manifests, "PrometheusRule")["spec"]["groups"]
    ours = {one["alert"] for one in group["rules"] if "Injector" in one["alert"]}
    assert {f"SidecarInjector{word}" for word in ("Failing", "Slow", "Full", "Refuses")} == ours
    chosen = one_of(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    health = one_of(manifests, "Service", "-health")
    assert chosen.items() <= health["metadata"]["labels"].items()
    pods = one_of(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert health["spec"]["selector"].items() <= pods.items()


def test_an_injector_has_two_pods_a_budget_and_no_rights(helm: Helm) -> None:
    manifests = helm.manifests(INJECTING)
    assert one_of(manifests, "Deployment")["spec"]["replicas"] == 2
    assert one_of(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    network = one_of(manifests, "NetworkPolicy")["spec"]
    assert network["ingress"][0] == {"ports": [{"port": 8443, "protocol": "TCP"}]}
    kinds = {one["kind"] for one in manifests}
    assert not {one for one in kinds if "Role" in one or one in {"ServiceAccount", "ConfigMap"}}
