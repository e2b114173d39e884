"""The section `tenants`: tenants that the policy itself knows; others are in the state store."""

from typing import Annotated, Literal

from sidecar.policy.schema.addresses import Url
from sidecar.policy.schema.jwt import Visible
from sidecar.policy.schema.names import FieldName, TenantName, Word
from sidecar.policy.schema.origins import Origin
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field


class Project(Section):
    """A project of a tenant.

    Attributes:
        domains: registered domains: publishable keys of the project are locked to them (AN-8).
        system: true skips the cap on unregistered domains.
    """

    domains: tuple[Visible, ...] = ()
    system: Flag = False


class Tenant(Section):
    """A tenant; what the policy says of it comes before the state store.

    Attributes:
        status: only an `active` tenant is served.
        tier: tier of its callers whose credential names none.
        origins: web origins of its own, whose pages may use the service (RS-4).
        domains: host names and e-mail domains that it owns.
        projects: its projects.
        logins: login methods that its callers may use; none given: all.
        upstream: an upstream of its own (TN-6).
        upstream_credential: name of the tenant's secret that its upstream gets in `Authorization`.
        attributes: further facts, for conditions.
    """

    status: Literal["active", "suspended"] = "active"
    tier: Word | None = None
    origins: Annotated[tuple[Origin, ...], Field(examples=["[https://app.acme.example]"])] = ()
    domains: tuple[Visible, ...] = ()
    projects: dict[TenantName, Project] = Field(default_factory=dict)
    logins: Annotated[tuple[Word, ...], Field(min_length=1, examples=["[sso]"])] = ()
    upstream: Annotated[Url | None, Field(examples=["http://acme:3000"])] = None
    upstream_credential: Word | None = None
    attributes: dict[Word, str] = Field(default_factory=dict)


class IdentityHeaders(Section):
    """Header fields that tell the upstream who the caller is; null switches one off (TN-3).

    Default and configured names are always taken out of what clients send, in every spelling.

    Attributes:
        tenant: the tenant's id.
        subject: who the caller is.
        roles: roles in the tenant, joined by commas.
        scopes: scopes, joined by blanks.
        tier: tier of the caller.
        key_id: id of the API key.
    """

    tenant: FieldName | None = "X-Tenant-Id"
    subject: FieldName | None = "X-User-Id"
    roles: FieldName | None = "X-Roles"
    scopes: FieldName | None = "X-Scopes"
    tier: FieldName | None = "X-Tier"
    key_id: FieldName | None = "X-Key-Id"
