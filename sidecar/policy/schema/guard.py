"""Who may use a route, as a section of its own: what operations of a document are guarded by."""

from typing import Annotated, Literal

from sidecar.policy.schema.names import Permission, Role, Scope, Word
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field


class Guard(Section):
    """Who may use operations that do not say it themselves by `x-sidecar`; keys as in `routes`.

    Attributes:
        public: true admits everybody.
        role: least role of the hierarchy that is admitted.
        permission: permission that is needed.
        scopes: scopes that are needed, all of them.
        condition: expression in CEL that must be true.
        authenticate: methods that are accepted.
        key_kinds: kinds of API keys that are accepted.
        logins: login methods that are accepted.
    """

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
