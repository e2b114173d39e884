"""What of a policy holds for as long as a process lives: another value takes a restart (ADR 24)."""

from collections.abc import Callable
from typing import Final

from sidecar.model.secret import Secret
from sidecar.policy.schema.policy import Policy

_Value = Callable[[Policy], object]


def _revealed(secret: Secret | None) -> bytes | None:
    return None if secret is None else secret.reveal()


def _state(policy: Policy) -> object:
    rest = {name: value for name, value in policy.state.model_dump().items() if name != "password"}
    return rest, _revealed(policy.state.password)


_FIXED: Final[tuple[tuple[str, _Value], ...]] = (
    ("listen.proxy", lambda policy: policy.listen.proxy),
    ("listen.admin", lambda policy: policy.listen.admin),
    ("listen.health", lambda policy: policy.listen.health),
    ("workers", lambda policy: policy.workers),
    ("state", _state),
    ("audit.signing_key", lambda policy: _revealed(policy.audit.signing_key)),
    ("audit.checkpoint", lambda policy: policy.audit.checkpoint),
    ("limits.strict", lambda policy: policy.has_limits and policy.limits.strict),
)


def needing_restart(old: Policy, new: Policy) -> tuple[str, ...]:
    """List the keys that differ and cannot be changed while the sidecar serves.

    Args:
        old: the policy in force.
        new: the policy that is to be.
    """
    found = [key for key, value in _FIXED if value(old) != value(new)]
    if new.admin.tokens and not old.admin.tokens:
        # What decodes the calls of operators is in memory only if there was a token at start.
        found.append("admin.tokens")
    return tuple(found)
