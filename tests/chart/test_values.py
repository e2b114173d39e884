"""What the chart refuses, and how it says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.chart.helm import CHART, Helm, RefusedError, Tree
from tests.chart.releases import INJECTING, PLAIN, POLICY, SHARED, a_team_chart

SCHEMA: Final[Tree] = json.loads((CHART / "values.schema.json").read_bytes())
DEFAULTS: Final[Tree] = yaml.safe_load((CHART / "values.yaml").read_bytes())
REDIS: Final = f"{POLICY}state: redis://redis:6379/0\n"
LOCAL: Final = POLICY.replace("http://orders:3000", "http://127.0.0.1:3000")
PODS: Final = {"app": "orders"}


def policy(old: str, new: str) -> Tree:
    """Change the plain policy."""
    assert old in POLICY
    return {"policy": POLICY.replace(old, new)}


# What is changed in the plain gateway, and what is said of it.
REFUSED: Final[tuple[tuple[Tree, str], ...]] = (
    ({"policy": ""}, "policy: there is none: --set-file policy=policy.yaml"),
    ({"policy": "  \n"}, "policy: there is none"),
    ({"policy": "a: [1"}, "policy: is no YAML: "),
    (policy('listen: {health: "0.0.0.0:9902"}\n', ""), "listen: {health: 0.0.0.0:9902}"),
    (policy("0.0.0.0:9902", "127.0.0.1:9902"), "is 127.0.0.1:9902, where no kubelet can ask"),
    (policy("0.0.0.0:9902", "localhost:9902"), "where no kubelet can ask"),
    (policy("0.0.0.0:9902", "[::1]:9902"), "where no kubelet can ask"),
    (policy("0.0.0.0:9902", "0.0.0.0:${PORT}"), "policy: listen.health is missing"),
    (policy("{health:", "{proxy: '127.0.0.1:8080', health:"), "where no client can connect"),
    (policy("http://orders:3000", "http://127.0.0.1:3000"), "nothing else runs in the gateway's"),
    (policy("http://orders:3000", "{url: 'http://localhost'}"), "nothing else runs in the gateway"),
    (policy("http://orders:3000", "unix:///run/app.sock"), "nothing else runs in the gateway's"),
    ({"replicas": 2}, "up to 2 replicas need one store, and state is SQLite: "),
    ({"replicas": 2, "policy": f"{POLICY}state: memory\n"}, "and state is memory: "),
    ({"replicas": 2, "policy": f"{POLICY}state: {{store: 'sqlite:a.db'}}\n"}, "is sqlite:a.db: "),
    ({"autoscaling": {"enabled": True}}, "up to 6 replicas need one store"),
    ({"policy": SHARED, "gracePeriodSeconds": 40}, "which the key url of a Secret gives"),
    ({"redis": {"secret": "redis"}}, "redis.secret: the policy does not use it: state: {store:"),
    ({"networkPolicy": {"upstreamPods": {}}}, "which pods are behind the gateway?"),
    ({"gracePeriodSeconds": 19}, "gracePeriodSeconds: 19 is too short"),
    (
        {"policy": SHARED, "redis": {"secret": "redis"}, "gracePeriodSeconds": 29},
        "29 is too short for preStopSeconds, listen.drain and 5 seconds: at least 30",
    ),
    (policy("{health:", "{drain: 1m, health:"), "at least 70"),
    ({"mode": "sidecar", "podSelector": PODS}, "has a way around the sidecar"),
    (
        {"mode": "sidecar", "podSelector": PODS, **policy("http://orders:3000", "${UPSTREAM}")},
        "upstream is ${UPSTREAM}, and a service that others can reach",
    ),
    (
        {"mode": "sidecar", "podSelector": PODS, **policy("orders:3000", "127.0.0.1.example")},
        "has a way around the sidecar",
    ),
    ({"mode": "sidecar", "policy": LOCAL}, "podSelector: which pods are yours?"),
    (
        {
            "mode": "sidecar",
            "podSelector": PODS,
            "policy": f"{LOCAL}state: redis://redis:6379/0\n",
            "autoscaling": {"enabled": True},
        },
        "your own Deployment is scaled",
    ),
    (
        {"mode": "sidecar", "podSelector": PODS, "policy": LOCAL, "replicas": 3},
        "up to 3 replicas need one store",
    ),
)


@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_what_would_not_work_or_would_be_open_is_refused(
    change: Tree, said: str, helm: Helm
) -> None:
    with pytest.raises(RefusedError) as refused:
        helm.text({**PLAIN, **change})
    assert said in str(refused.value)


ADMITTED: Final[tuple[Tree, ...]] = (
    {},
    {"replicas": 1},
    {"replicas": 0},
    {"replicas": 3, "policy": REDIS},
    {"replicas": 3, "policy": REDIS.replace("redis://", "rediss://")},
    {"replicas": 3, "policy": f"{POLICY}state: {{store: 'redis://a,b:1/0'}}\n"},
    {"autoscaling": {"enabled": True}, "policy": REDIS},
    {"autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 1}},
    {"gracePeriodSeconds": 20},
    policy("0.0.0.0:9902", "[::]:9902"),
    policy("{health:", "{drain: 500ms, health:"),
    {"networkPolicy": {"enabled": False}},
    {"mode": "sidecar", "podSelector": PODS, "policy": LOCAL},
    {
        "mode": "sidecar",
        "podSelector": PODS,
        **policy("http://orders:3000", "{url: 'http://localhost'}"),
    },
    {
        "mode": "sidecar",
        "podSelector": PODS,
        **policy("http://orders:3000", "unix:///run/app.sock"),
    },
)


@pytest.mark.parametrize("change", ADMITTED)
def test_what_works_is_rendered(change: Tree, helm: Helm) -> None:
    assert "kind: ConfigMap" in helm.text({**PLAIN, **change})


def sections(values: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List every section of the values with fixed keys, the whole first."""
    yield path
    about: Any = SCHEMA
    for step in path:
        about = about["properties"][step]
    for key in about["properties"]:
        below = about["properties"][key]
        if below.get("additionalProperties") is False and "properties" in below:
            yield from sections(values, (*path, key))


