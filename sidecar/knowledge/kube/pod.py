"""The sidecar in a pod's template: what is edited, and what stands in its way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.kube.container import (
    HEALTH_PORT_NAME,
    MOUNTED,
    NAME,
    PROXY_PORT_NAME,
    container,
    volumes,
)
from sidecar.knowledge.kube.defaults import is_as_built
from sidecar.knowledge.kube.json_patch import Operation
from sidecar.knowledge.kube.tree import ManifestError, Path, Tree, mapping, named, sequence, words
from sidecar.knowledge.kube.ways import judge_ways
from sidecar.knowledge.kube.wishes import (
    APP,
    HEALTH_PORT,
    INJECT,
    INJECTED,
    PREFIX,
    PROXY_PORT,
    UPSTREAM_PORT,
    Settings,
    Wishes,
    is_opted_out,
    wishes,
)

_OUT: Final = f'or leave it out: {INJECT}: "false"'
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_HOOKS: Final = ("postStart", "preStop")


@dataclass(frozen=True, slots=True)
class Target:
    """Where clients of a pod are to be led: the sidecar, in the place of the port behind it.

    Attributes:
        labels: of the pod.
        upstream: the port behind the sidecar, by number and by name.
        sidecar: the sidecar's own ports, likewise.
    """

    labels: Mapping[str, str]
    upstream: frozenset[str]
    sidecar: frozenset[str]


@dataclass(frozen=True, slots=True)
class Injection:
    """What is to be done to a document.

    Attributes:
        operations: the edits, in their order; none where nothing is to be done.
        notes: what its owner should know.
        target: where Services lead; None for a pod that is left out.
    """

    operations: tuple[Operation, ...] = ()
    notes: tuple[str, ...] = ()
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class _App:
    """The container behind the sidecar.

    Attributes:
        path: where it stands.
        tree: what it says.
        number: of its port.
        names: of that port: its number, and a name if it has one.
    """

    path: Path
    tree: Tree
    number: int
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Pod:
    """A template: where it stands, what it says, whether a sidecar of ours is in it."""

    path: Path
    spec: Tree
    metadata: Tree
    is_injected: bool

    def containers(self, kind: str) -> list[tuple[Path, Tree]]:
        """List the containers of a kind, with their places."""
        path = (*self.path, "spec", kind)
        return [((*path, at), one) for at, one in enumerate(sequence(self.spec.get(kind), path))]

    def others(self) -> list[tuple[Path, Tree]]:
        """List all containers but a sidecar of ours."""
        every = [*self.containers("initContainers"), *self.containers("containers")]
        return [(path, one) for path, one in every if not self.is_ours(path, one)]

    def is_ours(self, path: Path, one: Tree) -> bool:
        """Tell whether a container is the sidecar that was put in before."""
        return self.is_injected and named(one) == NAME and path[-2] == "initContainers"


def inject_pod(template: Tree, path: Path, settings: Settings) -> Injection:
    """Say what puts the sidecar into a pod, or brings the one in it up to date.

    Args:
        template: a Pod, or the template of one.
        path: where it stands in its document.
        settings: for all pods.

    Returns:
        The edits. Done twice, the second time has none.

    Raises:
        ManifestError: it cannot be done; the message says how to mend it.
    """
    metadata = mapping(template.get("metadata"), (*path, "metadata"))
    if is_opted_out(metadata, (*path, "metadata")):
        if INJECT.removeprefix(PREFIX) in settings.pinned:
            pinned = "pods may not be left out: whoever runs the injector has pinned this"
            raise ManifestError((*path, "metadata"), pinned, f"take {INJECT} out")
        return Injection(notes=(f'left out, as {INJECT}: "false" says',))
    spec = mapping(template.get("spec"), (*path, "spec"))
    notes = words(metadata, "annotations", (*path, "metadata"))
    pod = _Pod(path, spec, metadata, INJECTED in notes)
    wished = wishes(metadata, settings, (*path, "metadata"))
    _judge(pod, wished)
    app = _app(pod, wished)
    _judge_ports(pod, wished, app)
    judge_ways((*path, "spec"), spec, pod.others(), app.number)
    built = container(wished, settings, app.number)
    # A sidecar that listened elsewhere before: what led to it leads to the one that is put in.
    led = app.names | _former_ports(pod)
    moved, said = _probes(app, led, wished.proxy_port)
    operations = (
        *_annotation(pod, settings.version),
        *_init_containers(pod, built),
        *_listen(app, wished),
        *moved,
        *_volumes(pod, wished),
    )
    labels = words(metadata, "labels", (*path, "metadata"))
    own = {PROXY_PORT_NAME, HEALTH_PORT_NAME, str(wished.proxy_port), str(wished.health_port)}
    return Injection(operations, said, Target(labels, led - own, frozenset(own)))


def _judge(pod: _Pod, wished: Wishes) -> None:
    """Refuse what the sidecar would not be safe or whole in."""
    if pod.spec.get("hostNetwork"):
        raise ManifestError(
            (*pod.path, "spec", "hostNetwork"),
            "the pod's loopback is the node's, where others reach the app without the sidecar",
            f"take it out, {_OUT}",
        )
    for path, one in pod.others():
        if named(one) == NAME:
            said = f"a container that was not injected is named {NAME}"
            raise ManifestError((*path, "name"), said, f"give it another name, {_OUT}")
    if pod.is_injected:
        return
    ours = {str(one["name"]) for one in volumes(wished)}
    place = (*pod.path, "spec", "volumes")
    for at, one in enumerate(sequence(pod.spec.get("volumes"), place)):
        if named(one) in ours or named(one).startswith(MOUNTED):
            said = f"a volume that was not injected is named {named(one)}"
            raise ManifestError((*place, at, "name"), said, f"give it another name, {_OUT}")


def _app(pod: _Pod, wished: Wishes) -> _App:
    """Find the container behind the sidecar, and its port."""
    path = (*pod.path, "spec", "containers")
    found = pod.containers("containers")
    names = ", ".join(named(one) for _, one in found)
    if wished.app:
        found = [(at, one) for at, one in found if named(one) == wished.app]
        if not found:
            raise ManifestError(path, f"none is named {wished.app}", f"{APP} is one of: {names}")
    if len(found) > 1:
        raise ManifestError(
            path, f"which one is behind the sidecar: {names}?", f'say {APP}: "{named(found[0][1])}"'
        )
    if not found:
        raise ManifestError(path, "there is none", f"a pod has a container, {_OUT}")
    ((place, app),) = found
    number, called = _upstream(place, app, wished.upstream_port)
    return _App(place, app, number, frozenset({str(number), called} - {""}))


def _upstream(path: Path, app: Tree, asked: str) -> tuple[int, str]:
    """Find the port behind the sidecar: its number and its name."""
    place = (*path, "ports")
    ports = [(_number(one, place), named(one)) for one in _tcp(app, place)]
    if asked:
        found = [(number, called) for number, called in ports if asked in {str(number), called}]
        if not found and asked.isdecimal():
            return int(asked), ""
    else:
        found = ports
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(number) for number, _ in ports)
    if asked:
        mend = f"{UPSTREAM_PORT} is the number of a port, or the name of one of: {listed or 'none'}"
        raise ManifestError(place, f"none is named {asked}", mend)
    said = f"which one is behind the sidecar: {listed}?" if listed else "there is no TCP port"
    raise ManifestError(place, said, f'say where the app listens: {UPSTREAM_PORT}: "3000", {_OUT}')


def _tcp(one: Tree, place: Path) -> list[Tree]:
    ports = sequence(one.get("ports"), place)
    return [port for port in ports if port.get("protocol", "TCP") == "TCP"]


def _number(port: Tree, place: Path) -> int:
    number = port.get("containerPort")
    if not isinstance(number, int):
        raise ManifestError(place, "a port has no containerPort", "give it its number")
    return number


def _judge_ports(pod: _Pod, wished: Wishes, app: _App) -> None:
    """Refuse ports that two would listen on, or that two would be named by."""
    own = {wished.proxy_port: PROXY_PORT, wished.health_port: HEALTH_PORT}
    if app.number in own:
        raise _clash(app.path, app.number, own[app.number])
    every = [
        ((*path, "ports"), port)
        for path, one in pod.others()
        for port in _tcp(one, (*path, "ports"))
    ]
    for place, port in every:
        number = _number(port, place)
        if number in own:
            raise _clash(place, number, own[number])
        if named(port) in {PROXY_PORT_NAME, HEALTH_PORT_NAME}:
            said = f"a port of another container is named {named(port)}"
            raise ManifestError(place, said, "give it another name")


def _clash(path: Path, number: int, key: str) -> ManifestError:
    listener = "listen.proxy" if key == PROXY_PORT else "listen.health"
    mend = f'let the sidecar listen elsewhere: {listener} of the policy, and {key}: "{number + 1}"'
    return ManifestError(path, f"port {number} is the sidecar's", mend)


def _former_ports(pod: _Pod) -> frozenset[str]:
    """List the number that a sidecar which is in the pod already serves clients on."""
    ours = [(path, one) for path, one in pod.containers("initContainers") if pod.is_ours(path, one)]
    return frozenset(
        str(_number(port, (*path, "ports")))
        for path, one in ours
        for port in _tcp(one, (*path, "ports"))
        if named(port) == PROXY_PORT_NAME
    )


def _annotation(pod: _Pod, version: str) -> Iterator[Operation]:
    place = (*pod.path, "metadata", "annotations")
    notes = mapping(pod.metadata.get("annotations"), place)
    if not pod.metadata:
        yield Operation("add", place[:-1], {"annotations": {INJECTED: version}})
    elif not notes:
        yield Operation("add", place, {INJECTED: version})
    elif notes.get(INJECTED) != version:
        yield Operation("add", (*place, INJECTED), version)


def _init_containers(pod: _Pod, built: Tree) -> Iterator[Operation]:
    """Put the sidecar first: other init containers may need nothing of it, the app does."""
    place = (*pod.path, "spec", "initContainers")
    found = pod.containers("initContainers")
    ours = [(path, one) for path, one in found if pod.is_ours(path, one)]
    if ours:
        path, one = ours[0]
        if not is_as_built(one, built):
            yield Operation("replace", path, built)
    elif found:
        yield Operation("add", (*place, 0), built)
    else:
        yield Operation("add", place, [built])


def _listen(app: _App, wished: Wishes) -> Iterator[Operation]:
    """Move the app to loopback by the variable that its owner named."""
    if wished.listen_env is None:
        return
    place = (*app.path, "env")
    wanted = {"name": wished.listen_env[0], "value": wished.listen_env[1]}
    found = sequence(app.tree.get("env"), place)
    at = next((at for at, one in enumerate(found) if named(one) == wanted["name"]), len(found))
    if not found:
        yield Operation("add", place, [wanted])
    elif at == len(found):
        yield Operation("add", (*place, at), wanted)
    elif found[at] != wanted:
        yield Operation("replace", (*place, at), wanted)


def _probes(
    app: _App, led: frozenset[str], port: int
) -> tuple[tuple[Operation, ...], tuple[str, ...]]:
    """Lead the kubelet through the sidecar: it cannot reach the app's loopback."""
    ways = [
        ((*path, kind), mapping(asked.get(kind), (*path, kind)))
        for path, asked in _asked(app)
        for kind in ("httpGet", "tcpSocket", "grpc")
    ]
    operations: list[Operation] = []
    for place, way in ways:
        if str(way.get("port")) not in led or way.get("host") or way.get("port") == port:
            continue
        if place[-1] == "grpc":
            said = "a probe by gRPC does not pass the sidecar, which speaks HTTP/1.1"
            raise ManifestError(place, said, "use exec, or httpGet on a public route")
        operations.append(Operation("replace", (*place, "port"), port))
    said = "probes of the app go through the sidecar: their paths need a public route of the policy"
    return tuple(operations), (said,) if operations else ()


