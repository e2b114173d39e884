"""Rules about blocks: those that nobody could add."""

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
