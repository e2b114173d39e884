"""The whole document."""

from functools import cached_property
from typing import Annotated, Literal

from sidecar.model.refusals import RefusalCode
from sidecar.policy.schema.admin import Admin
from sidecar.policy.schema.assertion import Assertion
from sidecar.policy.schema.audit import Audit
from sidecar.policy.schema.authentication import Authentication
from sidecar.policy.schema.blocks import Blocks
from sidecar.policy.schema.bodies import Bodies
from sidecar.policy.schema.body import Body
from sidecar.policy.schema.cookies import Cookies
from sidecar.policy.schema.cors import Cors, CorsOrNone
from sidecar.policy.schema.csp import Csp
from sidecar.policy.schema.csrf import Csrf
from sidecar.policy.schema.errors import ErrorTemplate
from sidecar.policy.schema.explain import Explain
from sidecar.policy.schema.headers import Headers
from sidecar.policy.schema.limits import RateLimits, Tiers
from sidecar.policy.schema.listen import Listen
from sidecar.policy.schema.metrics import Metrics
from sidecar.policy.schema.names import TenantName
from sidecar.policy.schema.openapi import OpenApi
from sidecar.policy.schema.permissions import Permissions, Roles
from sidecar.policy.schema.quantities import Workers
from sidecar.policy.schema.reload import Reload
from sidecar.policy.schema.reports import Reports
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.state import Secrets, State
from sidecar.policy.schema.tenants import IdentityHeaders, Tenant
from sidecar.policy.schema.tracing import Tracing
from sidecar.policy.schema.upstream import Upstream, UpstreamTimeouts
from sidecar.policy.schema.websockets import Websockets
from sidecar.policy.schema.well_known import Absent, SecurityTxt
from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit


def _version(value: object) -> Literal[1]:
    # True and 1.0 equal 1 in Python; only the integer is the version.
    if type(value) is not int or value != 1:
        raise misfit("is no version of the policy language", "version: 1")
    return 1


