"""How each key of the policy is judged, by section; a test holds that none is forgotten.

What a row says is what somebody gains by another value: a caller who gets in, a bound that is
higher, a trail that holds less. Facts that conditions may read (a tenant's tier, say) are opaque: a
condition may ask for either value of them.
"""

from collections.abc import Mapping
from typing import Final

from sidecar.decision.diff import pages, special
from sidecar.decision.diff.limits import judge_limits
from sidecar.decision.diff.rules import (
    CHANGES,
    NARROWS,
    NEUTRAL,
    WIDENS,
    Rows,
    Rule,
    among,
    file_content,
    file_name,
    keyed,
    less,
    more,
    more_or_none,
    more_or_nothing,
    named,
    neutral,
    opaque,
    order,
    place,
    section,
    switch,
    text_of_file,
)
from sidecar.policy.schema import (
    admin,
    alerts,
    api_keys,
    assertion,
    audit,
    authentication,
    blocks,
    bodies,
    body,
    cookies,
    cors,
    csp,
    csrf,
    headers,
    jwt,
    limits,
    listen,
    mcp,
    policy,
    reload,
    reports,
    routes,
    state,
    tenants,
    upstream,
    webhook,
    websockets,
    well_known,
)
from sidecar.policy.schema import tracing as trace

PART: Final = section(lambda: TABLES)
_OPAQUE: Final = opaque()
_HIDDEN: Final = opaque("another content, which is not shown")
_PROTECTS: Final = switch(PART, gained=NARROWS, lost=WIDENS)
_ADMITS: Final = switch(PART, gained=WIDENS, lost=NARROWS)
_EITHER: Final = switch(PART, gained=CHANGES, lost=CHANGES)
_ENTRANCE: Final = place(gained=WIDENS, lost=NARROWS)
_DEMAND: Final = place(gained=NARROWS, lost=WIDENS)
# A credential that is not read beside another one is no second one, which is refused.
_CREDENTIAL: Final = place(gained=WIDENS, lost=CHANGES)
_UNKNOWN_TENANTS: Final = order("refuse", "accept")
_STATED: Final = among(is_demand=True)
_SOME_OR_ALL: Final = among(none_is_all=True)
_CA: Final = file_content(CHANGES)
_SHOWN_TO_OTHERS: Final = file_content(NEUTRAL)


def _all(rule: Rule, *names: str) -> Rows:
    return dict.fromkeys(names, rule)


_QUEUED: Final[Rows] = {
    **_all(neutral, "queue", "spill"),
    "on_full": order("block", "spill", "drop"),
}
_CLAIMS: Final[Rows] = _all(
    _OPAQUE, "subject", "tenant", "roles", "scopes", "tier", "project", "login", "session"
)

_EDGE: Final[Mapping[type, Rows]] = {
    listen.Listen: {
        **_all(_OPAQUE, "proxy", "admin"),
        "health": _ENTRANCE,
        "trusted_proxies": special.judge_networks,
        "tls": special.tls_or_none(PART),
        "timeouts": PART,
        "limits": PART,
        "drain": neutral,
    },
    listen.Tls: {
        **_all(_SHOWN_TO_OTHERS, "certificate", "key"),
        "min_version": order("1.3", "1.2"),
    },
    listen.ListenTimeouts: _all(more, "head", "body", "idle", "write"),
    listen.Limits: {
        **_all(more, "start_line", "head", "fields", "connections", "requests"),
        "body_rate": less,
    },
    admin.Admin: {
        "tokens": named(
            special.by("name"), PART, added=WIDENS, removed=lambda _: NARROWS, what="token"
        )
    },
    admin.AdminToken: {"name": neutral, "token": _HIDDEN, "role": order("read", "admin")},
    upstream.Upstream: {
        **_all(_OPAQUE, "url", "host"),
        "tls": _EITHER,
        **_all(neutral, "timeouts", "keepalive"),
    },
    upstream.UpstreamTls: {
        "ca": _CA,
        "server_name": _OPAQUE,
        **_all(_SHOWN_TO_OTHERS, "certificate", "key"),
    },
    state.State: {
        **_all(_OPAQUE, "store", "topology", "master", "user", "prefix"),
        "password": _HIDDEN,
        "ca": _CA,
        "timeout": neutral,
        "poll": more,
    },
    state.Secrets: _all(special.judge_ring, "pepper", "master_key"),
    blocks.Blocks: {"on_store_failure": order("refuse", "last_known")},
    websockets.Websockets: _all(more, "max", "idle", "life"),
    well_known.Absent: {"paths": _STATED, "max_age": neutral},
    reports.Reports: {"audit": less},
    reload.Reload: {"every": neutral, "widening": order("acknowledge", "allow")},
}

