"""Rules about webhooks: who signs, and with what."""

from sidecar.policy.rules.authorization import is_of_a_tenant
from sidecar.policy.rules.findings import Findings, Judged


def webhooks_of_callers(judged: Judged) -> Findings:
    """Webhooks whose sender would have to prove himself twice."""
    for index, route in enumerate(judged.policy.routes):
        if route.webhook is not None and not route.public:
            yield judged.error(
                ("routes", index, "webhook"),
                "its sender is no caller of ours: the signature says who it is",
                "public: true beside webhook, and no role, permission, scopes or condition",
            )


def secrets_of_nobody(judged: Judged) -> Findings:
    """Secrets of tenants where no tenant is named, or that nothing can open."""
    for index, route in enumerate(judged.policy.routes):
        if route.webhook is None or route.webhook.tenant_secret is None:
            continue
        path = ("routes", index, "webhook", "tenant_secret")
        if not is_of_a_tenant(route):
            yield judged.error(
                path, "is a tenant's, and the path names none alone", "path: /hooks/{tenant}"
            )
        if judged.policy.secrets.master_key is None:
            yield judged.error(
                path,
                "names a secret, which only secrets.master_key can seal and open",
                "secrets: {master_key: file:PATH}, a file made by openssl rand -hex 32",
            )


def deliveries_forgotten_too_soon(judged: Judged) -> Findings:
    """Deliveries that are still in time when nobody remembers them any more."""
    for index, route in enumerate(judged.policy.routes):
        section = route.webhook
        if section is None or section.replay == "allow" or not section.is_dated:
            continue
        if section.remembered_seconds < 2 * section.tolerance:
            yield judged.error(
                ("routes", index, "webhook", "remember"),
                "is shorter than deliveries are in time, before and after their moment",
                "twice the tolerance, or left out",
            )


def signatures_without_a_time(judged: Judged) -> Findings:
    """Deliveries that would be admitted for ever, as often as somebody sends them again."""
    for index, route in enumerate(judged.policy.routes):
        section = route.webhook
        if section is not None and section.replay == "allow" and not section.is_dated:
            yield judged.warning(
                ("routes", index, "webhook", "replay"),
                "who has seen a delivery can send it again and again",
                "replay: refuse",
            )
