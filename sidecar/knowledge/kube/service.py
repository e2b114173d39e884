"""A Service that leads to the sidecar: its targetPort, in the place of the port behind it."""

from collections.abc import Sequence
from typing import Final

from sidecar.knowledge.kube.container import HEALTH_PORT_NAME, PROXY_PORT_NAME
from sidecar.knowledge.kube.json_patch import Operation
from sidecar.knowledge.kube.pod import Injection, Target
from sidecar.knowledge.kube.tree import ManifestError, Path, Tree, mapping, named, sequence, words
from sidecar.knowledge.kube.wishes import INJECT, UPSTREAM_PORT, is_opted_out

_NO_POD: Final = (
    f"left alone: it selects no pod of this input that has the sidecar ({UPSTREAM_PORT} of the"
    " Service says which of its ports lead to one)"
)


def inject_service(service: Tree, path: Path, targets: Sequence[Target]) -> Injection:
    """Say what leads a Service to the sidecar.

    Args:
        service: a Service.
        path: where it stands in its document.
        targets: pods with the sidecar that it may select.

    Returns:
        The edits. Done twice, the second time has none.

    Raises:
        ManifestError: it is no Service that can be read.
    """
    metadata = mapping(service.get("metadata"), (*path, "metadata"))
    if is_opted_out(metadata, (*path, "metadata")):
        return Injection(notes=(f'left out, as {INJECT}: "false" says',))
    spec = mapping(service.get("spec"), (*path, "spec"))
    selector = words(spec, "selector", (*path, "spec"))
    own = words(metadata, "annotations", (*path, "metadata")).get(UPSTREAM_PORT)
    found = [one for one in targets if selector and selector.items() <= one.labels.items()]
    upstream = frozenset().union(*(one.upstream for one in found), {own} if own else ())
    known = {PROXY_PORT_NAME, HEALTH_PORT_NAME}.union(*(one.sidecar for one in found))
    if not upstream:
        return Injection(notes=(_NO_POD,) if selector else ())
    operations: list[Operation] = []
    notes: list[str] = []
    place = (*path, "spec", "ports")
    for at, port in enumerate(sequence(spec.get("ports"), place)):
        led = _led(port, (*place, at))
        if led in upstream and port.get("protocol", "TCP") == "TCP":
            operations.append(Operation("add", (*place, at, "targetPort"), PROXY_PORT_NAME))
        elif led not in known:
            notes.append(
                f"port {named(port) or port.get('port')} leads to {led}, past the sidecar: no"
                " NetworkPolicy should admit anybody there"
            )
    if operations and spec.get("clusterIP") == "None":
        notes.append("headless: clients choose the port themselves, which is the sidecar's now")
    return Injection(tuple(operations), tuple(notes))


def _led(port: Tree, path: Path) -> str:
    """Read where a port leads: to its targetPort, and to its own number without one (API: v1)."""
    led = port.get("targetPort", port.get("port"))
    if isinstance(led, str | int):
        return str(led)
    raise ManifestError((*path, "port"), "there is none", "give it its number")
