"""Rules about the audit: secrets in the open, alerts that anybody could read, what is kept."""

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.rules.tokens import is_loopback_url
from sidecar.policy.schema.audit import FileSink
from sidecar.policy.schema.quantities import write_duration
from sidecar.policy.schema.retention import USUAL


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


def retention_of_nothing(judged: Judged) -> Findings:
    """A retention where no sink is a file: nobody but the collector can keep to it."""
    section = judged.policy.audit
    if section.retention is None or any(isinstance(sink, FileSink) for sink in section.sinks):
        return
    yield judged.warning(
        ("audit", "retention"),
        "holds for files alone, and no sink is one",
        "sinks: [{file: audit.jsonl}], or have it where the records are collected",
    )


def retention_too_short(judged: Judged) -> Findings:
    """Classes that are kept for less than AU-4 asks for."""
    kept = judged.policy.audit.retention
    if kept is None:
        return
    for name in ("default", "requests", "actions", "security", "admin", "alerts"):
        span: float | None = getattr(kept, name)
        if span is not None and span < USUAL:
            path = ("audit", "retention", name)
            yield judged.warning(
                path if judged.is_written(path) else ("audit", "retention"),
                f"keeps records for {write_duration(span)}, less than the usual 90d (AU-4)",
                "90d, unless a law wants less",
            )
