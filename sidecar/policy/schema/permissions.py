"""The sections `roles` and `permissions`: who may do what (AZ-1, AZ-2, AZ-8)."""

from typing import Annotated, Self

from sidecar.policy.schema.names import Role, Word
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    model_validator,
)
from sidecar.policy.written import misfit


class Grant(Section):
    """Who has a permission: a minimum role, or a list of roles, or a mapping of these.

    Attributes:
        minimum: least role of the hierarchy.
        roles: the roles that have it, each by name.
        logins: login methods that it demands, such as `sso`; none given: any (AZ-8).
    """

    minimum: Role | None = None
    roles: tuple[Role, ...] = ()
    logins: Annotated[tuple[Word, ...], Field(min_length=1, examples=["[sso]"])] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if isinstance(value, str):
            return {"minimum": value}
        if isinstance(value, list):
            return {"roles": value}
        if not isinstance(value, dict | Grant):
            raise misfit("grants to nobody", "developer, [owner, admin], or a mapping with roles")
        return value

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.minimum is None) == (not self.roles):
            raise misfit(
                "needs one of minimum and roles",
                "a minimum role such as developer, or a list such as [owner, admin]",
                is_quoted=False,
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short forms in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        properties = whole["properties"]
        short = [{"type": "string", "minLength": 1}, dict(properties["roles"])]
        return {"title": "Grant", "anyOf": [*short, whole]}


Roles = Annotated[
    tuple[Role, ...],
    Field(min_length=1, examples=["[owner, admin, developer, viewer]"]),
]
Permissions = dict[Word, dict[Word, Grant]]
