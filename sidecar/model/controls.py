"""The tables of controls that are delivered: id, what enforces it, where it is stated."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Control:
    """A promise that is enforced on real traffic and proven by tests.

    Attributes:
        title: what it promises.
        step: module that enforces it, below `sidecar`.
        policy_path: key of the policy that states it; empty when it cannot be switched off.
    """

    title: str
    step: str
    policy_path: str


@dataclass(frozen=True, slots=True)
class Assurance:
    """A promise about how the sidecar is made or deployed, which no request meets.

    Attributes:
        title: what it promises.
        proof: a package or module of tests that proves it, below `tests`.
        page: what an operator reads to see for themselves, below `docs`.
    """

    title: str
    proof: str
    page: str


CONTROLS: Final[dict[str, Control]] = {
    "AN-1": Control(
        "Keys of at least 128 random bits",
        "knowledge.auth.key_format",
        "authentication.api_keys.formats",
    ),
    "AN-2": Control("Only digests of keys are stored", "knowledge.auth.digest", ""),
    "AN-3": Control("Peppered digests", "knowledge.auth.digest", "secrets.pepper"),
    "AN-4": Control("Authentication fails closed", "decision.steps.authenticate", ""),
    "AN-5": Control(
        "Time floor of authentication", "fronts.proxy.pause", "authentication.failure.floor"
    ),
    "AN-6": Control("One answer for every failure", "knowledge.auth.prover", ""),
    "AN-7": Control("Keys cannot be enumerated", "knowledge.auth.api_key", ""),
    "AN-8": Control(
        "Browser keys are locked to domains",
        "decision.steps.domain_lock",
        "authentication.api_keys.domain_lock",
    ),
    "AN-9": Control("Keys stay in their project", "decision.steps.tenant_binding", "routes[].path"),
    "AN-10": Control(
        "Rotation and revocation within 5 s", "fronts.proxy.live", "authentication.max_staleness"
    ),
    "AN-13": Control("JWT verification", "knowledge.auth.jwt", "authentication.jwt"),
    "AN-14": Control("WebSockets end with their credential", "fronts.proxy.tunnel", ""),
    "AN-16": Control(
        "Caches are no boundary", "knowledge.auth.tokens", "authentication.token_cache"
    ),
    "AN-17": Control("Breach response", "lifecycle.breach", ""),
    "AU-1": Control("Audit record", "adapters.audit.exchanges", "audit.sinks"),
    "AU-2": Control("Audit events", "model.events", "routes[].action"),
    "AU-3": Control("Export of the audit", "lifecycle.audit_operations", "audit.export_tiers"),
    "AU-4": Control("Retention by class", "lifecycle.audit_removal", "audit.retention"),
    "AU-5": Control("Alert on privileged access", "adapters.audit.staff", "audit.alerts"),
    "AU-7": Control("Erasure of a tenant", "lifecycle.audit_removal", "audit.retention.legal"),
    "AU-8": Control("No content in logs", "adapters.audit.record", ""),
    "AU-6": Control("Tamper evidence", "knowledge.audit.chain", "audit"),
    "AZ-1": Control("Hierarchical roles", "decision.steps.authorize", "routes[].role"),
    "AZ-2": Control("Permission matrix", "decision.steps.authorize", "permissions"),
    "AZ-3": Control("Kinds of keys kept apart", "decision.steps.authorize", "routes[].key_kinds"),
    "AZ-4": Control("Default deny", "decision.steps.route", "routes"),
    "AZ-5": Control(
        "Organisation and project of the caller", "decision.steps.tenant_binding", "routes[].path"
    ),
    "AZ-6": Control(
        "Conditions in a sandboxed language", "decision.steps.condition", "routes[].condition"
    ),
    "AZ-7": Control("Read-only credentials", "decision.steps.authorize", ""),
    "AZ-8": Control(
        "A permission may demand a login method", "decision.steps.authorize", "permissions"
    ),
    "RL-1": Control(
        "Limit of each address before authentication", "decision.steps.limits", "limits.address"
    ),
    "RL-2": Control("Sliding window of each key", "knowledge.limits.window", "limits.key"),
    "RL-3": Control("Tiers with bursts", "knowledge.limits.bucket", "tiers"),
    "RL-4": Control("Plan tiers by user", "decision.steps.limits", "tiers"),
    "RL-5": Control("Limits that all replicas share", "adapters.limits.redis", "state"),
    "RL-6": Control("Limits of endpoints", "decision.limits", "routes[].limits"),
    "RL-7": Control("Counts end with their time", "adapters.limits.memory", ""),
    "RQ-1": Control("Body caps", "decision.steps.declared_body", "body.max"),
    "RQ-2": Control("Batch item cap", "knowledge.validate.items", "body.items"),
    "RQ-3": Control("Schema validation", "decision.steps.body_rules", "body.schema"),
    "RQ-4": Control("Path normalisation", "decision.steps.path", "routes[].allow_encoded_slash"),
    "RQ-5": Control("Cross-site writes are refused", "decision.steps.csrf", "csrf"),
    "RQ-6": Control("Reserved control tokens", "knowledge.mcp.tokens", "routes[].mcp"),
    "RQ-7": Control("Request framing", "knowledge.http1", ""),
    "RQ-8": Control(
        "Signatures of inbound webhooks", "decision.steps.webhook_signature", "routes[].webhook"
    ),
    "RS-1": Control("HSTS over TLS only", "decision.steps.security_headers", "headers.hsts"),
    "RS-2": Control("Content-Security-Policy", "decision.steps.csp", "csp"),
    "RS-3": Control("Security headers", "decision.steps.security_headers", "headers"),
    "RT-3": Control("security.txt", "decision.steps.well_known", "security_txt"),
    "RS-4": Control("CORS allowlists", "decision.steps.cors", "cors"),
    "SE-1": Control("Secrets at rest", "adapters.vault.box", "secrets.master_key"),
    "SE-2": Control("Created keys are shown once", "lifecycle.keys", ""),
    "TN-1": Control("Identity headers of clients are removed", "decision.steps.forward", ""),
    "TN-2": Control("Tenant binding", "decision.steps.tenant_binding", "routes[].bind"),
    "TN-3": Control(
        "Identity headers for the upstream", "decision.steps.identity_headers", "identity_headers"
    ),
    "TN-4": Control("Row-level security upstream", "decision.steps.assertion", "assertion"),
    "TN-5": Control("Storage prefixes", "knowledge.validate.storage", "routes[].storage_keys"),
    "TN-6": Control("An upstream of a tenant's own", "decision.steps.tenant_upstream", "tenants"),
    "TN-7": Control("Forbidden parameters", "decision.steps.forbidden", "routes[].forbid"),
}

ASSURANCES: Final[dict[str, Assurance]] = {
    "RT-2": Assurance(
        "Supply chain: a bill of materials from a hashed lock, builds that repeat, scans",
        "ci",
        "howto/verify-a-release.md",
    ),
    "RT-5": Assurance("No way around the sidecar", "chart", "howto/kubernetes.md"),
}
