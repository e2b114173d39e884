"""Rules about what browsers do of themselves: cookies, origins, header fields that they obey."""

from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.csrf import Csrf
from sidecar.policy.schema.origins import is_local

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cookies_unjudged(judged: Judged) -> Findings:
    """Callers who may prove themselves by a cookie, and requests of which nobody asks whose.

    Where GET is served, so are WebSockets: a page of another site may open one and read it.
    """
    policy = judged.policy
    if policy.authentication.cookie is None:
        return
    for index, route in enumerate(policy.routes):
        what = _what_others_cause(route.methods)
        if what and not route.public and policy.csrf_of(route) is None:
            yield judged.warning(
                ("routes", index),
                f"browsers send the cookie of authentication.cookie with other sites' {what} too",
                "csrf: ambient, for the policy or this route",
            )


def _what_others_cause(methods: tuple[str, ...] | None) -> str:
    if methods is None or not set(methods) <= _SAFE:
        return "writes"
    return "WebSockets" if "GET" in methods else ""


def origins_in_clear_text(judged: Judged) -> Findings:
    """Origins that may write, but whose pages anybody on the way can change."""
    yield from _clear_origins(judged, ("csrf",), judged.policy.csrf)
    for index, route in enumerate(judged.policy.routes):
        yield from _clear_origins(judged, ("routes", index, "csrf"), route.csrf)


def _clear_origins(judged: Judged, path: Path, section: Csrf | None) -> Findings:
    for index, origin in enumerate(() if section is None else section.origins):
        if origin.startswith("http:") and not is_local(origin):
            yield judged.warning(
                (*path, "origins", index),
                "is an origin in clear text: whoever is on the way can write as it",
                f"https:{origin[5:]}",
            )
