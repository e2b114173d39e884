"""Rules about reloads: those that nobody could let through."""

from sidecar.policy.rules.findings import Findings, Judged


def widening_nobody_can_acknowledge(judged: Judged) -> Findings:
    """A guard that only a token of the role `admin` opens, where there is none."""
    policy = judged.policy
    has_admin = any(token.role == "admin" for token in policy.admin.tokens)
    if policy.reload.widening == "acknowledge" and not has_admin:
        yield judged.warning(
            ("reload", "widening"),
            "nobody can acknowledge: admin.tokens names no token of the role admin",
            "one of role: admin, or allow; until then what widens takes a restart",
        )
