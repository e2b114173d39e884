"""Rules about what is heard of the store: blocks that nobody could add, news that is too late."""

from sidecar.policy.rules.findings import Findings, Judged


def blocks_nobody_can_add(judged: Judged) -> Findings:
    """Blocks that only the admin API could add, of whose tokens nobody has one."""
    policy = judged.policy
    if policy.blocks is not None and policy.state.store == "memory" and not policy.admin.tokens:
        yield judged.warning(
            ("blocks",),
            "nobody can add a block: state is memory, and admin names no token",
            "state: sqlite:PATH or redis://host:6379/0, or admin: {tokens: […]}",
        )


def news_too_late(judged: Judged) -> Findings:
    """A store that is asked for changes less often than what is remembered may be old."""
    policy = judged.policy
    if policy.has_store and policy.state.poll >= policy.authentication.max_staleness:
        yield judged.warning(
            ("state", "poll"),
            "is not shorter than authentication.max_staleness: in between the store is asked for"
            " each request, and /readyz is 503",
            "poll: 1s, or a longer max_staleness",
        )
