"""Manifests of all kinds: where pods stand in them, and what is done to those of one input."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sidecar.knowledge.kube.json_patch import Operation
from sidecar.knowledge.kube.pod import Injection, Target, inject_pod
from sidecar.knowledge.kube.service import inject_service
from sidecar.knowledge.kube.tree import ManifestError, Path, Tree, mapping, named, sequence, words
from sidecar.knowledge.kube.wishes import PREFIX, Settings

_TEMPLATE: Final[Path] = ("spec", "template")
PODS: Final[Mapping[tuple[str, str], Path]] = {
    ("v1", "Pod"): (),
    ("apps/v1", "Deployment"): _TEMPLATE,
    ("apps/v1", "StatefulSet"): _TEMPLATE,
    ("apps/v1", "DaemonSet"): _TEMPLATE,
    ("apps/v1", "ReplicaSet"): _TEMPLATE,
    ("batch/v1", "Job"): _TEMPLATE,
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
}
"""By version and kind, where the template of the pod stands."""
_SERVICE: Final = ("v1", "Service")
_LIST: Final = ("v1", "List")


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be said of an object: its kind and name, and what."""

    of: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be done to one document.

    Attributes:
        operations: the edits, in their order.
        notes: what its owner should know.
        problems: why an object in it cannot be injected; then nothing of the input should be used.
    """

    operations: tuple[Operation, ...]
    notes: tuple[Note, ...]
    problems: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Object:
    """An object of a document: its place, what it says, its version and kind."""

    path: Path
    tree: Tree
    kind: tuple[str, str]

    @property
    def namespace(self) -> str:
        return named(mapping(self.tree.get("metadata"), (*self.path, "metadata")), "namespace")

    @property
    def name(self) -> str:
        """Its kind and name, for messages."""
        metadata = self.tree.get("metadata")
        found = metadata if isinstance(metadata, dict) else {}
        called = named(found) or named(found, "generateName") or "without a name"
        within = f"{named(found, 'namespace')}/" if named(found, "namespace") else ""
        return f"{self.kind[1]} {within}{called}"


def inject(document: object, settings: Settings) -> Outcome:
    """Say what is to be done to one manifest.

    Args:
        document: the manifest, as JSON or YAML has it.
        settings: for all pods.
    """
    return inject_all([document], settings)[0]


def inject_all(documents: Sequence[object], settings: Settings) -> list[Outcome]:
    """Say what is to be done to the manifests of one input, whose Services select its pods.

    Args:
        documents: the manifests, as JSON or YAML has them.
        settings: for all pods.

    Returns:
        One outcome for each. What is no pod and no Service has no edits.
    """
    drafts = [_Draft() for _ in documents]
    objects = [
        (one, draft)
        for document, draft in zip(documents, drafts, strict=True)
        for one in draft.listed(document)
    ]
    workloads = [(one, draft) for one, draft in objects if one.kind in PODS]
    services = [(one, draft) for one, draft in objects if one.kind == _SERVICE]
    targets: dict[str, list[Target]] = {}
    for one, draft in workloads:
        target = draft.take(one, partial(_workload, one, settings))
        if target is not None:
            targets.setdefault(one.namespace, []).append(target)
    for one, draft in services:
        draft.take(one, partial(_service, one, targets))
    return [draft.outcome() for draft in drafts]


class _Draft:
    """The outcome of one document, as it grows."""

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._notes: list[Note] = []
        self._problems: list[Note] = []

    def listed(self, document: object) -> list[_Object]:
        """List the objects of the document."""
        try:
            return list(_objects(document, ()))
        except ManifestError as error:
            self._problems.append(Note("List", str(error)))
            return []

    def take(self, one: _Object, work: Callable[[], Injection]) -> Target | None:
        """Do the work on one object, and keep what came of it."""
        try:
            injection = work()
        except ManifestError as error:
            self._problems.append(Note(one.name, str(error)))
            return None
        self._operations += injection.operations
        self._notes += [Note(one.name, text) for text in injection.notes]
        return injection.target

    def outcome(self) -> Outcome:
        return Outcome(tuple(self._operations), tuple(self._notes), tuple(self._problems))


def _objects(document: object, path: Path) -> Iterator[_Object]:
    """List the objects of a document, those within Lists too."""
    if not isinstance(document, dict):
        return
    kind = (named(document, "apiVersion"), named(document, "kind"))
    if kind != _LIST:
        yield _Object(path, document, kind)
        return
    place = (*path, "items")
    for at, one in enumerate(sequence(document.get("items"), place)):
        yield from _objects(one, (*place, at))


def _workload(one: _Object, settings: Settings) -> Injection:
    below = PODS[one.kind]
    if below:
        _judge_annotations(one)
    template: Tree = one.tree
    path = one.path
    for step in below:
        path = (*path, step)
        template = mapping(template.get(str(step)), path)
    return inject_pod(template, path, settings)


def _judge_annotations(one: _Object) -> None:
    """Refuse annotations on the workload itself, where nobody would read them."""
    place = (*one.path, "metadata")
    metadata = mapping(one.tree.get("metadata"), place)
    for key in words(metadata, "annotations", place):
        if key.startswith(PREFIX):
            mend = f"{key} belongs to the pod: into metadata.annotations of its template"
            said = "annotations of the workload are not those of its pods"
            raise ManifestError((*place, "annotations", key), said, mend)


def _service(one: _Object, targets: Mapping[str, Sequence[Target]]) -> Injection:
    return inject_service(one.tree, one.path, targets.get(one.namespace, ()))