_CALLERS: Final[Mapping[type, Rows]] = {
    authentication.Authentication: {
        "api_keys": special.method_or_none(PART),
        "jwt": named(
            special.by("issuer"),
            PART,
            added=WIDENS,
            removed=special.method_removed,
            what="issuer",
        ),
        "cookie": _CREDENTIAL,
        "introspection": special.method_or_none(PART),
        **_all(PART, "token_cache", "failure"),
        **_all(more, "forward_credential", "max_staleness"),
    },
    authentication.Failure: {
        "floor": less,
        "applies_to": order("all", "failures"),
        "verbose": more,
    },
    api_keys.ApiKeys: {
        **_all(_CREDENTIAL, "header", "query"),
        "bearer": special.judge_bearer,
        "formats": named(
            special.by("kind", "prefix"),
            PART,
            added=WIDENS,
            removed=special.method_removed,
            what="format",
        ),
        "domain_lock": PART,
    },
    api_keys.KeyFormat: {
        **_all(neutral, "kind", "prefix"),
        **_all(_OPAQUE, "encoding", "bits", "checksum"),
    },
    api_keys.DomainLock: {
        "kinds": special.judge_locked_kinds,
        "unregistered": order("refuse", "downgrade"),
        "tier": _OPAQUE,
        "domain_cap": more_or_none,
    },
    jwt.Issuer: {
        "issuer": neutral,
        "audiences": among(),
        "algorithms": among(),
        **_all(_HIDDEN, "jwks", "secret"),
        "ca": _CA,
        "types": among(),
        **_all(more, "leeway", "max_life", "refresh", "stale_if_error"),
        "claims": PART,
        "require": _STATED,
        "unknown_tenants": _UNKNOWN_TENANTS,
        "cooldown": neutral,
    },
    jwt.Claims: _CLAIMS,
    jwt.Introspection: {
        **_all(_OPAQUE, "url", "client_id"),
        "client_secret": _HIDDEN,
        "ca": _CA,
        # What does not begin so is nobody's token, and no second credential.
        "prefix": place(gained=CHANGES, lost=WIDENS),
        "issuer": _DEMAND,
        "audiences": _SOME_OR_ALL,
        "claims": PART,
        "cache": more,
        "timeout": neutral,
        "unknown_tenants": _UNKNOWN_TENANTS,
    },
    jwt.TokenCache: {"entries": neutral, "token_size": more},
    tenants.Tenant: {
        "status": order("suspended", "active"),
        **_all(_OPAQUE, "tier", "domains", "projects", "attributes"),
        **_all(_OPAQUE, "upstream", "upstream_credential"),
        "origins": special.judge_own_origins,
        "logins": _SOME_OR_ALL,
    },
    tenants.Project: _all(_OPAQUE, "domains", "system"),
    tenants.IdentityHeaders: _all(
        _OPAQUE, "tenant", "subject", "roles", "scopes", "tier", "key_id"
    ),
    assertion.Assertion: {
        "key": _HIDDEN,
        **_all(_OPAQUE, "audience", "issuer", "header"),
        "life": more,
    },
    limits.RateLimits: {
        **_all(judge_limits, "address", "key", "failed_authentication"),
        "default_tier": _OPAQUE,
        **_all(more, "ipv4_prefix", "ipv6_prefix", "entries"),
        # Units that a longer one keeps back are lost to others; it also holds while the server is
        # away. The limit itself stands either way.
        "lease": place(gained=CHANGES, lost=CHANGES),
        "strict": less,
        "fields": neutral,
    },
}

_REQUESTS: Final[Mapping[type, Rows]] = {
    body.Body: {
        **_all(more, "max", "ratio"),
        "content_types": special.judge_media_types,
        "json_body": special.json_or_none(PART),
        "items": _PROTECTS,
        "json_schema": text_of_file,
        "required": less,
        "form": _EITHER,
    },
    body.JsonBody: {"depth": more, "string": more_or_none},
    body.BatchItems: {"at": _OPAQUE, "max": more},
    body.FormBody: {
        **_all(more, "fields", "name", "value", "file"),
        "files": more_or_nothing,
        **_all(_SOME_OR_ALL, "file_types", "file_names"),
    },
    bodies.Bodies: {"memory": neutral, "total": more, "folder": file_name(NEUTRAL)},
    routes.Bind: {
        **_all(
            keyed(_OPAQUE, added=lambda _: NARROWS, removed=WIDENS, what="it"),
            "query",
            "json_members",
            "form",
        ),
        "optional": among(),
        "host": _DEMAND,
    },
    routes.Forbid: _all(_STATED, "query", "json_members", "form"),
    routes.StorageKeys: {**_all(_STATED, "json_members", "form"), "prefix": _OPAQUE},
    mcp.Mcp: {
        **_all(special.judge_lists, "tools", "prompts"),
        "methods": _SOME_OR_ALL,
        "arguments": PART,
        **_all(more, "batch", "list_max"),
    },
    mcp.Arguments: {
        "mode": order("refuse", "clean", "report", "pass"),
        "tokens": _OPAQUE,
        "add": _STATED,
        "invisible": less,
    },
    webhook.Webhook: {
        **_all(_OPAQUE, "scheme", "hmac", "tenant_secret", "remember"),
        "secret": _HIDDEN,
        "tolerance": more,
        "replay": order("refuse", "allow"),
    },
    csrf.Csrf: {
        "applies_to": order("all", "ambient", "nothing"),
        "origins": among(),
        **_all(order("refuse", "allow"), "same_site", "missing"),
        "every_method": less,
    },
}

