"""The section `routes`: what is admitted, and how it is treated."""

import re
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Final, Literal, TypeVar

from sidecar.model.template import Kind, Template, parse_host, parse_path
from sidecar.policy.schema.action import Actions
from sidecar.policy.schema.addresses import Network
from sidecar.policy.schema.alone import EITHER_FORM, LISTED
from sidecar.policy.schema.body import Body
from sidecar.policy.schema.cookies import Cookies
from sidecar.policy.schema.cors import CorsOrNone
from sidecar.policy.schema.csp import Csp
from sidecar.policy.schema.csrf import Csrf
from sidecar.policy.schema.headers import Headers
from sidecar.policy.schema.limits import Limit
from sidecar.policy.schema.mcp import Mcp
from sidecar.policy.schema.names import (
    JsonPointer,
    Member,
    Method,
    Parameter,
    Permission,
    Role,
    Scope,
    Word,
)
from sidecar.policy.schema.quantities import Count, Flag, PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.upstream import Upstream
from sidecar.policy.schema.webhook import Webhook
from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of

_STORAGE_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_.-]+/)*\{tenant\}/(?:[A-Za-z0-9_.-]+/)*\Z")
_PATH_HINT: Final = "/orders, /orders/{order}, /files/** (no query, written decoded)"
_HOST_HINT: Final = "api.example.com or *.example.com, without scheme and port"

T = TypeVar("T")


