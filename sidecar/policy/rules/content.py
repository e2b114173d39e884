"""Rules about bodies, header fields, time-outs, secrets and sinks."""

from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.headers import Headers
from sidecar.policy.schema.upstream import UpstreamTimeouts

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LEAST_TOKEN_BYTES: Final = 16


def every_body_refused(judged: Judged) -> Findings:
    """A cap of nothing where methods carry bodies: every request with one gets 413."""
    if judged.policy.body.max == 0:
        yield judged.warning(
            ("body", "max"), "every request with a body is refused", "a size such as 1MB"
        )
    for index, route in enumerate(judged.policy.routes):
        body = route.body
        if body is None or "max" not in body.model_fields_set or body.max != 0:
            continue
        if route.methods is None or not set(route.methods) <= _BODILESS:
            yield judged.warning(
                ("routes", index, "body", "max"),
                "every request with a body is refused",
                "a size such as 1MB, or methods without a body",
            )


def fields_ruled_twice(judged: Judged) -> Findings:
    """A header field in two lists, or twice in one under two spellings."""
    yield from _fields_ruled_twice(judged, ("headers",), judged.policy.headers)
    for index, route in enumerate(judged.policy.routes):
        if route.headers is not None:
            yield from _fields_ruled_twice(judged, ("routes", index, "headers"), route.headers)


def times_contradict(judged: Judged) -> Findings:
    """Times and sizes of which one can never be reached."""
    policy = judged.policy
    if policy.listen.limits.start_line > policy.listen.limits.head:
        yield judged.error(
            ("listen", "limits", "start_line"),
            "is larger than limits.head, which includes it",
            "a smaller start_line, or a larger head",
        )
    if policy.websockets.idle > policy.websockets.life:
        yield judged.error(
            ("websockets", "idle"),
            "is longer than websockets.life, which ends the connection first",
            "a shorter idle, or a longer life",
        )


def streams_less_patient(judged: Judged) -> Findings:
    """Event streams that may be silent for less time than ordinary answers."""
    policy = judged.policy
    found: list[tuple[Path, UpstreamTimeouts]] = [
        (("upstream", "timeouts", "event_stream"), policy.upstream.timeouts)
    ]
    for index, route in enumerate(policy.routes):
        if route.timeouts is not None:
            found.append((("routes", index, "timeouts", "event_stream"), policy.timeouts_of(route)))
        elif route.upstream is not None:
            own: Path = ("routes", index, "upstream", "timeouts", "event_stream")
            found.append((own, route.upstream.timeouts))
    for path, timeouts in found:
        if timeouts.event_stream < timeouts.idle:
            yield judged.warning(
                path,
                "event streams may be silent for less time than ordinary answers (idle)",
                "a longer event_stream: silence is usual in them",
            )


def tokens_in_the_open(judged: Judged) -> Findings:
    """Admin tokens in the policy, easily guessed, with a name of another's, or one for two."""
    names: dict[str, int] = {}
    secrets: dict[bytes, int] = {}
    for index, token in enumerate(judged.policy.admin.tokens):
        path: Path = ("admin", "tokens", index)
        if secrets.setdefault(token.token.reveal(), index) != index:
            other = f"admin.tokens[{secrets[token.token.reveal()]}]"
            yield judged.error(
                (*path, "token"),
                f"is the token of {other} too, and of two roles the last one counts",
                "a token of its own: openssl rand -hex 32",
            )
        if names.setdefault(token.name, index) != index:
            yield judged.error(
                (*path, "name"),
                f"is the name of admin.tokens[{names[token.name]}] too",
                "a name of its own: it is the actor in the audit trail",
            )
        if not judged.source_of((*path, "token")).startswith(("file:", "env:")):
            yield judged.warning(
                (*path, "token"),
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )
        if len(token.token.reveal()) < _LEAST_TOKEN_BYTES:
            yield judged.warning(
                (*path, "token"),
                f"the token has fewer than {_LEAST_TOKEN_BYTES} characters and can be guessed",
                "one from openssl rand -hex 32",
            )


def trail_key_in_the_open(judged: Judged) -> Findings:
    """A key that signs the audit trail and stands in the policy (AU-6)."""
    path: Path = ("audit", "signing_key")
    if judged.policy.audit.signing_key is None:
        return
    if not judged.source_of(path).startswith(("file:", "env:")):
        yield judged.warning(
            path,
            "a secret stands in the policy",
            "file:PATH or env:NAME keeps it out of version control and logs",
        )


def sinks_listed_twice(judged: Judged) -> Findings:
    """An audit sink that would write every record twice."""
    seen: dict[str, int] = {}
    for index, sink in enumerate(judged.policy.audit.sinks):
        name = sink.name
        if seen.setdefault(name, index) != index:
            yield judged.error(
                ("audit", "sinks", index),
                f"is the same as audit.sinks[{seen[name]}]",
                "each sink once",
            )


def _fields_ruled_twice(judged: Judged, path: Path, headers: Headers) -> Findings:
    ruled: list[tuple[str, str | int, str]] = [("set", name, name) for name in headers.set]
    ruled += [("default", name, name) for name in headers.default]
    ruled += [("append", name, name) for name in headers.append]
    ruled += [("remove", index, name) for index, name in enumerate(headers.remove)]
    first: dict[str, str] = {}
    for kind, step, name in ruled:
        if name.lower() in first:
            yield judged.error(
                (*path, kind, step),
                f"the field is under {first[name.lower()]} already",
                "each field under one of set, default, append and remove; set replaces",
            )
        first.setdefault(name.lower(), kind)