def _asked(app: _App) -> Iterator[tuple[Path, Tree]]:
    """List what the kubelet asks the app for: probes and hooks."""
    for key in _PROBES:
        yield (*app.path, key), mapping(app.tree.get(key), (*app.path, key))
    place = (*app.path, "lifecycle")
    hooks = mapping(app.tree.get("lifecycle"), place)
    for key in _HOOKS:
        yield (*place, key), mapping(hooks.get(key), (*place, key))


def _volumes(pod: _Pod, wished: Wishes) -> Iterator[Operation]:
    place = (*pod.path, "spec", "volumes")
    found = [dict(one) for one in sequence(pod.spec.get("volumes"), place)]
    built = volumes(wished)
    wanted = {str(one["name"]) for one in built}
    stale = [one for one in found if named(one).startswith(MOUNTED)]
    if not found:
        yield Operation("add", place, built)
    elif any(named(one) not in wanted for one in stale):
        ours = {named(one) for one in stale} | wanted
        kept = [one for one in found if named(one) not in ours]
        yield Operation("replace", place, [*kept, *built])
    else:
        yield from _added(place, found, built)


def _added(
    place: Path, found: list[dict[str, object]], built: list[dict[str, object]]
) -> Iterator[Operation]:
    where = {named(one): at for at, one in enumerate(found)}
    end = len(found)
    for one in built:
        at = where.get(str(one["name"]), end)
        if at == end:
            yield Operation("add", (*place, at), one)
            end += 1
        elif not is_as_built(found[at], one):
            yield Operation("replace", (*place, at), one)
