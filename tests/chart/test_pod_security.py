"""Every rule of Pod Security `restricted`, those of `baseline` among them, holds for every pod.

https://kubernetes.io/docs/concepts/security/pod-security-standards/, one row for each control.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chart.helm import Helm, one_of
from tests.chart.releases import PLAIN, RELEASES, manifests_of

# A pod is a tree of mappings and lists without fixed types.
Pod = dict[str, Any]
VOLUMES: Final = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    | {"projected", "secret"}
)
SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)
SELINUX: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP: Final = frozenset({"RuntimeDefault", "Localhost"})


def containers(template: Pod) -> list[Pod]:
    """List the containers of every kind."""
    spec = template["spec"]
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [one for kind in kinds for one in spec.get(kind, ())]


def contexts(template: Pod) -> list[Pod]:
    """List the security contexts of the pod and of its containers."""
    return [one.get("securityContext", {}) for one in (template["spec"], *containers(template))]


def of_containers(template: Pod) -> list[Pod]:
    """List what holds for each container: its own context, the pod's where it says nothing."""
    whole = template["spec"].get("securityContext", {})
    return [{**whole, **one.get("securityContext", {})} for one in containers(template)]


def hosts(template: Pod) -> Iterator[str]:
    """List the hosts that probes and hooks of containers name."""
    for one in containers(template):
        probes = [one.get(f"{kind}Probe", {}) for kind in ("liveness", "readiness", "startup")]
        hooks = [one.get("lifecycle", {}).get(kind, {}) for kind in ("postStart", "preStop")]
        for asked in (*probes, *hooks):
            for kind in ("httpGet", "tcpSocket"):
                yield asked.get(kind, {}).get("host", "")


def capabilities(template: Pod, kind: str) -> list[set[str]]:
    """List the capabilities that each container adds or drops."""
    own = [one.get("securityContext", {}) for one in containers(template)]
    return [set(one.get("capabilities", {}).get(kind, ())) for one in own]


def selinux(template: Pod) -> list[Pod]:
    """List the options of SELinux."""
    return [one.get("seLinuxOptions", {}) for one in contexts(template)]


def app_armor(template: Pod) -> set[str]:
    """List the profiles of AppArmor, by field and by annotation."""
    notes = template["metadata"].get("annotations", {})
    named = {value.split("/")[0] for key, value in notes.items() if key.startswith(APPARMOR)}
    return named | {one.get("appArmorProfile", {}).get("type", "") for one in contexts(template)}


@dataclass(frozen=True, slots=True)
class Rule:
    """A control of the standard.

    Attributes:
        name: the standard's.
        holds: whether a pod's template keeps it.
        broken: where a value breaks it, as a path below the template, and that value.
    """

    name: str
    holds: Callable[[Pod], bool]
    broken: tuple[tuple[str, object], ...]