SECTIONS: Final = list(sections(DEFAULTS))


@pytest.mark.parametrize("path", SECTIONS, ids=".".join)
def test_a_key_that_is_not_there_is_refused(path: tuple[str, ...], helm: Helm) -> None:
    wrong: dict[str, Any] = {"enabledd": True}
    for step in reversed(path):
        wrong = {step: wrong}
    with pytest.raises(RefusedError, match="additional properties 'enabledd' not allowed"):
        helm.text({**PLAIN, **wrong})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"mode": "daemonset"}, "/mode"),
        ({"replicas": "2"}, "/replicas"),
        ({"image": {"digest": "5f5f"}}, "/image/digest"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"env": {"PORT": 1}}, "/env/PORT"),
        ({"secretFiles": [{"secret": "a"}]}, "/secretFiles/0"),
        ({"policyFiles": {"a/b.json": ""}}, "a/b.json"),
        ({"policyFiles": {"policy.yaml": ""}}, "policy.yaml"),
        ({"readinessPath": "/"}, "/readinessPath"),
        ({"storage": {"size": "much"}}, "/storage/size"),
        ({"podLabels": {"app.kubernetes.io/name": "other"}}, "app.kubernetes.io/name"),
        ({"networkPolicy": {"from": [{}]}}, "/networkPolicy/from/0"),
        ({"networkPolicy": {"from": [{"pods": {}}]}}, "/networkPolicy/from/0"),
        ({"service": {"port": 0}}, "/service/port"),
        ({"redis": {"secret": "Not A Name"}}, "/redis/secret"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(change: Tree, place: str, helm: Helm) -> None:
    with pytest.raises(RefusedError) as refused:
        helm.text({**PLAIN, **change})
    assert f"'{place}'" in str(refused.value)


def test_a_typo_in_the_chart_of_a_team_is_refused_as_well(helm: Helm, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="'podSelecter' not allowed"):
        helm.text({"sidecar": {"podSelecter": PODS}}, a_team_chart(tmp_path))


def test_every_key_has_a_default_and_every_default_a_key() -> None:
    def keys(values: Tree, about: Tree) -> None:
        named = set(about["properties"]) - {"global"}
        assert set(values) == named
        for key in named:
            if about["properties"][key].get("additionalProperties") is False:
                keys(values[key], about["properties"][key])

    # resources is a section whose keys are Kubernetes's.
    assert len(SECTIONS) > 10
    keys(DEFAULTS, SCHEMA)


TLS: Final = {"tlsSecret": "injector-tls"}


@pytest.mark.parametrize(
    ("injector", "said"),
    [
        ({}, "injector.tlsSecret: API servers ask over TLS"),
        (TLS, "injector.caBundle: whom do API servers believe?"),
        ({**TLS, "caBundle": "YQ==", "caFrom": "shop/a"}, "would replace injector.caBundle"),
        ({**TLS, "caBundle": "YQ==", "namespaceLabels": {"sidecar/inject": None}}, "without any"),
        ({**TLS, "caFrom": "a"}, "'/injector/caFrom'"),
        ({**TLS, "caBundle": "-----BEGIN"}, "'/injector/caBundle'"),
        ({**TLS, "pinned": ["injected"]}, "'/injector/pinned/0'"),
        ({**TLS, "timeoutSeconds": 31}, "'/injector/timeoutSeconds'"),
    ],
)
def test_an_injector_that_nobody_could_ask_or_that_asks_too_much_is_refused(
    injector: Tree, said: str, helm: Helm
) -> None:
    with pytest.raises(RefusedError) as refused:
        helm.text({"mode": "injector", "injector": injector})
    assert said in str(refused.value)


def test_an_injector_has_no_policy_of_its_own(helm: Helm) -> None:
    with pytest.raises(RefusedError, match="in mode: injector pods name ConfigMaps"):
        helm.text({**INJECTING, "policy": POLICY})
