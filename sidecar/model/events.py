"""The catalogue of the audit (AU-2): every action that a record can name, and when it is written.

Names are public and stable. Beside these a policy names actions of its own for routes whose meaning
the service alone knows: who signed up, who logged in, what was exported.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import CLIENT_LEFT, Ending, Verdict


class Shape(StrEnum):
    """What `metadata` of a record holds, as the record's JSON Schema calls it."""

    TRAFFIC = "traffic"
    ASKED = "asked"
    GAP = "gap"
    DEED = "deed"


class RecordClass(StrEnum):
    """What a record is kept for, which says how long (AU-4)."""

    REQUESTS = "requests"
    ACTIONS = "actions"
    SECURITY = "security"
    ADMIN = "admin"
    ALERTS = "alerts"
    TRAIL = "trail"


CLASSES: Final[dict[RecordClass, str]] = {
    RecordClass.REQUESTS: "what callers asked for",
    RecordClass.ACTIONS: "actions that the policy names for its routes",
    RecordClass.SECURITY: "failures to authenticate, blocks, revocations",
    RecordClass.ADMIN: "what operators did and read",
    RecordClass.ALERTS: "alerts on privileged access",
    RecordClass.TRAIL: "what the trail says of itself",
}
"""What is in each class, for the reference manual."""


@dataclass(frozen=True, slots=True)
class EventKind:
    """One action of the catalogue.

    Attributes:
        when: when a record names it, for the reference manual.
        shape: what its metadata holds.
        resource: its `resource_type`.
        kept_as: its class, which says how long it is kept.
    """

    when: str
    shape: Shape
    resource: str
    kept_as: RecordClass


def _traffic(when: str, kept_as: RecordClass = RecordClass.REQUESTS) -> EventKind:
    return EventKind(when, Shape.TRAFFIC, "route", kept_as)


def _deed(resource: str, when: str, kept_as: RecordClass = RecordClass.ADMIN) -> EventKind:
    return EventKind(when, Shape.DEED, resource, kept_as)


def _of_trail(when: str) -> EventKind:
    return _deed("audit", when, RecordClass.TRAIL)


def _of_security(resource: str, when: str) -> EventKind:
    return _deed(resource, when, RecordClass.SECURITY)


def _alert(resource: str, when: str) -> EventKind:
    return _deed(resource, when, RecordClass.ALERTS)


REQUEST: Final = "request"
WEBSOCKET: Final = "websocket"
TOOL_CALL: Final = "tool.call"
AUTH_FAILURE: Final = "auth.failure"
ADMIN_ACCESS: Final = "alert.admin_access"
STAFF_ACCESS: Final = "alert.staff_access"
UNDELIVERED: Final = "alert.undelivered"
AUDIT_READ: Final = "audit.read"
AUDIT_EXPORT: Final = "audit.export"
AUDIT_PURGE: Final = "audit.purge"
AUDIT_ERASE: Final = "audit.erase"
AUDIT_CHECKPOINT: Final = "audit.checkpoint"
ALERTS: Final = "alert."
"""How names of alerts begin."""

