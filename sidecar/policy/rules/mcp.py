"""Rules about the firewall for MCP: for whom it lists tools, and whether requests reach it."""

from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.mcp import ANONYMOUS


def listed_for_nobody(judged: Judged) -> Findings:
    """Lists for roles that no caller of the route can have (RQ-6)."""
    roles = judged.policy.roles
    for index, route in enumerate(judged.policy.routes):
        if route.mcp is None:
            continue
        lists = {"tools": route.mcp.tools or {}, "prompts": route.mcp.prompts or {}}
        for key, role in [(key, role) for key, listed in lists.items() for role in listed]:
            path = ("routes", index, "mcp", key, role)
            if route.public and role != ANONYMOUS:
                yield judged.error(
                    path, "is listed on a public route, where nobody has a role", ANONYMOUS
                )
            elif not route.public and role == ANONYMOUS:
                yield judged.error(
                    path, "is nobody on a route that is not public", f"one of {', '.join(roles)}"
                )
            elif not route.public and role not in roles:
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
