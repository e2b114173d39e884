"""Each key of the policy, by what another value of it means."""

from dataclasses import replace

import pytest

from sidecar.decision.diff.compare import compare
from tests.decision.diff.comparing import CALLERS, HEAD, ROUTES, diff_of, said
from tests.policy.reading import loaded

TLS = "{certificate: f.pem, key: f.pem}"
FILES = {"f.pem": b"1"}
CASES = [
    # what is said, by key; the old text; the new one
    ("", "", ""),
    ("", "body: {max: 1MB}", "body: {max: 1000KB}"),
    ("", "mode: enforce", "reload: {widening: allow}"),
    (
        "",
        "listen: {trusted_proxies: [10.0.0.0/8, 192.168.0.0/16]}",
        "listen: {trusted_proxies: [192.168.0.0/16, 10.0.0.0/8]}",
    ),
    ("widens listen.trusted_proxies", "", "listen: {trusted_proxies: [10.0.0.0/8]}"),
    ("changes listen.trusted_proxies", "listen: {trusted_proxies: [10.0.0.0/8]}", ""),
    ("changes listen.proxy", "", "listen: {proxy: '127.0.0.1:8080'}"),
    ("widens listen.health", "", "listen: {health: '127.0.0.1:9'}"),
    ("widens listen.limits.head", "", "listen: {limits: {head: 1MB}}"),
    ("narrows listen.limits.requests", "", "listen: {limits: {requests: 9}}"),
    ("widens listen.limits.body_rate", "", "listen: {limits: {body_rate: 0}}"),
    ("widens listen.timeouts.idle", "", "listen: {timeouts: {idle: 1h}}"),
    ("neutral listen.drain", "", "listen: {drain: 1s}"),
    ("widens admin.tokens[0]", "", "admin: {tokens: [{name: a, token: b, role: read}]}"),
    (
        "widens admin.tokens[1].role",
        "admin: {tokens: [{name: a, token: b, role: read}, {name: c, token: d, role: admin}]}",
        "admin: {tokens: [{name: c, token: d, role: admin}, {name: a, token: b, role: admin}]}",
    ),
    (
        "changes admin.tokens[0].token, narrows admin.tokens[1]",
        "admin: {tokens: [{name: a, token: b, role: read}, {name: c, token: d, role: admin}]}",
        "admin: {tokens: [{name: a, token: x, role: read}]}",
    ),
    ("widens workers", "", "workers: 4"),
    ("changes upstream.url", "", "version: 1\nupstream: http://other"),
    (
        "neutral upstream.timeouts",
        "",
        "version: 1\nupstream: {url: 'http://127.0.0.1:3000', timeouts: {connect: 9s}}",
    ),
    ("changes state.store", "", "state: memory"),
    ("changes secrets.pepper", "", "secrets: {pepper: [0123456789abcdea]}"),
    (
        "narrows secrets.pepper",
        "secrets: {pepper: [0123456789abcdea, 0123456789abcdeb]}",
        "secrets: {pepper: [0123456789abcdeb]}",
    ),
    (
        "changes secrets.pepper",
        "secrets: {pepper: [0123456789abcdea, 0123456789abcdeb]}",
        "secrets: {pepper: [0123456789abcdeb, 0123456789abcdec]}",
    ),
    ("changes secrets.pepper", "secrets: {pepper: [0123456789abcdea]}", ""),
    ("widens authentication.api_keys", "", "authentication: {api_keys: {}}"),
    ("narrows authentication.api_keys", "authentication: {api_keys: {}}", ""),
    ("narrows listen.tls", "", f"listen: {{tls: {TLS}}}"),
    ("changes listen.tls", "csrf: all", f"csrf: all\nlisten: {{tls: {TLS}}}"),
    ("widens listen.tls", f"listen: {{tls: {TLS}}}", ""),
    (
        "widens authentication.api_keys.query",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {query: key}}",
    ),
    (
        "changes authentication.api_keys.header",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {header: null}}",
    ),
    (
        "changes authentication.api_keys.header",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {header: X-K}}",
    ),
    (
        "changes authentication.api_keys.bearer",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {bearer: false}}",
    ),
    (
        "widens authentication.api_keys.bearer",
        "authentication: {api_keys: {bearer: false}}",
        "authentication: {api_keys: {}}",
    ),
    (
        "widens authentication.api_keys.formats[0], changes authentication.api_keys.formats[1]",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {formats: [{kind: a, prefix: sv}, {prefix: sk}]}}",
    ),
    (
        "widens authentication.api_keys.domain_lock.kinds",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {domain_lock: {kinds: []}}}",
    ),
    (
        "narrows authentication.api_keys.domain_lock.kinds",
        "authentication: {api_keys: {domain_lock: {kinds: []}}}",
        "authentication: {api_keys: {}}",
    ),
    (
        "changes authentication.api_keys.domain_lock.kinds",
        "authentication: {api_keys: {domain_lock: {kinds: [], unregistered: downgrade}}}",
        "authentication: {api_keys: {domain_lock: {unregistered: downgrade}}}",
    ),
    (
        "narrows authentication.api_keys.domain_lock.domain_cap",
        "authentication: {api_keys: {}}",
        "authentication: {api_keys: {domain_lock: {domain_cap: 3}}}",
    ),
    ("widens authentication.max_staleness", "", "authentication: {max_staleness: 1h}"),
    ("widens authentication.forward_credential", "", "authentication: {forward_credential: true}"),
    ("narrows authentication.failure.floor", "", "authentication: {failure: {floor: 1s}}"),
    ("widens tenants.acme", "", "tenants: {acme: {}}"),
    ("narrows tenants.acme", "", "tenants: {acme: {status: suspended}}"),
    (
        "widens tenants.acme",
        "",
        "tenants: {acme: {status: suspended, origins: ['https://a.example']}}",
    ),
    ("changes tenants.acme", "tenants: {acme: {}}", ""),
    (
        "widens tenants.acme.status",
        "tenants: {acme: {status: suspended}}",
        "tenants: {acme: {status: active}}",
    ),
    ("widens tenants.acme.logins", "tenants: {acme: {logins: [sso]}}", "tenants: {acme: {}}"),
    (
        "changes tenants.acme.logins",
        "tenants: {acme: {logins: [sso]}}",
        "tenants: {acme: {logins: [otp]}}",
    ),
    ("changes tenants.acme.tier", "tenants: {acme: {}}", "tenants: {acme: {tier: pro}}"),
    (
        "changes tenants.acme.attributes",
        "tenants: {acme: {}}",
        "tenants: {acme: {attributes: {a: b}}}",
    ),
    ("narrows roles", "", "roles: [owner, viewer]"),
    ("widens permissions.a.b", "", "permissions: {a: {b: viewer}}"),
    ("narrows permissions.a.b", "permissions: {a: {b: viewer}}", ""),
    ("widens permissions.a.b", "permissions: {a: {b: admin}}", "permissions: {a: {b: viewer}}"),
    ("", "permissions: {a: {b: admin}}", "permissions: {a: {b: [admin, owner]}}"),
    (
        "widens permissions.a.b.logins",
        "permissions: {a: {b: {minimum: admin, logins: [sso]}}}",
        "permissions: {a: {b: admin}}",
    ),
    ("narrows tenant_mismatch", "", "tenant_mismatch: 404"),
    ("changes identity_headers.tenant", "", "identity_headers: {tenant: null}"),
    ("changes tiers.pro", "", "tiers: {pro: {limit: 9/s, by: subject}}"),
    ("changes tiers.pro", "tiers: {pro: {limit: 9/s, by: subject}}", ""),
    (
        "widens tiers.pro",
        "tiers: {pro: {limit: 9/s, by: subject}}",
        "tiers: {pro: {limit: 10/s, by: subject}}",
    ),
    ("narrows limits.address", "", "limits: {address: {limit: 9/s}}"),
    (
        "widens limits.failed_authentication",
        "authentication: {api_keys: {}}\nlimits: {failed_authentication: {limit: 9/s}}",
        "authentication: {api_keys: {}}",
    ),
    ("widens limits.ipv4_prefix", "limits: {ipv4_prefix: 24}", ""),
    (
        "changes limits.default_tier",
        "tiers: {pro: {limit: 9/s, by: subject}}",
        "tiers: {pro: {limit: 9/s, by: subject}}\nlimits: {default_tier: pro}",
    ),
    ("narrows blocks", "", "blocks: {}"),
    ("widens blocks", "blocks: {}", ""),
    ("widens blocks.on_store_failure", "blocks: {}", "blocks: {on_store_failure: last_known}"),
    ("widens body.max", "", "body: {max: 1GB}"),
    ("changes body.content_types", "", "body: {content_types: [text/plain]}"),
    ("widens body.json.depth", "body: {json: {}}", "body: {json: {depth: 64}}"),
    ("widens body.json", "body: {json: {}}", ""),
    ("narrows body.json", "", "body: {json: {}}"),
    ("changes body.json", "", "body: {json: {depth: 33}}"),
    ("narrows body.json.string", "body: {json: {}}", "body: {json: {string: 9}}"),
    ("changes body.form", "", "body: {form: {}}"),
    ("widens body.form.files", "body: {form: {}}", "body: {form: {files: 1}}"),
    ("changes body.schema", "body: {schema: {type: object}}", "body: {schema: {type: string}}"),
    (
        "changes tenants.acme.origins",
        "tenants: {acme: {origins: ['https://a.example']}}",
        "tenants: {acme: {}}",
    ),
    (
        "widens tenants.acme.origins",
        "tenants: {acme: {}}",
        "tenants: {acme: {origins: ['https://a.example']}}",
    ),
    ("widens websockets.max", "", "websockets: {max: 2000}"),
    ("changes headers.preset", "", "headers: none"),
    ("widens headers.hsts", "", "headers: {hsts: null}"),
    ("changes headers.set", "", "headers: {set: {X-A: b}}"),
    ("widens cors", "", "cors: {origins: ['https://a.example']}"),
    ("changes cors", "cors: {origins: ['https://a.example']}", ""),
    ("changes cors", "cors: {origins: ['https://a.example'], enforce: true}", ""),
    ("changes cors", "", "cors: {origins: ['https://a.example'], enforce: true}"),
    ("widens cors.origins", "cors: {origins: ['https://a.example']}", "cors: {origins: ['*']}"),
    ("narrows cors.origins", "cors: {origins: ['*']}", "cors: {origins: ['https://a.example']}"),
    ("widens cors.enforce", "cors: {enforce: true}", "cors: {}"),
    ("widens cors.credentials", "cors: {}", "cors: {credentials: true}"),
    ("narrows cors.tenant_origins", "cors: {}", "cors: {tenant_origins: only}"),
    ("widens cors.tenant_origins", "cors: {tenant_origins: ignore}", "cors: {}"),
    ("widens cors.tenant_origins", "cors: {tenant_origins: only}", "cors: {}"),
    (
        "changes cors.tenant_origins",
        "cors: {tenant_origins: only}",
        "cors: {tenant_origins: ignore}",
    ),
    ("changes csp", "", "csp: default-src 'self'"),
    ("widens reports", "", "reports: {}"),
    ("widens cookies", "cookies: {}", ""),
    ("widens cookies.same_site", "cookies: {}", "cookies: {same_site: none}"),
    ("narrows csrf", "", "csrf: ambient"),
    ("widens csrf", "csrf: ambient", ""),
    ("narrows csrf.applies_to", "csrf: ambient", "csrf: all"),
    ("widens csrf.origins", "csrf: {}", "csrf: {origins: ['https://a.example']}"),
    ("neutral absent", "", "absent: {}"),
    ("changes absent", "absent: {}", ""),
    ("widens absent.paths", "absent: {paths: [/a, /b]}", "absent: {paths: [/a]}"),
    ("neutral explain", "", "explain: null"),
    ("widens audit.sinks[0], changes audit.sinks[0]", "audit: {sinks: [{file: a.jsonl}]}", ""),
    ("changes audit.sinks[1]", "", "audit: {sinks: [stdout, {file: a.jsonl}]}"),
    ("widens audit.sinks[0].on_full", "audit: {sinks: [{stdout: true, on_full: block}]}", ""),
    ("neutral audit.sinks[0].queue", "audit: {sinks: [{stdout: true, queue: 1MB}]}", ""),
    ("widens audit.requests", "", "audit: {requests: refused}"),
    ("widens audit.alerts", "audit: {alerts: {}}", ""),
    ("widens audit.alerts.roles", "audit: {alerts: {roles: [staff, root]}}", "audit: {alerts: {}}"),
    ("changes tracing", "", "tracing: {}"),
    ("widens tracing.trust", "tracing: {}", "tracing: {trust: any}"),
    ("neutral metrics", "", "metrics: {step_sample: 0}"),
    ("narrows reload.widening", "", "reload: {widening: acknowledge}"),
    ("widens reload.widening", "reload: {widening: acknowledge}", ""),
    ("neutral reload.every", "", "reload: {every: 2s}"),
    ("neutral bodies.folder", "", "bodies: {folder: spool}"),
]


