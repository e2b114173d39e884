"""Thirty manifests: each is injected once and for all, and is otherwise what it was."""

import difflib
import re
from typing import Final

import kubernetes_validate
import pytest

from sidecar.knowledge.kube.manifest import PODS
from tests.chart.test_pod_security import RULES, Rule
from tests.chart.test_rendering import MINORS
from tests.knowledge.kube.inputs import (
    FILES,
    Tree,
    injected,
    objects_of,
    template_of,
    text_of,
)

KINDS: Final = {kind for _, kind in PODS}
# Nothing else of an input is written anew: ports of Services and probes, a variable, what was empty
# and what an older version wrote.
EDITED: Final = re.compile(
    r"targetPort|port: (3000|http|8000)|HOST|LISTEN|0\.0\.0\.0|0\.0\.9|sidecar-policy"
    r"|annotations: \{|initContainers: \[\]|volumes:$|env: null|restartPolicy: Always"
    r"|containerPort: 8000\}, \{name: sidecar-health|sidecar/injected|- name: sidecar"
    r"|secretName: former|generateName|name: cache|emptyDir: \{\}"
)


def pods(text: str) -> list[Tree]:
    return [template_of(one) for one in objects_of(text) if one["kind"] in KINDS and _is_ours(one)]


def _is_ours(one: Tree) -> bool:
    return (one["apiVersion"], one["kind"]) in PODS


def sidecar_of(pod: Tree) -> Tree:
    (found,) = [one for one in pod["spec"]["initContainers"] if one["name"] == "sidecar"]
    return dict(found)


def is_left_out(pod: Tree) -> bool:
    metadata = pod["metadata"]
    places = (metadata.get("annotations") or {}, metadata.get("labels") or {})
    return any(place.get("sidecar/inject") == "false" for place in places)


def test_there_are_thirty_and_each_says_what_for() -> None:
    assert len(FILES) >= 30
    yaml = [name for name in FILES if name.endswith(".yaml")]
    assert [name for name in yaml if not text_of(name).startswith("# Exercises: ")] == []


@pytest.mark.parametrize("name", FILES)
def test_injected_twice_it_is_the_same(name: str) -> None:
    once = injected(text_of(name))
    assert once.problems == []
    twice = injected(once.text)
    assert twice.problems == []
    assert twice.text == once.text
    assert [one.operations for one in twice.outcomes] == [()] * len(twice.outcomes)


@pytest.mark.parametrize("name", FILES)
def test_every_pod_that_is_not_left_out_has_the_sidecar_first_or_where_it_was(name: str) -> None:
    before = pods(text_of(name))
    for old, pod in zip(before, pods(injected(text_of(name)).text), strict=True):
        if is_left_out(pod):
            assert pod == old
            continue
        assert pod["metadata"]["annotations"]["sidecar/injected"] == "0.1.0"
        names = [one["name"] for one in pod["spec"]["initContainers"]]
        former = [one["name"] for one in old["spec"].get("initContainers") or ()]
        assert names == (former if "sidecar" in former else ["sidecar", *former])
        assert sidecar_of(pod)["restartPolicy"] == "Always"
        mounts = [one["name"] for one in sidecar_of(pod)["volumeMounts"]]
        volumes = [one["name"] for one in pod["spec"]["volumes"]]
        assert set(mounts) <= set(volumes)
        assert len(set(volumes)) == len(volumes)


@pytest.mark.parametrize("name", FILES)
def test_kubernetes_takes_what_comes_out(name: str) -> None:
    for one in injected(text_of(name)).objects:
        if "volcano" in one["apiVersion"]:
            continue
        for minor in (MINORS[0], MINORS[-1]):
            assert kubernetes_validate.validate(one, minor, strict=True) == minor


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".yaml")])
def test_order_comments_and_layout_stay(name: str) -> None:
    before = text_of(name).splitlines()
    after = injected(text_of(name)).text.splitlines()
    gone = [line[2:] for line in difflib.ndiff(before, after) if line.startswith("- ")]
    if not name.startswith("25"):  # in braces, lines grow
        assert [line for line in gone if not EDITED.search(line)] == []
    comments = [found for line in before for found in re.findall(r"#.*", line)]
    kept = [found for line in after for found in re.findall(r"#.*", line)]
    assert kept == comments


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_sidecar_keeps_a_rule_of_restricted_in_every_pod(rule: Rule) -> None:
    for name in FILES:
        for pod in pods(injected(text_of(name)).text):
            if is_left_out(pod):
                continue
            own = {
                "volumes": [v for v in pod["spec"]["volumes"] if v["name"].startswith("sidecar")]
            }
            alone = {"metadata": {}, "spec": {"containers": [sidecar_of(pod)], **own}}
            assert rule.holds(alone), name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_pod_that_keeps_the_rules_of_restricted_keeps_them_after(rule: Rule) -> None:
    (before,) = pods(text_of("30-restricted.yaml"))
    (after,) = pods(injected(text_of("30-restricted.yaml")).text)
    assert rule.holds(before)
    assert rule.holds(after)


def test_documents_without_pods_are_the_same_to_the_last_byte() -> None:
    text = text_of("08-other-kinds.yaml")
    assert injected(text).text == text


def test_lines_that_end_as_on_windows_go_on_so() -> None:
    plain = injected(text_of("01-deployment.yaml")).text
    windows = injected(text_of("01-deployment.yaml").replace("\n", "\r\n")).text
    assert windows == plain.replace("\n", "\r\n")


