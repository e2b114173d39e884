"""A caller, as tests and `sidecar explain` name one."""

from typing import Annotated, Literal, Self

from sidecar.model.identity import Method, Principal
from sidecar.policy.schema.names import Role, Scope, TenantName, Word
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field, model_validator
from sidecar.policy.written import misfit


class Caller(Section):
    """Who calls: a principal that no credential has to prove, or a credential; nobody if empty.

    Attributes:
        tenant: tenant that the caller belongs to.
        roles: roles in it.
        memberships: roles by tenant, for a caller of several.
        method: how the caller proved who they are; by an API key if left out, unless the policy has
            none.
        login: login method; that of `method` if left out.
        scopes: scopes of the credential.
        kind: kind of the API key; the first of the policy if left out.
        project: project that the key is bound to.
        tier: tier of the credential itself.
        subject: who it is.
        read_only: whether the key reaches safe methods alone.
        attributes: further facts, for conditions and limits.
        key: an API key that is sent as it is.
        jwt: a token that is sent as it is.
    """

    tenant: TenantName | None = None
    roles: Annotated[tuple[Role, ...], Field(examples=["[viewer]"])] = ()
    memberships: Annotated[
        dict[TenantName, tuple[Role, ...]], Field(examples=["{acme: [viewer]}"])
    ] = Field(default_factory=dict)
    method: Literal["api_key", "jwt", "introspection"] = "api_key"
    login: Word | None = None
    scopes: Annotated[tuple[Scope, ...], Field(examples=["[orders:write]"])] = ()
    kind: Word | None = None
    project: TenantName | None = None
    tier: Word | None = None
    subject: str = "somebody"
    read_only: Flag = False
    attributes: dict[Word, object] = Field(default_factory=dict)
    key: str | None = None
    jwt: str | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        given = self.model_fields_set
        if (self.key is not None or self.jwt is not None) and len(given) > 1:
            raise misfit(
                "a credential says by itself who calls",
                "either key, or jwt, or facts such as tenant and roles",
                is_quoted=False,
            )
        if "roles" in given and "tenant" not in given:
            raise misfit("roles are roles in a tenant", "tenant: acme beside them", is_quoted=False)
        if "tenant" in given and "memberships" in given:
            raise misfit(
                "the tenants of the caller stand in two places",
                "either tenant and roles, or memberships",
                is_quoted=False,
            )
        return self

    def method_under(self, policy: Policy) -> Method:
        """Say how the caller proved who they are.

        Args:
            policy: names the methods that there are.
        """
        methods = policy.authentication.methods
        if "method" in self.model_fields_set or not methods:
            return Method(self.method)
        return Method(methods[0])

    def principal(self, policy: Policy) -> Principal | None:
        """Make who it stands for; None for nobody, and for a credential.

        Args:
            policy: names the kind of keys.
        """
        if not self.model_fields_set or self.key is not None or self.jwt is not None:
            return None
        method = self.method_under(policy)
        own = {} if self.tenant is None else {self.tenant: self.roles}
        keys = policy.authentication.api_keys
        kind = self.kind
        if kind is None and method is Method.API_KEY and keys is not None:
            kind = keys.formats[0].kind
        return Principal(
            method,
            self.subject,
            "rehearsed",
            memberships=dict(self.memberships) or own,
            scopes=frozenset(self.scopes),
            login=self.login or method.value,
            tier=self.tier,
            kind=kind,
            project=self.project,
            is_read_only=self.read_only,
            accepts_unknown_tenant=True,
            attributes=self.attributes,
        )
