"""Rules about what browsers do of themselves: cookies, origins, header fields that they obey."""

from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.csrf import Csrf
from sidecar.policy.schema.origins import is_local

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cookies_unjudged(judged: Judged) -> Findings:
    """Callers who may prove themselves by a cookie, and writes of which nobody asks whose."""
    policy = judged.policy
    if policy.authentication.cookie is None:
        return
    for index, route in enumerate(policy.routes):
        writes = route.methods is None or not set(route.methods) <= _SAFE
        if writes and not route.public and policy.csrf_of(route) is None:
            yield judged.warning(
                ("routes", index),
                "browsers send the cookie of authentication.cookie with other sites' writes too",
                "csrf: ambient, for the policy or this route",
            )


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
