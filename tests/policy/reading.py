"""Policies as texts: load one from memory, with the files and variables that it names."""

from collections.abc import Mapping
from pathlib import Path

from sidecar.model.errors import PolicyError, Problem
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded

NAME = "policy.yaml"
# Three good lines: what a row adds begins in line 4.
GOOD = """\
version: 1
upstream: http://127.0.0.1:3000
routes: [{path: /, public: true}]
"""


def loaded(
    text: str | bytes,
    files: Mapping[str, bytes] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Load a policy whose files, but for the package's profiles, are given."""
    content = text.encode() if isinstance(text, str) else text
    known = {NAME: content, **(files or {})}

    def read(name: str) -> bytes:
        if name in known:
            return known[name]
        if "/profiles/" in name:
            return Path(name).read_bytes()
        raise FileNotFoundError(2, "No such file or directory", name)

    return load(NAME, read, environ or {})


def problems_of(
    text: str | bytes,
    files: Mapping[str, bytes] | None = None,
    environ: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Load a policy and list its problems, the warnings of a good one included."""
    try:
        return list(loaded(text, files, environ).warnings)
    except PolicyError as error:
        return error.problems
