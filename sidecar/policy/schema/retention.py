"""The section `audit.retention`: how long records of each class are kept (AU-4)."""

from typing import Annotated, Final, Literal

from sidecar.model.events import RecordClass
from sidecar.policy.schema.alone import word_or_section
from sidecar.policy.schema.quantities import DURATION_SCHEMA, parse_duration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    model_validator,
)
from sidecar.policy.written import misfit

DAY: Final = 86400.0
USUAL: Final = 90 * DAY
"""What AU-4 asks for."""


def _keeping(value: object) -> float:
    seconds = parse_duration(value)
    if seconds < DAY:
        raise misfit("is shorter than a day", "1d at least; 90d is usual")
    return seconds


Keeping = Annotated[
    float, PlainValidator(_keeping), DURATION_SCHEMA, Field(examples=["90d", "400d"])
]
Kept = Literal["requests", "actions", "security", "admin", "alerts"]


class Retention(Section):
    """How long records stay in files, until `sidecar audit purge`; a duration is `default`.

    Attributes:
        default: for classes that say nothing else.
        requests: what callers asked for.
        actions: actions that the policy names for its routes.
        security: failures to authenticate, blocks, revocations.
        admin: what operators did and read.
        alerts: alerts on privileged access.
        legal: classes that `sidecar audit erase-tenant` leaves, until their time is over.
    """

    default: Keeping = USUAL
    requests: Keeping | None = None
    actions: Keeping | None = None
    security: Keeping | None = None
    admin: Keeping | None = None
    alerts: Keeping | None = None
    legal: tuple[Kept, ...] = ("security",)

    def of(self, kept_as: RecordClass) -> float:
        """Say how long records of a class are kept, in seconds.

        What the trail says of itself stays as long as anything else does.
        """
        own: dict[RecordClass, float | None] = {
            RecordClass.REQUESTS: self.requests,
            RecordClass.ACTIONS: self.actions,
            RecordClass.SECURITY: self.security,
            RecordClass.ADMIN: self.admin,
            RecordClass.ALERTS: self.alerts,
        }
        spans = {one: self.default if span is None else span for one, span in own.items()}
        return spans.get(kept_as, max(spans.values()))

    @model_validator(mode="before")
    @classmethod
    def _span_alone(cls, value: object) -> object:
        return value if isinstance(value, dict | Retention) else {"default": value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        return word_or_section(core_schema, handler, title="Retention", word="default")
