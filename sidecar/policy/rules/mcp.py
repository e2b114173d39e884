"""Rules about the firewall for MCP: for whom it lists tools, and whether requests reach it."""

from collections.abc import Iterator

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.mcp import ANONYMOUS


def listed_for_nobody(judged: Judged) -> Findings:
    """Lists for roles that no caller of the route can have (RQ-6)."""
    roles = judged.policy.roles
    for path, role, is_public in _listed(judged):
        if is_public and role != ANONYMOUS:
            yield judged.error(
                path, "is listed on a public route, where nobody has a role", ANONYMOUS
            )
        elif not is_public and role == ANONYMOUS:
            what = "is nobody on a route that is not public"
            yield judged.error(path, what, f"one of {', '.join(roles)}")
        elif not is_public and role not in roles:
            yield judged.error(path, "is no role of `roles`", f"one of {', '.join(roles)}")


def unreachable_firewall(judged: Judged) -> Findings:
    """A firewall for messages on a route that takes none."""
    for index, route in enumerate(judged.policy.routes):
        if route.mcp is not None and route.methods is not None and "POST" not in route.methods:
            yield judged.error(
                ("routes", index, "mcp"),
                "judges what is sent with POST, and the route does not take it",
                "POST, GET and DELETE among the methods",
            )


def _listed(judged: Judged) -> Iterator[tuple[Path, str, bool]]:
    """Name the places of all roles that tools or prompts are listed for."""
    firewalls = [
        (index, route.mcp, route.public)
        for index, route in enumerate(judged.policy.routes)
        if route.mcp is not None
    ]
    for index, section, is_public in firewalls:
        lists = {"tools": section.tools or {}, "prompts": section.prompts or {}}
        for key, listed in lists.items():
            yield from ((("routes", index, "mcp", key, role), role, is_public) for role in listed)
