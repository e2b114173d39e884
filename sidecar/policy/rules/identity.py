"""Rules about what the upstream is told of the caller: names of fields, and keys that sign."""

from collections.abc import Iterable
from typing import Final

from sidecar.model.fields import IDENTITY, PASSES, treatment_of
from sidecar.model.headers import canonical
from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.csp import Csp

# What clients say to the application, and what their browsers or proxies say of them.
_OF_CLIENTS: Final = frozenset(
    {
        b"accept", b"authorization", b"content-encoding", b"content-type", b"cookie", b"date",
        b"origin", b"range", b"referer", b"user-agent", b"via", b"x-api-key",
    }
)  # fmt: skip


def identity_fields_collide(judged: Judged) -> Findings:
    """Two facts about the caller under one name, or one under a name with another meaning."""
    seen: dict[str, str] = {}
    for path, name in _identity_fields(judged):
        place = ".".join(str(step) for step in path)
        if _is_taken(canonical(name.encode())):
            yield judged.error(path, f"{name} has another meaning", "a name such as X-User-Id")
        elif seen.setdefault(name.lower(), place) != place:
            yield judged.error(
                path, f"is the name of {seen[name.lower()]} too", "a name of its own"
            )


def key_field_collides(judged: Judged) -> Findings:
    """Keys in a field that says something else: they would reach audit, logs or the service."""
    keys = judged.policy.authentication.api_keys
    if keys is None or keys.header is None:
        return
    name = canonical(keys.header.encode())
    taken = {canonical(other.encode()) for _, other in _identity_fields(judged)}
    has_meaning = name in _OF_CLIENTS - {b"x-api-key"} or treatment_of(name) != PASSES
    if has_meaning or name in taken:
        yield judged.error(
            ("authentication", "api_keys", "header"),
            f"{keys.header} has another meaning",
            "a name such as X-API-Key",
        )


def signing_keys(judged: Judged) -> Findings:
    """Keys of the assertion that stand in the policy, or twice in the list."""
    assertion = judged.policy.assertion
    seen: dict[bytes, int] = {}
    for index, key in enumerate(() if assertion is None else assertion.key):
        path: Path = ("assertion", "key", index)
        if not judged.source_of(path).startswith(("file:", "env:")):
            yield judged.warning(
                path,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )
        if seen.setdefault(key.reveal(), index) != index:
            yield judged.error(
                path, f"is the same key as assertion.key[{seen[key.reveal()]}]", "each key once"
            )


def _is_taken(name: bytes) -> bool:
    """Tell whether a field frames the message, tells what was judged, or is the client's own."""
    return name in _OF_CLIENTS or (name not in IDENTITY and treatment_of(name) != PASSES)


def _identity_fields(judged: Judged) -> list[tuple[Path, str]]:
    policy = judged.policy
    named = policy.identity_headers.model_dump()
    fields: list[tuple[Path, str]] = [
        (("identity_headers", key), name) for key, name in named.items() if name is not None
    ]
    if policy.assertion is not None:
        fields.append((("assertion", "header"), policy.assertion.header))
    return [*fields, *_nonce_fields(judged)]


def _nonce_fields(judged: Judged) -> Iterable[tuple[Path, str]]:
    """Name each field that tells a nonce once: routes may share one."""
    policy = judged.policy
    sections: list[tuple[Path, Csp | None]] = [(("csp",), policy.csp)]
    sections += [(("routes", at, "csp"), route.csp) for at, route in enumerate(policy.routes)]
    found: dict[str, tuple[Path, str]] = {}
    for path, section in sections:
        if section is not None and section.has_nonce:
            name = section.nonce_header
            found.setdefault(name.lower(), ((*path, "nonce_header"), name))
    return found.values()
