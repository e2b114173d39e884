"""The manifests of the folder, injected as the command line does it."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sidecar.knowledge.kube.manifest import Outcome, inject_all
from sidecar.knowledge.kube.wishes import Settings
from sidecar.knowledge.kube.yaml_edit import edited, read, split

FOLDER: Final = Path(__file__).with_name("manifests")
FILES: Final = sorted(file.name for file in FOLDER.iterdir())
SETTINGS: Final = Settings("0.1.0", "tenant-sidecar:0.1.0", policy="shared-policy")

# A manifest is a tree of mappings and lists without fixed types.
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Injected:
    """What became of an input.

    Attributes:
        text: all of it.
        outcomes: of each document.
    """

    text: str
    outcomes: list[Outcome]

    @property
    def notes(self) -> list[str]:
        return [f"{note.of}: {note.text}" for one in self.outcomes for note in one.notes]

    @property
    def problems(self) -> list[str]:
        return [f"{note.of}: {note.text}" for one in self.outcomes for note in one.problems]

    @property
    def objects(self) -> list[Tree]:
        return objects_of(self.text)


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def injected(text: str, settings: Settings = SETTINGS) -> Injected:
    documents = split(text)
    outcomes = inject_all([read(one) for one in documents], settings)
    pairs = zip(documents, outcomes, strict=True)
    return Injected("".join(edited(one, outcome.operations) for one, outcome in pairs), outcomes)


def objects_of(text: str) -> list[Tree]:
    """List the objects of an input, those within Lists too."""
    found: list[Tree] = []
    waiting: list[Any] = [read(one) for one in split(text)]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, dict):
            continue
        if one["kind"] == "List":
            waiting = [*one["items"], *waiting]
        else:
            found.append(one)
    return found


def template_of(tree: Tree) -> Tree:
    """Find the pod in an object."""
    if tree["kind"] == "Pod":
        return tree
    spec = tree["spec"]["jobTemplate"]["spec"] if tree["kind"] == "CronJob" else tree["spec"]
    return dict(spec["template"])
