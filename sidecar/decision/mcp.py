"""What is decided about the Model Context Protocol; a policy without `mcp` imports none of it."""

from collections.abc import Mapping

from sidecar.decision.steps.authorize import at_least
from sidecar.decision.steps.mcp import CallerMcpFirewall, Entitled, Entitlements, McpFirewall
from sidecar.knowledge.mcp.firewall import Allowed, Firewall, Mode
from sidecar.knowledge.mcp.lists import ListFilter
from sidecar.knowledge.mcp.names import Names
from sidecar.knowledge.mcp.tokens import DEFAULT_TOKENS, Reserved
from sidecar.knowledge.validate.json_text import Bounds
from sidecar.model.route import Step
from sidecar.policy.schema.mcp import ANONYMOUS, Arguments, Mcp
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route


def mcp_firewall(policy: Policy, route: Route, section: Mcp) -> Step:
    """Make the step that judges requests of a route.

    Args:
        policy: the policy.
        route: the route.
        section: its key `mcp`.
    """
    shadow = policy.mode_of(route) == "shadow"
    json = policy.body_of(route).json_body
    reads, mode = section.arguments.mode != "pass", Mode.REFUSE
    if reads:
        # Shadow mode changes nothing that passes: what would be cleaned is reported.
        is_cleaning = section.arguments.mode == "clean"
        mode = Mode.REPORT if shadow and is_cleaning else Mode(section.arguments.mode)
    firewall = Firewall(
        Bounds() if json is None else Bounds(json.depth, json.string or 0),
        section.batch,
        None if section.methods is None else Names(section.methods),
        mode,
        _reserved(section.arguments) if reads else None,
    )
    hierarchy = (ANONYMOUS,) if route.public else policy.roles
    entitled = {role: _entitled(section, hierarchy, role, shadow=shadow) for role in hierarchy}
    nobody = _entitled(section, hierarchy, "", shadow=shadow)
    entitlements = Entitlements({**entitled, "": nobody})
    return (McpFirewall if route.public else CallerMcpFirewall)(firewall, entitlements)


def _reserved(section: Arguments) -> Reserved:
    tokens = DEFAULT_TOKENS if section.tokens is None else section.tokens
    return Reserved((*tokens, *section.add), removes_invisible=section.invisible)


def _entitled(section: Mcp, hierarchy: tuple[str, ...], role: str, *, shadow: bool) -> Entitled:
    tools = _names(section.tools, hierarchy, role)
    prompts = _names(section.prompts, hierarchy, role)
    members = {"tools": tools, "prompts": prompts}
    shown = {member: names for member, names in members.items() if names is not None}
    answers = ListFilter(shown, section.list_max) if shown and not shadow else None
    return Entitled(Allowed(tools, prompts), answers)


def _names(
    lists: Mapping[str, tuple[str, ...]] | None, hierarchy: tuple[str, ...], role: str
) -> Names | None:
    """Collect what is listed for a role and for those below it; None where nothing is listed."""
    if lists is None:
        return None
    above = at_least(hierarchy, role)
    below = (role, *hierarchy[len(above) :]) if role else ()
    return Names(pattern for one in below for pattern in lists.get(one, ()))