class Policy(Section):
    """A Sidecar policy: what stands in front of one service, and what it enforces.

    Attributes:
        version: version of the policy language.
        extends: profile or file that this policy is laid over: mappings merge, lists and single
            values replace.
        listen: listeners, trusted proxies and bounds on clients.
        admin: the admin API.
        upstream: the service behind the sidecar: a URL or a mapping.
        workers: number of worker processes.
        state: where keys, tenants, revocations and sealed secrets are kept: a store or a mapping.
        secrets: what protects the state store.
        authentication: how callers prove who they are.
        tenants: tenants that the policy itself knows.
        roles: roles of a tenant's members, the highest first.
        permissions: by resource and action, who may.
        tenant_mismatch: status for a tenant in the request that is not the caller's: 403, or 404 to
            answer as for an unknown route.
        identity_headers: header fields that tell the upstream who the caller is.
        tiers: by tier, how much its callers may ask: a limit or a list of them; `anonymous` is the
            tier of everybody on public routes.
        limits: limits for everybody, and how limits are counted.
        blocks: addresses, API keys and tenants that operators shut out while it serves; off if left
            out.
        assertion: a signed statement of who the caller is, for the upstream; off if left out.
        body: request bodies, for all routes.
        bodies: room for bodies that rules read.
        openapi: an OpenAPI document that describes the service.
        websockets: bounds on WebSocket connections.
        headers: response header fields, for all routes: the name of a preset or a mapping.
        cors: which pages of other origins may use the service, for all routes; off if left out.
        csp: Content-Security-Policy of answers: its text, its directives or a mapping; that of the
            preset of `headers` if left out.
        reports: what browsers report of `csp`, counted, at /.sidecar/reports; off if left out.
        cookies: what the service's cookies are at least; as they come if left out.
        csrf: writes of browsers that another site may have caused; not judged if left out.
        errors: bodies of your own by refusal code.
        security_txt: whom to tell of a vulnerability, answered on every host; off if left out.
        absent: paths that everybody asks for and that are not there; off if left out.
        audit: where the record of every request goes.
        explain: the last decisions, kept for the admin API; null keeps none.
        tracing: traces of requests, and where their spans go; off if left out: trace fields of
            trusted proxies pass as they came.
        metrics: what is counted beyond what everybody gets.
        reload: how a changed policy comes into force without a restart.
        mode: `enforce`, or `shadow` to record what would be refused; framing, path and identity
            rules stay enforced.
        routes: what is admitted; the most specific template wins, not the order.
    """

    version: Annotated[
        Literal[1], PlainValidator(_version), WithJsonSchema({"const": 1}), Field(examples=[1])
    ]
    extends: Annotated[str | None, Field(examples=["interaction-api", "shared.yaml"])] = None
    listen: Listen = Listen()
    admin: Admin = Admin()
    upstream: Annotated[Upstream, Field(examples=["http://127.0.0.1:3000"])]
    workers: Workers = 1
    state: State = State()
    secrets: Secrets = Secrets()
    authentication: Authentication = Authentication()
    tenants: dict[TenantName, Tenant] = Field(default_factory=dict)
    roles: Roles = ("owner", "admin", "developer", "viewer")
    permissions: Permissions = Field(default_factory=dict)
    tenant_mismatch: Literal[403, 404] = 403
    identity_headers: IdentityHeaders = IdentityHeaders()
    tiers: Tiers = Field(default_factory=dict)
    limits: RateLimits = RateLimits()
    blocks: Annotated[Blocks | None, Field(examples=["{}"])] = None
    assertion: Assertion | None = None
    body: Body = Body()
    bodies: Bodies = Bodies()
    openapi: OpenApi | None = None
    websockets: Websockets = Websockets()
    headers: Headers = Headers()
    cors: CorsOrNone = None
    csp: Annotated[Csp | None, Field(examples=["default-src 'self'"])] = None
    reports: Annotated[Reports | None, Field(examples=["{}"])] = None
    cookies: Cookies | None = None
    csrf: Annotated[Csrf | None, Field(examples=["ambient"])] = None
    errors: dict[RefusalCode, ErrorTemplate] = Field(default_factory=dict)
    security_txt: Annotated[
        SecurityTxt | None,
        Field(examples=["{contact: mailto:security@example.com, expires: 2027-06-30T00:00:00Z}"]),
    ] = None
    absent: Annotated[Absent | None, Field(examples=["{}"])] = None
    audit: Audit = Audit()
    explain: Annotated[Explain | None, Field(examples=["{last: 1000}"])] = Explain()
    tracing: Annotated[
        Tracing | None, Field(examples=["{otlp: 'http://collector:4318/v1/traces', sample: 0.1}"])
    ] = None
    metrics: Metrics = Metrics()
    reload: Reload = Reload()
    mode: Literal["enforce", "shadow"] = "enforce"
    routes: Annotated[
        tuple[Route, ...], Field(min_length=1, examples=["[{path: /**, public: true}]"])
    ]

    @cached_property
    def has_limits(self) -> bool:
        """Whether anything is counted."""
        section = self.limits
        return bool(
            self.tiers
            or section.address
            or section.key
            or section.failed_authentication
            or any(route.limits for route in self.routes)
            or any(route.webhook and route.webhook.replay == "refuse" for route in self.routes)
        )

    @property
    def has_store(self) -> bool:
        """Whether anything is looked up in the state store; else none is opened."""
        return (
            self.authentication.has_methods
            or self.blocks is not None
            or any(route.webhook and route.webhook.tenant_secret for route in self.routes)
        )

    def upstream_of(self, route: Route) -> Upstream:
        """The upstream that serves a route."""
        return route.upstream or self.upstream

    def timeouts_of(self, route: Route) -> UpstreamTimeouts:
        """The upstream time-outs of a route, its own laid over those of its upstream."""
        general = self.upstream_of(route).timeouts
        if route.timeouts is None:
            return general
        own = route.timeouts.model_dump(exclude_none=True)
        return general.model_copy(update=own)

    def body_of(self, route: Route) -> Body:
        """The body rules of a route, its own laid over the policy's."""
        return self.body if route.body is None else route.body.over(self.body)

    def reads_json(self, route: Route) -> bool:
        """Whether rules of a route read JSON bodies."""
        body, storage = self.body_of(route), route.storage_keys
        return bool(
            body.json_body is not None
            or body.items is not None
            or body.json_schema is not None
            or route.bind.json_members
            or route.forbid.json_members
            or (storage is not None and storage.json_members)
        )

    def reads_forms(self, route: Route) -> bool:
        """Whether rules of a route read forms."""
        storage = route.storage_keys
        return bool(
            self.body_of(route).form is not None
            or route.bind.form
            or route.forbid.form
            or (storage is not None and storage.form)
        )

    def reads_bodies(self, route: Route) -> bool:
        """Whether the bodies of a route are read before they pass on."""
        return self.reads_json(route) or self.reads_forms(route)

    def headers_of(self, route: Route) -> Headers:
        """The response headers of a route, its own laid over the policy's."""
        return self.headers if route.headers is None else route.headers.over(self.headers)

    def cors_of(self, route: Route) -> Cors | None:
        """What holds for pages of other origins on a route, its own laid over the policy's."""
        if "cors" not in route.model_fields_set:
            return self.cors
        if route.cors is None or self.cors is None:
            return route.cors
        return route.cors.over(self.cors)

    def csp_of(self, route: Route) -> Csp | None:
        """The Content-Security-Policy of a route, its own keys laid over the policy's."""
        own, general = route.csp, self.csp
        return general if own is None else own if general is None else own.over(general)

    def cookies_of(self, route: Route) -> Cookies | None:
        """What a route's cookies are at least, its own rules laid over the policy's."""
        own, general = route.cookies, self.cookies
        return general if own is None else own if general is None else own.over(general)

    def csrf_of(self, route: Route) -> Csrf | None:
        """What is judged of a route's writes, its own laid over the policy's; None for nothing."""
        own, general = route.csrf, self.csrf
        section = general if own is None else own if general is None else own.over(general)
        return None if section is None or section.applies_to == "nothing" else section

    def mode_of(self, route: Route) -> Literal["enforce", "shadow"]:
        """The mode of a route, or the policy's."""
        return route.mode or self.mode
