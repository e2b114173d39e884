"""The section `audit`: where the record of every request goes."""

from typing import Annotated, Literal

from sidecar.policy.schema.alerts import Alerts, Pseudonyms
from sidecar.policy.schema.assertion import SigningKey
from sidecar.policy.schema.files import FileName
from sidecar.policy.schema.names import Word
from sidecar.policy.schema.quantities import Duration, PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    Tag,
    model_validator,
)
from sidecar.policy.written import misfit


class StdoutSink(Section):
    """JSON lines on standard output."""

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: object) -> object:
        return {} if value == "stdout" else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Show editors the only form there is."""
        del core_schema, handler
        return {"const": "stdout", "title": "Standard output"}


class FileSink(Section):
    """JSON lines in a file.

    Attributes:
        file: name of the file; it is created, appended to, and opened again on SIGHUP.
    """

    file: Annotated[FileName, Field(examples=["/var/log/sidecar/audit.jsonl"])]

    @model_validator(mode="before")
    @classmethod
    def _mapping_alone(cls, value: object) -> object:
        if not isinstance(value, dict | FileSink):
            raise misfit("is no sink", "stdout, or a mapping with file")
        return value


def _kind(value: object) -> str:
    return "<stdout>" if value == "stdout" or isinstance(value, StdoutSink) else "<file>"


# The tags cannot be keys of a policy: the decoder leaves them out of paths.
Sink = Annotated[
    Annotated[StdoutSink, Tag("<stdout>")] | Annotated[FileSink, Tag("<file>")],
    Discriminator(_kind),
]


class Audit(Section):
    """The audit trail.

    Attributes:
        sinks: where records go: `stdout`, or a mapping with `file`.
        requests: `all` records every request, `refused` only what was neither admitted nor
            answered.
        flush: how long records may wait to be written together.
        pseudonyms: pseudonyms in the place of addresses and e-mail addresses; off if left out.
        alerts: alerts on privileged access; off if left out.
        signing_key: Ed25519 private key in PEM that signs the trail (AU-6); without one it is
            chained only.
        checkpoint: how often the trail is signed while records come; a clean stop and a rotation
            sign it too.
        export_tiers: tiers whose tenants may have an export of their records; all if left out.
    """

    sinks: Annotated[tuple[Sink, ...], Field(min_length=1, examples=["[stdout]"])] = (StdoutSink(),)
    requests: Literal["all", "refused"] = "all"
    flush: Duration = 0.2
    pseudonyms: Annotated[
        Pseudonyms | None, Field(examples=["{key: file:/secrets/pseudonyms}"])
    ] = None
    alerts: Annotated[Alerts | None, Field(examples=["{}"])] = None
    signing_key: Annotated[SigningKey | None, Field(examples=["file:/secrets/audit.pem"])] = None
    checkpoint: Annotated[PositiveDuration, Field(examples=["60s"])] = 60.0
    export_tiers: Annotated[
        tuple[Word, ...] | None, Field(min_length=1, examples=["[enterprise]"])
    ] = None
