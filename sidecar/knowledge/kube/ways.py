"""Ways around the sidecar that a pod would have, and ways into it (RT-5)."""

from collections.abc import Iterable
from typing import Final

from sidecar.knowledge.kube.container import MOUNTED
from sidecar.knowledge.kube.tree import ManifestError, Path, Tree, named, sequence

_SHARED: Final = ("shareProcessNamespace", "hostPID")
_READ_BY_OTHERS: Final = "sidecar-audit"
"""Whoever ships audit files reads them there."""
_OWN: Final = frozenset({"sidecar-state", "sidecar-tmp", _READ_BY_OTHERS})


def judge_ways(path: Path, spec: Tree, others: Iterable[tuple[Path, Tree]], app_port: int) -> None:
    """Refuse a pod that would be open beside its sidecar.

    Args:
        path: where the pod's spec stands.
        spec: of the pod.
        others: its containers but the sidecar, with their places.
        app_port: number of the port behind the sidecar.

    Raises:
        ManifestError: there is a way; the message says how to shut it.
    """
    for key in _SHARED:
        # A process reads memory and variables of any other of its user, and many images have the
        # sidecar's, 65532.
        if spec.get(key):
            said = "other processes could read the secrets of the sidecar, or end it"
            raise ManifestError((*path, key), said, "take it out, or leave the pod out")
    for place, one in others:
        _judge_node_ports((*place, "ports"), one, app_port)
        _judge_mounts((*place, "volumeMounts"), one)


def _judge_node_ports(place: Path, one: Tree, app_port: int) -> None:
    for at, port in enumerate(sequence(one.get("ports"), place)):
        is_app = port.get("containerPort") == app_port and port.get("protocol", "TCP") == "TCP"
        if is_app and port.get("hostPort"):
            said = f"port {port['hostPort']} of the node leads to the app, past the sidecar"
            mend = "take it out: a Service leads to the sidecar"
            raise ManifestError((*place, at, "hostPort"), said, mend)


def _judge_mounts(place: Path, one: Tree) -> None:
    for at, mount in enumerate(sequence(one.get("volumeMounts"), place)):
        name = named(mount)
        if name == _READ_BY_OTHERS and mount.get("readOnly") is True:
            continue
        if name in _OWN or name.startswith(MOUNTED):
            mend = "say readOnly: true" if name == _READ_BY_OTHERS else "mount a volume of your own"
            raise ManifestError((*place, at, "name"), f"{name} is the sidecar's alone", mend)
