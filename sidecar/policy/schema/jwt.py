"""The sections `authentication.jwt` and `authentication.introspection`: tokens of others."""

import re
from typing import Annotated, Final, Literal

from sidecar.policy.schema.addresses import parse_url
from sidecar.policy.schema.files import ExistingFile, NamedFile, SecretText, read_file
from sidecar.policy.schema.names import Word
from sidecar.policy.schema.quantities import Count, Duration, PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field, PlainValidator, ValidationInfo, WithJsonSchema
from sidecar.policy.written import Written, misfit, text_of

# RFC 7519 §4.1.1: StringOrURI; what an issuer writes is compared byte for byte.
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,512}\Z")
_HTTP: Final = re.compile(r"(https?://[A-Za-z0-9_.\[\]:-]+)(?:/[\x21-\x7e]*)?\Z")
_CLAIM: Final = re.compile(r"[^\x00-\x1f\x7f]{1,256}\Z")


def _visible(value: object) -> str:
    text = text_of(value, "https://idp.example")
    if not _VISIBLE.match(text):
        raise misfit("is no issuer or audience", "the exact text of the claim, without blanks")
    return str(text)


def _http_url(value: object) -> str:
    text = text_of(value, "https://idp.example/jwks.json")
    found = _HTTP.match(text)
    if found is None or "@" in text or "#" in text:
        raise misfit("is no http or https URL", "https://idp.example/.well-known/jwks.json")
    # A host or a port that cannot be would be found out at the first request alone.
    parse_url(found[1])
    return str(text)


def _key_source(value: object, info: ValidationInfo) -> str | NamedFile:
    text = text_of(value, "https://idp.example/jwks.json")
    if text.startswith("file:"):
        name = text.removeprefix("file:")
        if isinstance(text, Written):
            name = Written.of(name, text.folder, is_filled=text.is_filled)
        return read_file(name, info)
    return _http_url(value)


def _claim(value: object) -> str:
    text = text_of(value, "tenant_id")
    if not _CLAIM.match(text):
        raise misfit("is no path of a claim", "a claim's name, or names joined by '.', such as a.b")
    return str(text)


Visible = Annotated[
    str,
    PlainValidator(_visible),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["https://idp.example"]),
]
HttpUrl = Annotated[
    str,
    PlainValidator(_http_url),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["https://idp.example/introspect"]),
]
KeySource = Annotated[
    str | NamedFile,
    PlainValidator(_key_source),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["https://idp.example/.well-known/jwks.json", "file:jwks.json"]),
]
Claim = Annotated[
    str,
    PlainValidator(_claim),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Field(examples=["tenant_id", "realm_access.roles"]),
]
Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "EdDSA",
]  # fmt: skip


class Claims(Section):
    """Which claim says what: a name, or names joined by `.` for nested ones.

    Values may be text, lists of text, or words separated by blanks.

    Attributes:
        subject: who it is; tokens without it are refused.
        tenant: the tenant, or a list of tenants of which the path picks one.
        roles: roles in the tenant.
        scopes: scopes.
        tier: tier.
        project: project that the caller is bound to.
        login: how the user logged in, for `logins`, such as `amr`.
        session: session that revokes it.
    """

    subject: Claim = "sub"
    tenant: Claim | None = None
    roles: Claim | None = None
    scopes: Claim | None = "scope"
    tier: Claim | None = None
    project: Claim | None = None
    login: Claim | None = None
    session: Claim | None = "sid"


class Issuer(Section):
    """An issuer of JWTs; a token is verified by the rules of the issuer that it names (AN-13).

    Attributes:
        issuer: `iss`, exactly.
        audiences: `aud` must hold one of them.
        algorithms: signature algorithms that are accepted; the token chooses none (RFC 8725 §3.1).
        jwks: where its public keys are: a URL, or `file:PATH`.
        secret: shared secret, for HS256, HS384 and HS512 alone.
        ca: file with the authorities to trust for `jwks`; the system's if left out.
        types: accepted `typ`; a token without `typ` passes as `JWT`.
        leeway: difference of clocks that is forgiven.
        max_life: longest life of a token, from `iat` to `exp`; tokens without `iat` are measured
            from now.
        claims: which claim says what.
        require: further claims that must be there.
        unknown_tenants: `refuse` tenants without a record, or `accept` them.
        refresh: how often the keys are fetched.
        stale_if_error: how long keys are used when they cannot be fetched.
        cooldown: least time between fetches because of an unknown `kid`.
    """

    issuer: Visible
    audiences: Annotated[tuple[Visible, ...], Field(min_length=1, examples=["[orders]"])]
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1, examples=["[RS256, ES256]"])]
    jwks: KeySource | None = None
    secret: SecretText | None = None
    ca: ExistingFile | None = None
    types: Annotated[tuple[Visible, ...], Field(min_length=1)] = ("JWT", "at+jwt")
    leeway: Duration = 30.0
    max_life: PositiveDuration = 86400.0
    claims: Claims = Claims()
    require: tuple[Claim, ...] = ()
    unknown_tenants: Literal["refuse", "accept"] = "refuse"
    refresh: PositiveDuration = 300.0
    stale_if_error: Duration = 86400.0
    cooldown: PositiveDuration = 30.0


class Introspection(Section):
    """Opaque tokens, which their issuer is asked about (RFC 7662).

    Attributes:
        url: the introspection endpoint.
        client_id: our id at the endpoint.
        client_secret: our secret there.
        ca: file with the authorities to trust; the system's if left out.
        prefix: what these tokens begin with; every Bearer that is nobody else's if left out.
        issuer: `iss` that an answer must have, if it has one.
        audiences: `aud` must hold one of them; none given: not asked.
        claims: which member of the answer says what.
        cache: how long an answer is used, at most until the token's end.
        timeout: how long an answer may take.
        unknown_tenants: `refuse` tenants without a record, or `accept` them.
    """

    url: HttpUrl
    client_id: Visible
    client_secret: SecretText
    ca: ExistingFile | None = None
    prefix: Word | None = None
    issuer: Visible | None = None
    audiences: Annotated[tuple[Visible, ...], Field(min_length=1, examples=["[orders]"])] = ()
    claims: Claims = Claims()
    cache: Duration = 30.0
    timeout: PositiveDuration = 2.0
    unknown_tenants: Literal["refuse", "accept"] = "refuse"


class TokenCache(Section):
    """The memory of verified tokens; each use is checked for expiry and revocation (AN-16).

    Attributes:
        entries: most tokens that are remembered.
        token_size: longest token in bytes; a longer one is refused.
    """

    entries: Count = 10_000
    token_size: Count = 8192
