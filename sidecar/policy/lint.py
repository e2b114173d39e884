"""The rules between the parts of a policy: contradictions are errors, traps are warnings.

A rule sees the whole policy and yields problems. The table says which sections each one reads:
where one of them has errors of its own the rule is left out, or it would judge a stand-in.
Routes are the exception: a broken one is stood in for by a route that breaks no rule.
"""

from collections.abc import Callable, Iterable
from typing import Final

from sidecar.model.errors import Problem
from sidecar.policy.nodes import Mapping
from sidecar.policy.rules import (
    actions,
    api_keys,
    audit,
    authorization,
    blocks,
    bodies,
    browsers,
    content,
    cors,
    csp,
    headers,
    identity,
    limits,
    mcp,
    network,
    reloads,
    routes,
    secrets,
    sinks,
    tokens,
    tracing,
    webhooks,
)
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.policy import Policy

RULES: Final[tuple[tuple[Callable[[Judged], Findings], frozenset[str]], ...]] = (
    (network.listeners_collide, frozenset({"listen"})),
    (network.workers_without_a_port, frozenset({"listen", "workers"})),
    (network.admin_in_the_open, frozenset({"listen"})),
    (network.trust_in_everyone, frozenset({"listen"})),
    (network.upstream_is_the_sidecar, frozenset({"listen", "upstream", "tenants"})),
    (network.tls_without_https, frozenset({"upstream"})),
    (network.nobody_admitted, frozenset()),
    (webhooks.webhooks_of_callers, frozenset()),
    (webhooks.secrets_of_nobody, frozenset({"secrets"})),
    (webhooks.signatures_without_a_time, frozenset()),
    (webhooks.deliveries_forgotten_too_soon, frozenset()),
    (routes.nothing_admits, frozenset()),
    (routes.methods_ruled_twice, frozenset()),
    (routes.prefix_not_of_the_path, frozenset()),
    (routes.unreachable, frozenset()),
    (actions.ids_of_nothing, frozenset()),
    (actions.actions_never_reached, frozenset()),
    (routes.spellings_differ_by_case, frozenset()),
    (routes.answered_before, frozenset({"security_txt", "absent"})),
    (authorization.roles_listed_twice, frozenset({"roles"})),
    (authorization.roles_unknown, frozenset({"roles"})),
    (authorization.grants_to_unknown_roles, frozenset({"roles", "permissions"})),
    (authorization.permissions_unknown, frozenset({"permissions"})),
    (authorization.public_contradicted, frozenset()),
    (authorization.nobody_can_pass, frozenset({"authentication"})),
    (authorization.methods_unknown, frozenset({"authentication"})),
    (authorization.kinds_of_tokens, frozenset()),
    (authorization.kinds_of_no_key, frozenset({"authentication"})),
    (authorization.kinds_without_keys, frozenset({"authentication"})),
    (authorization.tenant_named_twice, frozenset()),
    (authorization.bound_and_forbidden, frozenset()),
    (api_keys.prefixes_coincide, frozenset({"authentication"})),
    (api_keys.keys_read_nowhere, frozenset({"authentication"})),
    (api_keys.keys_without_pepper, frozenset({"authentication", "secrets"})),
    (api_keys.peppers, frozenset({"secrets"})),
    (api_keys.password_in_the_open, frozenset({"state"})),
    (api_keys.servers_nobody_asks, frozenset({"state"})),
    (api_keys.memory_of_several, frozenset({"state", "workers"})),
    (blocks.blocks_nobody_can_add, frozenset({"blocks", "state", "admin"})),
    (blocks.news_too_late, frozenset({"blocks", "state", "authentication"})),
    (api_keys.floor_too_high, frozenset({"authentication"})),
    (content.every_body_refused, frozenset({"body"})),
    (bodies.no_room_for_a_body, frozenset({"body", "bodies"})),
    (bodies.forms_past_the_rules, frozenset({"body"})),
    (bodies.types_that_rules_cannot_read, frozenset({"body"})),
    (bodies.rules_without_bodies, frozenset()),
    (bodies.optional_of_nothing, frozenset()),
    (mcp.listed_for_nobody, frozenset({"roles"})),
    (mcp.unreachable_firewall, frozenset()),
    (content.fields_ruled_twice, frozenset({"headers"})),
    (content.times_contradict, frozenset({"listen", "websockets"})),
    (content.streams_less_patient, frozenset({"upstream"})),
    (content.tokens_in_the_open, frozenset({"admin"})),
    (reloads.widening_nobody_can_acknowledge, frozenset({"admin", "reload"})),
    (content.sinks_listed_twice, frozenset({"audit"})),
    (audit.audit_secrets_in_the_open, frozenset({"audit"})),
    (audit.retention_of_nothing, frozenset({"audit"})),
    (audit.retention_too_short, frozenset({"audit"})),
    (audit.alerts_in_the_clear, frozenset({"audit"})),
    (content.trail_key_in_the_open, frozenset({"audit"})),
    (sinks.rules_without_a_file, frozenset({"audit"})),
    (sinks.files_shared, frozenset({"audit"})),
    (sinks.records_in_the_open, frozenset({"audit"})),
    (sinks.fields_for_the_server, frozenset({"audit"})),
    (sinks.streams_without_a_server, frozenset({"audit", "state"})),
    (tracing.spans_for_nobody, frozenset({"tracing"})),
    (tracing.fields_for_the_collector, frozenset({"tracing"})),
    (tracing.secrets_in_the_clear, frozenset({"tracing"})),
    (tracing.resource_named_twice, frozenset({"tracing"})),
    (tracing.authorities_for_clear_text, frozenset({"tracing"})),
    (cors.everybody_with_credentials, frozenset({"cors"})),
    (cors.everybody_kept_out, frozenset({"cors"})),
    (cors.everybody_and_tenants_alone, frozenset({"cors"})),
    (cors.named_beside_everybody, frozenset({"cors"})),
    (cors.origins_in_the_clear, frozenset({"cors", "tenants"})),
    (cors.fields_of_cors, frozenset({"cors", "headers"})),
    (browsers.cookies_unjudged, frozenset({"authentication", "csrf"})),
    (browsers.origins_in_clear_text, frozenset({"csrf"})),
    (headers.values_that_browsers_ignore, frozenset({"headers"})),
    (headers.transport_security_in_a_list, frozenset({"headers"})),
    (headers.preloaded_for_good, frozenset({"headers"})),
    (csp.sources_that_are_none, frozenset({"csp"})),
    (csp.scripts_of_anybody, frozenset({"csp"})),
    (csp.bases_of_anybody, frozenset({"csp"})),
    (csp.fields_written_twice, frozenset({"csp", "headers"})),
    (secrets.credentials_without_a_vault, frozenset({"secrets", "tenants"})),
    (secrets.credentials_without_an_upstream, frozenset({"tenants"})),
    (secrets.sealing_in_the_open, frozenset({"secrets"})),
    (identity.identity_fields_collide, frozenset({"identity_headers", "assertion", "csp"})),
    (
        identity.key_field_collides,
        frozenset({"authentication", "identity_headers", "assertion"}),
    ),
    (identity.signing_keys, frozenset({"assertion"})),
    (tokens.issuers_named_twice, frozenset({"authentication"})),
    (tokens.keys_that_verify_nothing, frozenset({"authentication"})),
    (tokens.keys_in_the_clear, frozenset({"authentication"})),
    (tokens.token_secrets_in_the_open, frozenset({"authentication"})),
    (tokens.lives_shorter_than_the_leeway, frozenset({"authentication"})),
    (tokens.cookie_without_tokens, frozenset({"authentication"})),
    (tokens.tokens_for_anybody, frozenset({"authentication"})),
    (limits.counted_by_nobody, frozenset({"limits", "tiers"})),
    (limits.clients_choose, frozenset({"limits", "tiers"})),
    (limits.costs_above_the_limit, frozenset({"limits", "tiers"})),
    (limits.callers_without_a_tier, frozenset({"limits", "tiers"})),
    (limits.limits_of_nobody, frozenset({"limits", "authentication"})),
    (limits.counts_of_one_process, frozenset({"limits", "tiers", "state", "workers"})),
    (limits.failures_of_no_store, frozenset({"limits", "tiers", "state"})),
    (limits.limits_that_open, frozenset({"limits"})),
    (limits.rates_of_everybody, frozenset({"tiers"})),
    (limits.bounds_below_the_rate, frozenset({"tiers"})),
)


Rule = Callable[[Judged], Findings]


def lint(
    policy: Policy, root: Mapping, broken: frozenset[str], more: Iterable[Rule] = ()
) -> list[Problem]:
    """Apply every rule.

    Args:
        policy: the policy, with stand-ins for what has errors.
        root: the tree that it was decoded from.
        broken: names of the sections that have errors of their own.
        more: further rules, which read routes alone.
    """
    judged = Judged.of(policy, root)
    rules = [rule for rule, sections in RULES if not sections & broken]
    return [problem for rule in (*rules, *more) for problem in rule(judged)]
