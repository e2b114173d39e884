"""Differences of two policies as people and programs read them."""

from collections.abc import Iterator, Mapping
from typing import Final

from sidecar.cli.printing import columns, plain
from sidecar.decision.diff.changes import Change, Diff, Verdict
from sidecar.policy.nodes import Path
from sidecar.policy.text import Text

_TITLES: Final[Mapping[Verdict, str]] = {
    Verdict.WIDENS: "gains: somebody gets in, or a bound or a protection is weaker",
    Verdict.CHANGES: "changes: which of both cannot be told, so it counts as widening",
    Verdict.NARROWS: "loses: somebody is shut out, or a bound or a protection is stronger",
    Verdict.NEUTRAL: "else: nobody's access",
}


def line(change: Change, new: Text) -> str:
    """Write a change on one line, with the line of the new policy."""
    at = _at(change.new, new) or change.key
    about = f" ({change.named})" if change.routes else ""
    return plain(f"{change.verdict}: {at}: {change.what}{about}")


def table(diff: Diff, old: Text, new: Text) -> Iterator[str]:
    """Write all changes for people, those that widen first."""
    for verdict, title in _TITLES.items():
        rows = [_row(one, old, new) for one in diff.changes if one.verdict is verdict]
        if rows:
            yield title
            yield "\n".join(f"  {row}" for row in columns(rows).splitlines())
    if not diff.changes:
        yield "same: both admit the same, by the same rules"
    yield f"digest: {diff.digest}"


def _row(change: Change, old: Text, new: Text) -> list[str]:
    at = _at(change.new, new) or f"{_at(change.old, old) or change.key} (old)"
    return [plain(at), plain(change.what), plain(change.named) if change.routes else ""]


def _at(path: Path | None, text: Text) -> str | None:
    written = None if path is None else text.written(path)
    return None if written is None else str(written)


def document(diff: Diff, old: Text, new: Text) -> dict[str, object]:
    """Write all changes for programs."""
    return {
        "widens": diff.widens,
        "digest": diff.digest,
        "old": {"file": old.loaded.name, "sha256": old.loaded.sha256},
        "new": {"file": new.loaded.name, "sha256": new.loaded.sha256},
        "counts": diff.counts(),
        "changes": [
            {
                "verdict": one.verdict.value,
                "key": one.key,
                "what": one.what,
                "routes": list(one.routes),
                "old": _at(one.old, old),
                "new": _at(one.new, new),
            }
            for one in diff.changes
        ],
    }