EVENTS: Final[dict[str, EventKind]] = {
    REQUEST: _traffic("a request that is none of the others, whatever became of it"),
    WEBSOCKET: _traffic("a request whose connection became a WebSocket; written at its end"),
    TOOL_CALL: _traffic("a request that calls tools of MCP, admitted or refused"),
    AUTH_FAILURE: _traffic(
        "a request that is refused with 401: its credential is missing, wrong or ended, its"
        " signature is not good, or its caller is not served",
        RecordClass.SECURITY,
    ),
    "admin.authenticate": EventKind(
        "a call of the admin API without a good token, or with one that may only look",
        Shape.ASKED,
        "admin",
        RecordClass.SECURITY,
    ),
    "audit.gap": EventKind(
        "records before this one are missing: the queue of the sink was full",
        Shape.GAP,
        "audit",
        RecordClass.TRAIL,
    ),
    "audit.start": _of_trail("a chain of records begins; `details` name the line before it"),
    AUDIT_CHECKPOINT: _of_trail("the chain up to the line before is signed by `audit.signing_key`"),
    "audit.torn": _of_trail(
        "the writer of the line before was stopped amid it; `details` have its digest"
    ),
    AUDIT_PURGE: _of_trail(
        "an operator had records removed, or was refused; `details` say which, and are signed"
    ),
    AUDIT_ERASE: _of_trail(
        "an operator had a tenant's records erased, or was refused; `resource` is a digest"
    ),
    AUDIT_READ: _deed("audit", "somebody read a page of the trail; `details` say what of it"),
    AUDIT_EXPORT: _deed("audit", "a page of the trail was taken out"),
    "config.reload": _deed(
        "policy", "another policy is in force, or was refused; `details` say why and what it is"
    ),
    "key.create": _deed("key", "an API key was made"),
    "key.import": _deed("key", "an API key of another system was taken over, by its digest"),
    "key.rotate": _deed("key", "a key was made in the place of another"),
    "key.revoke": _deed("key", "a key was ended for good"),
    "key.disable": _deed("key", "a key was switched off"),
    "key.enable": _deed("key", "a key was switched on again"),
    "tenant.create": _deed("tenant", "a tenant was created"),
    "tenant.update": _deed("tenant", "facts of a tenant were changed; `details` names them"),
    "tenant.suspend": _deed("tenant", "a tenant is not served any more, for now"),
    "tenant.resume": _deed("tenant", "a suspended tenant is served again"),
    "tenant.delete": _deed("tenant", "a tenant is not served any more, and its secrets are gone"),
    "tenant.breach": _of_security(
        "tenant", "all keys and tokens of a tenant were ended or replaced"
    ),
    "token.revoke": _of_security(
        "token", "tokens of an issuer were revoked: one, a session's, a subject's or a tenant's"
    ),
    "secret.set": _deed("secret", "a secret was created, or changed"),
    "secret.delete": _deed("secret", "a secret was deleted"),
    "secret.access": _deed("secret", "a secret was opened for use, and was not remembered"),
    "secret.reseal": _deed("secret", "secrets were sealed anew with the newest master key"),
    "block.create": _of_security("block", "an address, a key or a tenant was shut out"),
    "block.remove": _of_security("block", "who was shut out was let in again"),
    ADMIN_ACCESS: _alert(
        "key",
        "an operator read keys, tenants, names of secrets or why a known caller was refused;"
        " `resource` is what was read",
    ),
    STAFF_ACCESS: _alert(
        "route", "a caller with a role of staff got an answer about a tenant; of `request_id`"
    ),
    UNDELIVERED: _alert("alert", "the webhook did not take an alert, or there were too many"),
    "explain.read": _deed("request", "an operator read why a request was refused, or tried to"),
    "csp.report": _deed(
        "csp", "a browser reported what a Content-Security-Policy stopped", RecordClass.REQUESTS
    ),
}
"""What the sidecar writes by itself."""


def class_of(action: str) -> RecordClass:
    """Say what records of an action are kept for; those that a policy names are `actions`."""
    kind = EVENTS.get(action)
    return RecordClass.ACTIONS if kind is None else kind.kept_as


RESERVED: Final = frozenset(
    {"admin", "alert", "audit", "block", "config", "csp", "explain", "token", "tool"}
)
"""First words of names that no policy may give its routes: the sidecar alone writes them."""

SUGGESTED: Final[dict[str, str]] = {
    "account.created": "somebody signed up",
    "auth.login": "somebody logged in",
    AUTH_FAILURE: "somebody failed to log in at the service itself: `status: [401, 403]`",
    "auth.logout": "somebody logged out",
    "role.changed": "somebody got another role",
    "settings.changed": "the configuration of an account was changed",
    "data.exported": "data was taken out",
}
"""Names for what only the service knows, so that policies of several services agree."""


@dataclass(frozen=True, slots=True)
class RouteAction:
    """What the policy calls an exchange of a route.

    Attributes:
        name: the action.
        statuses: statuses of the answer for which it holds.
        resource_type: kind of what was acted on; empty leaves the route.
        resource_id: its id: literal text, and indexes of path segments; empty leaves the route's
            template.
    """

    name: str
    statuses: frozenset[int]
    resource_type: str = ""
    resource_id: tuple[str | int, ...] = ()

    def is_of(self, verdict: Verdict) -> bool:
        """Tell whether an exchange that ended so is this action.

        What the sidecar answers itself, such as a preflight, is nobody's action. A refusal may
        have a status of success (JSON-RPC), and is none.
        """
        status = verdict.status
        if status not in self.statuses or verdict.ending is Ending.ANSWERED:
            return False
        return status >= 400 or verdict.code is None  # noqa: PLR2004 -- the classes of refusals

    def resource_of(self, segments: tuple[str, ...]) -> str:
        """Name what was acted on.

        Args:
            segments: the path's segments, decoded.
        """
        return "".join(
            part if isinstance(part, str) else segments[part] for part in self.resource_id
        )


def statuses_of(text: str) -> frozenset[int]:
    """Read `2xx` or `201`; who left before an answer has no status that counts."""
    if text.endswith("xx"):
        first = int(text[0]) * 100
        return frozenset(range(first, first + 100)) - {CLIENT_LEFT}
    return frozenset({int(text)})


def is_failure(verdict: Verdict) -> bool:
    """Tell whether an exchange failed to authenticate."""
    return verdict.code is RefusalCode.UNAUTHORIZED and verdict.status == 401  # noqa: PLR2004 -- Unauthorized
