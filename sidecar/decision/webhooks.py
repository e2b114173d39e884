"""Webhooks of a policy, as steps."""

from sidecar.decision.bindings import TENANT, bindings_of
from sidecar.decision.steps.blocked_caller import BlockedTenant
from sidecar.decision.steps.webhook_signature import Once, Owner, WebhookSignature
from sidecar.knowledge.auth.webhook_scheme import keys_of, scheme_of
from sidecar.model.limits import SECOND, Limit
from sidecar.model.ports import AtHand
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.webhook import Webhook


def webhook_signature(policy: Policy, route: Route, at_hand: AtHand) -> WebhookSignature | None:
    """Make the step of a route; None for a route that is no webhook."""
    section = route.webhook
    if section is None:
        return None
    scheme = scheme_of(section)
    return WebhookSignature(
        scheme,
        section.tolerance,
        keys=[] if section.secret is None else keys_of(scheme, section.secret),
        owner=_owner(policy, route, section, at_hand),
        once=None if section.replay == "allow" else _once(route, section, at_hand),
    )


def blocked_tenant(policy: Policy, route: Route, at_hand: AtHand) -> BlockedTenant | None:
    """Make the step that keeps blocked tenants out; None where nobody is blocked, or has signed."""
    section = route.webhook
    if section is None or section.tenant_secret is None or policy.blocks is None:
        return None
    return BlockedTenant(at_hand.blocks)


def _owner(policy: Policy, route: Route, section: Webhook, at_hand: AtHand) -> Owner | None:
    if section.tenant_secret is None:
        return None
    # The first of the path; that there is one, lint has seen to.
    segment = bindings_of(route, TENANT).segments[0]
    field = policy.identity_headers.tenant
    return Owner(section.tenant_secret, segment, field, at_hand.tenants, at_hand.secrets)


def _once(route: Route, section: Webhook, at_hand: AtHand) -> Once:
    period = round(section.remembered_seconds * SECOND)
    label = f"webhook/{route.host or ''}{route.template}/{period}"
    return Once(Limit(label, "webhook", 1, period), at_hand.limits)