def services(name: str) -> dict[str, list[object]]:
    return {
        f"{one['metadata'].get('namespace', '')}/{one['metadata']['name']}": [
            port.get("targetPort") for port in one["spec"].get("ports", ())
        ]
        for one in injected(text_of(name)).objects
        if one["kind"] == "Service"
    }


@pytest.mark.parametrize(
    ("name", "led"),
    [
        ("01-deployment.yaml", {"/orders": ["sidecar"]}),
        ("02-statefulset.yaml", {"/ledger": ["sidecar"]}),
        ("07-list.yaml", {"/orders": ["sidecar"]}),
        ("10-two-ports.yaml", {"/orders": ["sidecar", "sidecar", "metrics"]}),
        ("16-ports-moved.yaml", {"/orders": ["sidecar"]}),
        ("18-opt-out.yaml", {"/orders": [3000]}),
        ("20-older-version.yaml", {"/orders": ["sidecar"]}),
        (
            "22-service-first.yaml",
            {"shop/orders": ["sidecar"], "other/orders": [3000], "shop/database": []},
        ),
        ("23-udp.yaml", {"/orders": ["sidecar", 3000]}),
        ("29-headless-without-labels.yaml", {"/elsewhere": ["sidecar"]}),
    ],
)
def test_services_lead_to_the_sidecar_where_they_led_to_the_app(
    name: str, led: dict[str, list[object]]
) -> None:
    assert services(name) == led


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("02-statefulset.yaml", "Service ledger: headless: clients choose the port themselves"),
        ("10-two-ports.yaml", "Service orders: port metrics leads to metrics, past the sidecar"),
        ("15-probes.yaml", "Deployment orders: probes of the app go through the sidecar"),
        ("18-opt-out.yaml", 'Deployment orders: left out, as sidecar/inject: "false" says'),
        ("18-opt-out.yaml", "Service orders: left alone: it selects no pod of this input"),
        ("22-service-first.yaml", "Service other/orders: left alone: it selects no pod"),
        ("23-udp.yaml", "Service orders: port quic leads to 3000, past the sidecar"),
    ],
)
def test_what_its_owner_should_know_is_said(name: str, said: str) -> None:
    assert [note for note in injected(text_of(name)).notes if note.startswith(said)] != []


def app_of(name: str) -> Tree:
    (pod,) = pods(injected(text_of(name)).text)
    return dict(pod["spec"]["containers"][0])


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("01-deployment.yaml", [{"name": "HOST", "value": "127.0.0.1"}]),
        ("03-daemonset.yaml", []),
        (
            "12-env-appended.yaml",
            [{"name": "LEVEL", "value": "info"}, {"name": "HOST", "value": "127.0.0.1"}],
        ),
        (
            "13-env-replaced.yaml",
            [{"name": "HOST", "value": "127.0.0.1"}, {"name": "LEVEL", "value": "info"}],
        ),
        ("14-env-address.yaml", [{"name": "LISTEN", "value": "127.0.0.1:3000"}]),
    ],
)
def test_the_app_is_moved_to_loopback_by_the_variable_that_its_owner_names(
    name: str, env: list[Tree]
) -> None:
    assert app_of(name).get("env", []) == env


def test_probes_of_the_app_go_through_the_sidecar() -> None:
    app = app_of("15-probes.yaml")
    assert app["startupProbe"] == {"tcpSocket": {"port": 8080}}
    assert app["livenessProbe"] == {"exec": {"command": ["/bin/alive"]}}
    assert app["readinessProbe"] == {"httpGet": {"path": "/healthz", "port": 8080}}
    assert app["lifecycle"]["preStop"] == {"httpGet": {"path": "/stop", "port": "admin"}}
    assert app["lifecycle"]["postStart"] == {"httpGet": {"path": "/start", "port": 8080}}


def test_an_older_sidecar_is_brought_up_to_date_and_what_led_to_it_follows() -> None:
    (pod,) = pods(injected(text_of("20-older-version.yaml")).text)
    assert sidecar_of(pod)["image"] == "tenant-sidecar:0.1.0"
    assert sidecar_of(pod)["ports"][0]["containerPort"] == 8080
    assert pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"] == 8080
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    assert volumes["sidecar-policy"]["configMap"] == {"name": "orders-sidecar"}
    assert "cache" in volumes


def test_a_secret_that_is_no_longer_wanted_goes_out() -> None:
    (pod,) = pods(injected(text_of("21-stale-secret.yaml")).text)
    names = [one["name"] for one in pod["spec"]["volumes"]]
    assert names == ["cache", "sidecar-policy", "sidecar-state", "sidecar-audit", "sidecar-tmp"]


def test_secrets_are_referred_to() -> None:
    (pod,) = pods(injected(text_of("17-secrets.yaml")).text)
    container = sidecar_of(pod)
    variables = {one["name"]: one for one in container["env"]}
    pepper = {"secretKeyRef": {"name": "keys", "key": "pepper"}}
    assert variables["PEPPER"] == {"name": "PEPPER", "valueFrom": pepper}
    url = {"secretKeyRef": {"name": "redis", "key": "url"}}
    assert variables["SIDECAR_REDIS_URL"]["valueFrom"] == url
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert (mounts["sidecar-secret-0"], mounts["sidecar-secret-1"]) == ("/secrets", "/tls")
    assert container["readinessProbe"]["httpGet"]["path"] == "/livez"