_ANSWERS: Final[Mapping[type, Rows]] = {
    headers.Headers: {
        **_all(_OPAQUE, "preset", "default", "append"),
        "set": pages.judge_set(_OPAQUE),
        "remove": pages.judge_removed(_OPAQUE),
        "hsts": _DEMAND,
    },
    cors.Cors: {
        "origins": among(),
        "tenant_origins": special.judge_tenant_origins,
        **_all(more, "credentials", "max_age", "private_network"),
        "methods": _SOME_OR_ALL,
        "request_headers": _OPAQUE,
        "expose_headers": among(),
        "enforce": less,
    },
    csp.Csp: {
        "enforce": pages.judge_directives,
        **_all(_OPAQUE, "report_only", "nonce_header"),
        "upstream": pages.judge_beside,
    },
    cookies.Cookies: {
        **_all(less, "secure", "http_only"),
        "same_site": order("strict", "lax", "none"),
        "domain": order("drop", "keep"),
        "exceptions": _OPAQUE,
    },
}

_TRAIL: Final[Mapping[type, Rows]] = {
    audit.Audit: {
        "sinks": named(
            special.sink_name, PART, added=CHANGES, removed=lambda _: WIDENS, what="sink"
        ),
        "requests": order("all", "refused"),
        "flush": neutral,
        **_all(_PROTECTS, "pseudonyms", "alerts"),
        "signing_key": opaque("another key, or none"),
        "checkpoint": more,
        "export_tiers": _SOME_OR_ALL,
        "retention": _OPAQUE,
    },
    audit.StdoutSink: {**_QUEUED, "stdout": neutral},
    audit.FileSink: {**_QUEUED, "file": file_name(CHANGES), "rotate": _OPAQUE},
    audit.SyslogSink: {**_QUEUED, "syslog": _OPAQUE, "ca": _CA},
    audit.HttpSink: {**_QUEUED, "http": _HIDDEN, "headers": _HIDDEN, "ca": _CA},
    audit.RedisSink: {**_QUEUED, "redis_stream": _OPAQUE, "maxlen": _OPAQUE, "server": _EITHER},
    alerts.Pseudonyms: {"key": _HIDDEN, **_all(less, "addresses", "emails")},
    alerts.Alerts: {"roles": _STATED, "webhook": _PROTECTS},
    alerts.AlertWebhook: {"url": _HIDDEN, "secret": _HIDDEN, "ca": _CA, "timeout": neutral},
    trace.Tracing: {
        "trust": order("none", "trusted_proxies", "any"),
        **_all(neutral, "sample", "timeout", "service_name", "resource"),
        **_all(_HIDDEN, "otlp", "headers"),
        "ca": _CA,
    },
}

_POLICY: Final[Rows] = {
    **_all(neutral, "version", "extends", "errors", "explain", "metrics"),
    # What a document says has become part of the routes.
    "openapi": neutral,
    **_all(PART, "listen", "admin", "upstream", "state", "secrets", "authentication"),
    **_all(PART, "identity_headers", "limits", "body", "bodies", "websockets", "headers"),
    **_all(PART, "audit", "reload"),
    "workers": more,
    "tenants": keyed(PART, added=special.tenant_added, removed=CHANGES, what="the tenant"),
    "roles": pages.judge_roles,
    "permissions": special.judge_permissions,
    "tenant_mismatch": order(404, 403),
    "tiers": keyed(judge_limits, added=lambda _: CHANGES, removed=CHANGES, what="the tier"),
    **_all(_PROTECTS, "blocks", "assertion", "cookies", "csrf"),
    "cors": special.cors_by(PART),
    "csp": _EITHER,
    "reports": _ADMITS,
    "security_txt": switch(neutral, gained=NEUTRAL, lost=CHANGES),
    "absent": switch(PART, gained=NEUTRAL, lost=CHANGES),
    "tracing": _EITHER,
    "mode": order("enforce", "shadow"),
}

TABLES: Final[Mapping[type, Rows]] = {
    policy.Policy: _POLICY,
    **_EDGE,
    **_CALLERS,
    **_REQUESTS,
    **_ANSWERS,
    **_TRAIL,
}
"""The rows of every section; routes are judged request by request."""
