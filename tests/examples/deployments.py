"""The files that deploy the sidecar, read and judged."""

from pathlib import Path
from typing import Any, Final

import yaml

from sidecar.decision.pipeline import build
from sidecar.policy.load import load
from tests.examples.apps import EXAMPLES

# Manifests are trees of mappings and lists without fixed types.
Tree = dict[str, Any]
_SECRETS: Final = "/run/secrets/"


def read(name: str) -> list[Tree]:
    """Read the documents of a file of the examples."""
    return list(yaml.safe_load_all((EXAMPLES / name).read_bytes()))


def one_of(manifests: list[Tree], kind: str) -> Tree:
    """Find the one manifest of a kind."""
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def judge_policy(text: str, **environment: str) -> Tree:
    """Have a policy checked as `sidecar check --strict` does; gives its document.

    Secrets that are mounted have some content.
    """

    def content(name: str) -> bytes:
        if name.startswith(_SECRETS):
            return b"a secret of a test, of 32 bytes and more"
        assert Path(name).name == "policy.yaml", name
        return text.encode()

    loaded = load("policy.yaml", content, environment)
    assert loaded.warnings == ()
    assert build(loaded.policy).plans
    document: Tree = yaml.safe_load(text)
    return document