def _checked(parse: Callable[[str], T], text: str, hint: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise misfit("is no template", hint, detail=str(error)) from error


def _path(value: object) -> str:
    text = text_of(value, "/**")
    _checked(parse_path, text, _PATH_HINT)
    return str(text)


def _host(value: object) -> str:
    return _checked(parse_host, text_of(value, "api.example.com"), _HOST_HINT)


def _prefix(value: object) -> str:
    text = text_of(value, "/api")
    segments = _checked(parse_path, text, "/api: literal segments only")
    if not segments or any(segment.kind is not Kind.LITERAL for segment in segments):
        raise misfit("is no prefix of literal segments", "/api, or leave it out")
    return "/" + "/".join(segment.text for segment in segments)


Path = Annotated[
    str,
    PlainValidator(_path),
    WithJsonSchema({"type": "string", "pattern": r"^(/|\$\{)"}),
    Field(examples=["/**", "/orders/{order}"]),
]
Host = Annotated[
    str,
    PlainValidator(_host),
    WithJsonSchema({"type": "string"}),
    Field(examples=["api.example.com", "*.example.com"]),
]
Prefix = Annotated[
    str,
    PlainValidator(_prefix),
    WithJsonSchema({"type": "string", "pattern": r"^(/.|\$\{)"}),
    Field(examples=["/api"]),
]


class Addresses(Section):
    """Which client addresses may use a route; `deny` wins.

    Attributes:
        allow: networks that may; none given: all.
        deny: networks that may not.
    """

    allow: Annotated[tuple[Network, ...], Field(min_length=1, examples=["[10.0.0.0/8]"])] = ()
    deny: tuple[Network, ...] = ()


class RouteTimeouts(Section):
    """Time-outs of a route, over those of its upstream.

    Attributes:
        response: time from the end of the request to the head of the answer.
        idle: silence inside the body of an answer.
        event_stream: the same inside `text/event-stream`.
    """

    response: PositiveDuration | None = None
    idle: PositiveDuration | None = None
    event_stream: PositiveDuration | None = None


class Bind(Section):
    """Where else a request names a tenant or a project: it must be the caller's own (TN-2).

    A path does so by `{tenant}`, `{org}` or `{project}` in its template.

    Attributes:
        query: by query parameter, what it names; every value is checked.
        json_members: by JSON Pointer into the body, what the text there names; `*` is every item
            of a list.
        form: by field of a form, what it names; every value is checked.
        optional: those of `json` and `form` that may be left out; others get 422.
        host: what the first label of the host names.
    """

    query: Annotated[
        dict[Parameter, Literal["tenant", "project"]], Field(examples=["{org: tenant}"])
    ] = Field(default_factory=dict)
    json_members: Annotated[
        dict[JsonPointer, Literal["tenant", "project"]],
        Field(alias="json", examples=["{/tenant_id: tenant}"]),
    ] = Field(default_factory=dict)
    form: Annotated[
        dict[Parameter, Literal["tenant", "project"]], Field(examples=["{org: tenant}"])
    ] = Field(default_factory=dict)
    optional: Annotated[tuple[str, ...], Field(examples=["[/project]"])] = ()
    host: Literal["tenant", "project"] | None = None


class Forbid(Section):
    """What a request must not have (TN-7).

    Attributes:
        query: query parameters that are refused, in every spelling that a service could read.
        json_members: members of JSON bodies: a name is refused wherever it stands, a JSON Pointer
            in its place.
        form: fields of forms, in every spelling.
    """

    query: Annotated[tuple[Parameter, ...], Field(examples=["[db_id]"])] = ()
    json_members: Annotated[tuple[Member, ...], Field(alias="json", examples=["[db_id]"])] = ()
    form: Annotated[tuple[Parameter, ...], Field(examples=["[db_id]"])] = ()


def _storage_prefix(value: object) -> str:
    text = text_of(value, "tenants/{tenant}/")
    if not _STORAGE_PREFIX.match(text):
        raise misfit("is no prefix of one tenant's keys", "tenants/{tenant}/")
    return str(text)


StoragePrefix = Annotated[str, PlainValidator(_storage_prefix), WithJsonSchema({"type": "string"})]


class StorageKeys(Section):
    """Fields that hold keys of object storage: each must lie below the tenant's prefix (TN-5).

    Attributes:
        json_members: JSON Pointers into the body, `*` for every item of a list.
        form: fields of forms.
        prefix: what each key must begin with, `{tenant}` for the id of the caller's tenant.
    """

    json_members: Annotated[
        tuple[JsonPointer, ...], Field(alias="json", examples=["[/attachments/*/key]"])
    ] = ()
    form: Annotated[tuple[Parameter, ...], Field(examples=["[key]"])] = ()
    prefix: StoragePrefix = "tenants/{tenant}/"


class Route(Section):
    """Requests that are admitted: a host and a path template, methods, and what holds for them.

    Attributes:
        host: `api.example.com` or `*.example.com`; any host if left out.
        path: literal segments, `{name}` or `*` for one, `**` at the end for the rest.
        methods: methods in capital letters, GET includes HEAD; all if left out.
        public: true admits everybody.
        role: least role of the hierarchy that is admitted.
        permission: permission that is needed, as `resource.action` of `permissions`.
        scopes: scopes that are needed, all of them.
        condition: expression in CEL that must be true.
        authenticate: methods that are accepted; all that the policy has if left out.
        key_kinds: kinds of API keys that are accepted, and then no tokens; all if left out.
        logins: login methods that are accepted, such as `sso`; all if left out.
        limits: limits of the route, beside those of the caller's tier.
        replace_limits: true leaves out those of the tier.
        cost: units that a request takes from the limits of its key, its tier and the route.
        bind: where else the request names a tenant or a project.
        forbid: what the request must not have.
        storage_keys: fields of the body that hold keys of object storage.
        mcp: a firewall for the Model Context Protocol; none if left out.
        addresses: client addresses that may use the route.
        webhook: deliveries of another service, signed by it; for public routes.
        body: request bodies, over the policy's `body`.
        headers: response header fields, over the policy's `headers`.
        cors: pages of other origins, over the policy's `cors`, whose origins count too; false takes
            none of it.
        csp: Content-Security-Policy of answers, over the policy's `csp`.
        cookies: what cookies are at least, over the policy's `cookies`.
        csrf: writes of browsers, over the policy's `csrf`; `nothing` judges none.
        upstream: another upstream for this route: a URL or a mapping.
        strip_prefix: literal prefix of `path` that the upstream does not see.
        timeouts: time-outs, over those of the upstream.
        allow_encoded_slash: true admits `%2F` inside a segment.
        action: what its requests are called in the audit, by the status of the answer: a name or a
            mapping; the first that fits. `request` and its kin if left out.
        mode: `enforce` or `shadow`, over the policy's `mode`.
    """

    host: Host | None = None
    path: Path
    methods: Annotated[tuple[Method, ...] | None, Field(min_length=1, examples=["[GET, POST]"])] = (
        None
    )
    public: Flag = False
    role: Role | None = None
    permission: Permission | None = None
    scopes: Annotated[tuple[Scope, ...], Field(examples=["[orders:write]"])] = ()
    condition: Annotated[str | None, Field(examples=["request.method == 'GET'"])] = None
    authenticate: Annotated[
        tuple[Literal["api_key", "jwt", "introspection"], ...] | None,
        Field(min_length=1, examples=["[api_key]"]),
    ] = None
    key_kinds: Annotated[tuple[Word, ...] | None, Field(min_length=1)] = None
    logins: Annotated[tuple[Word, ...] | None, Field(min_length=1)] = None
    limits: Annotated[
        tuple[Limit, ...],
        Field(examples=["[{limit: 30/min, by: tenant}]"]),
        LISTED,
        EITHER_FORM,
    ] = ()
    replace_limits: Flag = False
    cost: Count = 1
    bind: Bind = Bind()
    forbid: Forbid = Forbid()
    storage_keys: StorageKeys | None = None
    mcp: Mcp | None = None
    addresses: Addresses | None = None
    webhook: Annotated[
        Webhook | None, Field(examples=["{scheme: github, secret: file:/secrets/hook}"])
    ] = None
    body: Body | None = None
    headers: Headers | None = None
    cors: CorsOrNone = None
    csp: Csp | None = None
    cookies: Cookies | None = None
    csrf: Csrf | None = None
    upstream: Upstream | None = None
    strip_prefix: Prefix | None = None
    timeouts: RouteTimeouts | None = None
    allow_encoded_slash: Flag = False
    action: Actions = ()
    mode: Literal["enforce", "shadow"] | None = None

    @cached_property
    def template(self) -> Template:
        """Host and path as the matcher reads them."""
        return Template(self.host, parse_path(self.path), self.path)

    @property
    def is_guarded(self) -> bool:
        """Whether something says who may use it (AZ-4)."""
        return bool(self.role or self.permission or self.scopes or self.condition)

    @cached_property
    def admitted_methods(self) -> frozenset[str] | None:
        """The methods with HEAD beside GET; None admits all."""
        if self.methods is None:
            return None
        implied = {"HEAD"} if "GET" in self.methods else set()
        return frozenset(self.methods) | implied
