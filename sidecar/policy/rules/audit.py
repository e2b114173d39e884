"""Rules about the audit: secrets that are in the open, and alerts that anybody could read."""

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.rules.tokens import is_loopback_url


def audit_secrets_in_the_open(judged: Judged) -> Findings:
    """Keys of pseudonyms and of the webhook that stand in the policy."""
    section = judged.policy.audit
    paths: list[Path] = []
    if section.pseudonyms is not None:
        paths.append(("audit", "pseudonyms", "key"))
    if section.alerts is not None and section.alerts.webhook is not None:
        paths.append(("audit", "alerts", "webhook", "secret"))
    for path in paths:
        if not judged.source_of(path).startswith(("file:", "env:")):
            yield judged.warning(
                path,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )


def alerts_in_the_clear(judged: Judged) -> Findings:
    """Alerts over plain HTTP to other machines: whoever stands between them reads who read what."""
    alerts = judged.policy.audit.alerts
    if alerts is None or alerts.webhook is None:
        return
    url = alerts.webhook.url
    if url.startswith("http://") and not is_loopback_url(url):
        yield judged.error(
            ("audit", "alerts", "webhook", "url"),
            "sends alerts in the clear, and anybody on the way can read them",
            "an https:// url",
        )