OWN: Final = "spec.containers.0.securityContext"
RULES: Final = (
    Rule(
        "HostProcess",
        lambda pod: (
            not any(one.get("windowsOptions", {}).get("hostProcess") for one in contexts(pod))
        ),
        (
            ("spec.securityContext.windowsOptions", {"hostProcess": True}),
            (f"{OWN}.windowsOptions", {"hostProcess": True}),
        ),
    ),
    Rule(
        "Host Namespaces",
        lambda pod: not any(pod["spec"].get(one) for one in ("hostNetwork", "hostPID", "hostIPC")),
        (("spec.hostNetwork", True), ("spec.hostPID", True), ("spec.hostIPC", True)),
    ),
    Rule(
        "Privileged Containers",
        lambda pod: not any(one.get("privileged") for one in contexts(pod)),
        ((f"{OWN}.privileged", True),),
    ),
    Rule(
        "Capabilities",
        lambda pod: (
            all("ALL" in dropped for dropped in capabilities(pod, "drop"))
            and all(added <= {"NET_BIND_SERVICE"} for added in capabilities(pod, "add"))
        ),
        (
            (f"{OWN}.capabilities", {"drop": ["ALL"], "add": ["NET_RAW"]}),
            (f"{OWN}.capabilities", {"drop": ["NET_RAW"]}),
        ),
    ),
    Rule(
        "HostPath Volumes and Volume Types",
        lambda pod: all(set(one) - {"name"} <= VOLUMES for one in pod["spec"].get("volumes", ())),
        (("spec.volumes", [{"name": "a", "hostPath": {"path": "/"}}]),),
    ),
    Rule(
        "Host Ports",
        lambda pod: (
            not any(
                port.get("hostPort") for one in containers(pod) for port in one.get("ports", ())
            )
        ),
        (("spec.containers.0.ports", [{"containerPort": 1, "hostPort": 1}]),),
    ),
    Rule(
        "Host Probes / Lifecycle Hooks",
        lambda pod: not any(hosts(pod)),
        (
            ("spec.containers.0.livenessProbe", {"tcpSocket": {"host": "10.0.0.1", "port": 1}}),
            ("spec.containers.0.lifecycle", {"preStop": {"httpGet": {"host": "a", "port": 1}}}),
        ),
    ),
    Rule(
        "AppArmor",
        lambda pod: app_armor(pod) <= {"", "runtime", "localhost", "RuntimeDefault", "Localhost"},
        (
            ("spec.securityContext.appArmorProfile", {"type": "Unconfined"}),
            ("metadata.annotations", {f"{APPARMOR}sidecar": "unconfined"}),
        ),
    ),
    Rule(
        "SELinux",
        lambda pod: all(
            one.get("type", "") in SELINUX and not one.get("user") and not one.get("role")
            for one in selinux(pod)
        ),
        (
            (f"{OWN}.seLinuxOptions", {"type": "spc_t"}),
            ("spec.securityContext.seLinuxOptions", {"user": "system_u"}),
        ),
    ),
    Rule(
        "/proc Mount Type",
        lambda pod: all(one.get("procMount", "Default") == "Default" for one in contexts(pod)),
        ((f"{OWN}.procMount", "Unmasked"),),
    ),
    Rule(
        "Sysctls",
        lambda pod: all(
            one["name"] in SYSCTLS
            for one in pod["spec"].get("securityContext", {}).get("sysctls", ())
        ),
        (("spec.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),),
    ),
    Rule(
        "Privilege Escalation",
        lambda pod: all(
            one.get("securityContext", {}).get("allowPrivilegeEscalation") is False
            for one in containers(pod)
        ),
        ((f"{OWN}.allowPrivilegeEscalation", True), (OWN, {"capabilities": {"drop": ["ALL"]}})),
    ),
    Rule(
        "Running as Non-root",
        lambda pod: all(one.get("runAsNonRoot") is True for one in of_containers(pod)),
        ((f"{OWN}.runAsNonRoot", False),),
    ),
    Rule(
        "Running as Non-root user",
        lambda pod: all(one.get("runAsUser") != 0 for one in contexts(pod)),
        ((f"{OWN}.runAsUser", 0), ("spec.securityContext.runAsUser", 0)),
    ),
    Rule(
        "Seccomp",
        lambda pod: all(
            one.get("seccompProfile", {}).get("type") in SECCOMP for one in of_containers(pod)
        ),
        ((f"{OWN}.seccompProfile", {"type": "Unconfined"}), (f"{OWN}.seccompProfile", {})),
    ),
)


def templates(helm: Helm, folder: Path) -> Iterator[tuple[str, Pod]]:
    """Render the pod of every release."""
    for name in RELEASES:
        manifests = manifests_of(name, helm, folder / name)
        yield name, one_of(manifests, "Deployment")["spec"]["template"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_of_restricted_holds_for_every_pod(rule: Rule, helm: Helm, tmp_path: Path) -> None:
    assert [name for name, pod in templates(helm, tmp_path) if not rule.holds(pod)] == []


BROKEN: Final = [
    pytest.param(rule, path, value, id=f"{rule.name}: {path} {at}")
    for rule in RULES
    for at, (path, value) in enumerate(rule.broken)
]


@pytest.mark.parametrize(("rule", "path", "value"), BROKEN)
def test_a_pod_that_breaks_a_rule_is_found(
    rule: Rule, path: str, value: object, helm: Helm
) -> None:
    pod = copy.deepcopy(one_of(helm.manifests(PLAIN), "Deployment")["spec"]["template"])
    assert rule.holds(pod)
    *above, last = path.split(".")
    at: Any = pod
    for step in above:
        at = at[int(step)] if step.isdecimal() else at[step]
    at[last] = value
    assert not rule.holds(pod)


def test_the_sidecar_asks_for_more_than_the_standard(helm: Helm, tmp_path: Path) -> None:
    for _, pod in templates(helm, tmp_path):
        (own,) = [one["securityContext"] for one in containers(pod) if one["name"] == "sidecar"]
        assert own["readOnlyRootFilesystem"] is True
        assert (own["runAsUser"], own["runAsGroup"], own["runAsNonRoot"]) == (65532, 65532, True)
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
