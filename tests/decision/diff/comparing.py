"""Two policies as texts, and what is said of them."""

from collections.abc import Mapping
from typing import Final

from sidecar.decision.diff.changes import Diff
from sidecar.decision.diff.compare import compare
from tests.policy.reading import loaded

HEAD: Final = """
version: 1
upstream: http://127.0.0.1:3000
"""
ROUTES: Final = "routes: [{path: /, public: true}]"
CALLERS: Final = """
secrets: {pepper: 0123456789abcdef0123456789abcdef}
roles: [owner, admin, viewer]
permissions: {order: {read: viewer, write: admin, list: {minimum: viewer, logins: [sso]}}}
authentication:
  api_keys: {}
  jwt: [{issuer: "https://idp", audiences: [a], algorithms: [RS256], jwks: "https://idp/k"}]
"""

Files = Mapping[str, bytes]


def diff_of(old: str, new: str, files: tuple[Files, Files] | None = None) -> Diff:
    """Compare two policies, each with the files that it names."""
    before, after = files or ({}, {})
    texts = (text if text.lstrip().startswith("version") else HEAD + text for text in (old, new))
    return compare(*(loaded(t, f) for t, f in zip(texts, (before, after), strict=True)))


def said(old: str, new: str, files: tuple[Files, Files] | None = None) -> list[str]:
    """List what is said, each as `verdict key`."""
    changes = diff_of(old, new, files).changes
    return [f"{change.verdict} {change.key}" for change in changes]


def routed(*routes: str, sections: str = "") -> str:
    """Write a policy with routes and callers."""
    return f"{CALLERS}{sections}\nroutes:\n" + "".join(f"  - {{{route}}}\n" for route in routes)