@pytest.mark.parametrize(("expected", "old", "new"), CASES)
def test_another_value_means(expected: str, old: str, new: str) -> None:
    found = said(f"{old}\n{ROUTES}", f"{new}\n{ROUTES}", (FILES, FILES))
    assert ", ".join(found) == expected


JWT = "{issuer: 'https://idp', audiences: [a], algorithms: [RS256], jwks: 'https://idp/k'%s}"
INTROSPECTION = "introspection: {url: 'https://i', client_id: a, client_secret: b%s}"


@pytest.mark.parametrize(
    ("expected", "old", "new"),
    [
        ("widens authentication.jwt[0]", "", f"jwt: [{JWT % ''}]"),
        ("narrows authentication.jwt[0]", f"jwt: [{JWT % ''}]", ""),
        (
            "changes authentication.jwt[0]",
            f"jwt: [{JWT % ''}], {INTROSPECTION % ''}",
            INTROSPECTION % "",
        ),
        (
            "changes authentication.jwt[0]",
            f"jwt: [{JWT % ''}], {INTROSPECTION % ', prefix: op'}",
            INTROSPECTION % ", prefix: op",
        ),
        (
            "narrows authentication.api_keys.bearer",
            f"api_keys: {{}}, jwt: [{JWT % ''}]",
            f"api_keys: {{bearer: false}}, jwt: [{JWT % ''}]",
        ),
        (
            "changes authentication.introspection.prefix",
            INTROSPECTION % "",
            INTROSPECTION % ", prefix: op",
        ),
        ("widens authentication.introspection", "", INTROSPECTION % ""),
        ("narrows authentication.introspection", INTROSPECTION % "", ""),
        (
            "changes authentication.introspection",
            f"api_keys: {{}}, {INTROSPECTION % ''}",
            "api_keys: {}",
        ),
        (
            "changes authentication.api_keys",
            f"api_keys: {{}}, {INTROSPECTION % ''}",
            INTROSPECTION % "",
        ),
        (
            "widens authentication.jwt[0].leeway",
            f"jwt: [{JWT % ''}]",
            f"jwt: [{JWT % ', leeway: 9m'}]",
        ),
        (
            "narrows authentication.jwt[0].require",
            f"jwt: [{JWT % ''}]",
            f"jwt: [{JWT % ', require: [a]'}]",
        ),
        (
            "changes authentication.jwt[0].claims.roles",
            f"jwt: [{JWT % ''}]",
            f"jwt: [{JWT % ', claims: {roles: r}'}]",
        ),
        (
            "widens authentication.jwt[0].unknown_tenants",
            f"jwt: [{JWT % ''}]",
            f"jwt: [{JWT % ', unknown_tenants: accept'}]",
        ),
        (
            "widens authentication.cookie",
            f"jwt: [{JWT % ''}]",
            f"cookie: session, jwt: [{JWT % ''}]",
        ),
        (
            "narrows authentication.introspection.audiences",
            INTROSPECTION % "",
            INTROSPECTION % ", audiences: [a]",
        ),
        (
            "changes authentication.introspection.client_secret",
            INTROSPECTION % "",
            INTROSPECTION.replace("b%s", "c"),
        ),
    ],
)
def test_another_way_to_prove_means(expected: str, old: str, new: str) -> None:
    before, after = (f"authentication: {{{text}}}\n{ROUTES}" for text in (old, new))
    assert ", ".join(said(before, after)) == expected


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("changes authentication.jwt[0].ca", f"authentication: {{jwt: [{JWT % ', ca: f.pem'}]}}"),
        (
            "neutral listen.tls.certificate, neutral listen.tls.key",
            "listen: {tls: {certificate: f.pem, key: f.pem}}",
        ),
        ("changes body.schema", "body: {schema: f.pem}"),
        (
            "changes admin.tokens[0].token",
            "admin: {tokens: [{name: a, token: 'file:f.pem', role: read}]}",
        ),
        ("neutral errors", "errors: {FORBIDDEN: {html: f.pem}}"),
    ],
)
def test_what_counts_of_a_file_is_its_content(expected: str, text: str) -> None:
    whole = f"{text}\n{ROUTES}"
    assert ", ".join(said(whole, whole, ({"f.pem": b"1"}, {"f.pem": b"2"}))) == expected
    renamed = whole.replace("f.pem", "g.pem")
    assert said(whole, renamed, ({"f.pem": b"1"}, {"g.pem": b"1"})) == []


