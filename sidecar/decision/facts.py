"""Facts of an exchange for people: what may be shown, and never more.

No credential, no value of the query, no byte of a body and no field that the client sent comes out
of here; names do. What the sidecar itself wrote is shown, but for what is signed or secret.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sidecar.model.exchange import Exchange
from sidecar.model.identity import Principal, TenantRecord
from sidecar.model.limits import Taken
from sidecar.model.message import CHUNKED, RequestHead
from sidecar.model.moments import write_moment
from sidecar.model.outcome import Refuse

REDACTED: Final = "(redacted)"
_CHARACTERS: Final = 1024
# Fields whose values are secret, whoever wrote them, or a client's in other words.
_SECRET_FIELDS: Final = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "tracestate"}
    | {"x-sidecar-assertion"}
)
# A JWS in compact form, and anything long enough to be a key.
_SIGNED: Final = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.")


def shown(exchange: Exchange, fact: str) -> object:
    """Show a fact as a value of JSON.

    Args:
        exchange: the exchange.
        fact: name of the fact.

    Returns:
        The value; None for a fact that is not there.
    """
    value = getattr(exchange, fact, None)
    if value is None:
        return None
    write = _WRITINGS.get(fact)
    return _plain(value) if write is None else write(value)


def shown_line(line: bytes, secret: frozenset[str] = frozenset()) -> tuple[str, str]:
    """Show a field line that the sidecar wrote: its name, and its value unless that is secret.

    Args:
        line: the line.
        secret: further names whose values are secret, in lower case.
    """
    name, _, value = text_of(line).partition(":")
    is_secret = name.lower() in _SECRET_FIELDS or name.lower() in secret
    return name, REDACTED if is_secret or _SIGNED.search(value) else value.strip()


def split_lines(lines: Iterable[bytes]) -> list[bytes]:
    """Take apart lines that a step wrote as one piece."""
    return [line for piece in lines for line in piece.split(b"\r\n")]


def text_of(value: bytes) -> str:
    """Decode bytes of a message so that a terminal shows and does not obey them."""
    text = value[:_CHARACTERS].decode("ascii", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def query_names(target: bytes) -> str:
    """Write a request target with the names of its parameters and none of their values."""
    path, mark, query = target.partition(b"?")
    if not mark:
        return text_of(path)
    # What has no name is all value, such as the token of a link.
    pairs = (one.partition(b"=") for one in query.split(b"&"))
    names = "&".join(text_of(name) + "=…" if sign else "…" for name, sign, _ in pairs)
    return f"{text_of(path)}?{names}"[:_CHARACTERS]


def shown_head(head: RequestHead) -> dict[str, object]:
    """Show what a request is, but for what it holds."""
    return {
        "method": text_of(head.method),
        "target": query_names(head.target),
        "host": None if head.host is None else text_of(head.host),
        "fields": [text_of(line.partition(b":")[0]) for line in head.lines],
        "body": "chunked" if head.length == CHUNKED else head.length,
    }


def shown_principal(principal: Principal) -> dict[str, object]:
    """Show who a caller is."""
    if not principal.subject and not principal.memberships:
        return {"nobody": True}
    return {
        "method": principal.method.value,
        "subject": _cut(principal.subject),
        "credential": _cut(principal.credential_id),
        "memberships": {_cut(k): [*v] for k, v in principal.memberships.items()},
        "scopes": sorted(principal.scopes),
        "login": principal.login,
        "tier": principal.tier,
        "kind": principal.kind,
        "project": principal.project,
        "read_only": principal.is_read_only,
    }


def shown_refusal(refusal: Refuse) -> dict[str, object]:
    """Show a refusal, with the places of a body that it names."""
    document: dict[str, object] = {"code": refusal.code.value, "reason": _cut(refusal.reason)}
    if refusal.faults:
        document["faults"] = [
            {"pointer": _cut(one.pointer), "detail": _cut(one.detail)} for one in refusal.faults
        ]
    return document


def shown_taken(taken: Iterable[Taken]) -> list[dict[str, object]]:
    """Show what became of charges."""
    return [
        {
            "limit": one.limit.name,
            "outcome": one.outcome.value,
            "most": one.limit.most,
            "left": one.count.left,
        }
        for one in taken
    ]


def _cut(text: str) -> str:
    text = text[:_CHARACTERS]
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return text_of(value)
    return value if isinstance(value, bool | int | float) else _cut(str(value))


def _tenant(tenant: TenantRecord) -> dict[str, object]:
    return {"id": tenant.id, "status": tenant.status.value, "tier": tenant.tier}


def _names(lines: Mapping[bytes, bytes | None]) -> list[str]:
    return [text_of(line.partition(b":")[0]) for line in lines]


def _own_lines(lines: list[bytes]) -> list[str]:
    return [": ".join(shown_line(line)) for line in split_lines(lines)]


_WRITINGS: Final[Mapping[str, Callable[..., object]]] = {
    "connection": lambda one: {"peer": one.peer, "tls": one.is_tls, "port": one.port},
    "credential_lines": _names,
    "head": shown_head,
    "identity_lines": _own_lines,
    "named_tenant": _tenant,
    "nonce": lambda _: "(random)",
    "now": write_moment,
    "preflight": lambda lines: _own_lines([*lines]),
    "principal": shown_principal,
    "response_lines": _own_lines,
    "roles": lambda roles: [_cut(role) for role in roles],
    "route": lambda plan: plan.name,
    "rpc": lambda rpc: {"tools": [_cut(call.tool) for call in rpc.calls]},
    "segments": lambda segments: [_cut(one) for one in segments],
    "shadow": lambda refusals: [shown_refusal(one) for one in refusals],
    "slots": len,
    "taken": shown_taken,
    "tenant": _tenant,
    "upstream_authorization": lambda _: REDACTED,
    "upstream_lines": lambda lines: [one.partition(b":")[0].decode() for one in split_lines(lines)],
    "upstream_path": query_names,
}
