"""The rule that judges the reserved tokens of a policy, for whoever loads one."""

from collections.abc import Iterator

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged


def unusable_tokens(judged: Judged) -> Findings:
    """Reserved tokens that are not seen, or that would be found everywhere (RQ-6)."""
    given = list(_given(judged))
    if not given:
        return
    # The tables of characters are memory that only a policy with tokens pays.
    from sidecar.knowledge.mcp.tokens import is_possible

    for path, token in given:
        if not is_possible(token):
            what = "is no text of two characters that are seen"
            yield judged.error(path, what, "a token of your host, such as <|tool|>")


def _given(judged: Judged) -> Iterator[tuple[Path, str]]:
    firewalls = [(at, route.mcp) for at, route in enumerate(judged.policy.routes) if route.mcp]
    for index, section in firewalls:
        lists = {"tokens": section.arguments.tokens or (), "add": section.arguments.add}
        for key, tokens in lists.items():
            path: Path = ("routes", index, "mcp", "arguments", key)
            yield from (((*path, at), token) for at, token in enumerate(tokens))