def test_types_of_bodies_are_judged_one_by_one() -> None:
    old, new = (f"body: {{content_types: [{some}]}}\n{ROUTES}" for some in ("a/b, c/d", "a/b"))
    assert said(old, new) == ["narrows body.content_types"]
    assert said(old, ROUTES) == ["widens body.content_types"]


def test_a_file_that_changes_while_it_is_read_is_like_no_other() -> None:
    text = f"authentication: {{jwt: [{JWT % ', ca: f.pem'}]}}\n{ROUTES}"
    old = loaded(HEAD + text, {"f.pem": b"1"})
    unsteady = replace(old, files=(*old.files, ("f.pem", "")))
    changes = compare(unsteady, unsteady).changes
    assert [change.key for change in changes] == ["authentication.jwt[0].ca"]


def test_a_word_that_is_the_name_of_a_file_is_no_file() -> None:
    """A role that is called like a file with the content of another one is still another role."""
    tokens = (
        "admin: {tokens: [{name: a, token: 'file:admin', role: read}]}\n"
        "audit: {pseudonyms: {key: 'file:viewer'}}"
    )
    old, new = (
        f"{tokens}\n{CALLERS}\nroutes: [{{path: /, role: {role}}}]" for role in ("admin", "viewer")
    )
    files = dict.fromkeys(("admin", "viewer"), b"0123456789abcdef0123456789abcdef")
    assert said(old, new, (files, files)) == ["widens routes[0].role"]


def test_no_secret_is_shown() -> None:
    old, new = (
        f"admin: {{tokens: [{{name: a, token: {word}, role: read}}]}}\n"
        f"secrets: {{pepper: {word}}}\n"
        f"authentication: {{{INTROSPECTION.replace('b%s', word).replace('//i', f'//i/{word}')}}}\n"
        f"audit: {{sinks: [{{http: 'https://l/x?k={word}', headers: {{X-Key: {word}}}}}]}}\n"
        f"headers: {{set: {{X-A: {word}}}}}\n{ROUTES}"
        for word in ("hidden-0123456789", "hidden-9876543210")
    )
    diff = diff_of(old, new)
    assert len(diff.changes) >= 6
    assert "hidden" not in "".join(map(str, diff.changes))
