"""The section `audit`: where the record of every request goes."""

import re
from typing import Annotated, Final, Literal, Self

from sidecar.policy.schema.alerts import Alerts, Pseudonyms
from sidecar.policy.schema.assertion import SigningKey
from sidecar.policy.schema.files import ExistingFile, FileName, SecretText
from sidecar.policy.schema.jwt import HttpUrl
from sidecar.policy.schema.names import FieldName, Word
from sidecar.policy.schema.quantities import Count, Duration, PositiveDuration, PositiveSize
from sidecar.policy.schema.retention import Retention
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.state import State
from sidecar.policy.schema.words import (
    CoreSchema,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import misfit, text_of


class Spill(Section):
    """A file for records that wait for a sink whose queue is full.

    Attributes:
        file: name of the file, of this sink alone; all processes of the sidecar share it.
        size: bytes that it may hold; what was written to the sink counts until all was.
    """

    file: Annotated[FileName, Field(examples=["/var/lib/sidecar/audit.spill"])]
    size: PositiveSize = 10**9


class Queued(Section):
    """A sink with a queue before it.

    Attributes:
        queue: bytes of records that may wait in memory for the sink.
        on_full: what happens when more would wait: `drop` gives up the newest and counts them,
            `spill` puts them on disk, `block` refuses new requests with 503 until there is room.
        spill: the file for `on_full: spill`.
    """

    queue: PositiveSize = 8 << 20
    on_full: Literal["block", "spill", "drop"] = "drop"
    spill: Spill | None = None


class StdoutSink(Queued):
    """JSON lines on standard output; `stdout` alone stands for it too.

    Attributes:
        stdout: marks this sink among others.
        queue: bytes of records that may wait in memory for the sink.
        on_full: what happens when more would wait: `drop` gives up the newest and counts them,
            `spill` puts them on disk, `block` refuses new requests with 503 until there is room.
        spill: the file for `on_full: spill`.
    """

    stdout: Literal[True] = True

    @property
    def name(self) -> str:
        """What metrics and logs call it."""
        return "stdout"

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: object) -> object:
        return {} if value == "stdout" else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the word alone in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {
            "title": "Standard output",
            "anyOf": [{"const": "stdout"}, {**whole, "required": ["stdout"]}],
        }


class Rotate(Section):
    """When a file is given another name: its own, and a number; 1 is the newest of the old ones.

    Attributes:
        size: before it grows beyond this.
        age: at the first record that comes so long after its first one; never if left out.
        keep: how many old files are kept; the oldest is removed.
    """

    size: PositiveSize = 100 * 10**6
    age: PositiveDuration | None = None
    keep: Count = 10


class FileSink(Queued):
    """JSON lines in a file.

    Attributes:
        file: name of the file; it is created, appended to, and opened again on SIGHUP.
        rotate: when it is rotated; by others if left out.
        queue: bytes of records that may wait in memory for the sink.
        on_full: what happens when more would wait: `drop` gives up the newest and counts them,
            `spill` puts them on disk, `block` refuses new requests with 503 until there is room.
        spill: the file for `on_full: spill`.
    """

    file: Annotated[FileName, Field(examples=["/var/log/sidecar/audit.jsonl"])]
    rotate: Rotate | None = None

    @property
    def name(self) -> str:
        """What metrics and logs call it."""
        return self.file

    @model_validator(mode="before")
    @classmethod
    def _mapping_alone(cls, value: object) -> object:
        if not isinstance(value, dict | FileSink):
            raise misfit(
                "is no sink", "stdout, or a mapping with file, syslog, http or redis_stream"
            )
        return value


_SYSLOG: Final = re.compile(r"(tls|tcp)://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?\Z")
_SYSLOG_HINT: Final = "tls://logs.example:6514"


def _syslog_url(value: object) -> str:
    text = text_of(value, _SYSLOG_HINT)
    if text.startswith("udp:"):
        raise misfit("may lose records unseen: UDP answers for nothing", _SYSLOG_HINT)
    if not _SYSLOG.match(text):
        raise misfit("is no address of a syslog server", _SYSLOG_HINT)
    return str(text)


class SyslogSink(Queued):
    """Messages of RFC 5424 for a syslog server, each with its length before it (RFC 6587).

    Attributes:
        syslog: `tls://host:port`, or `tcp://` for clear text; ports 6514 and 601 if left out.
        ca: file with the authorities to trust; the system's if left out.
        queue: bytes of records that may wait in memory for the sink.
        on_full: what happens when more would wait: `drop` gives up the newest and counts them,
            `spill` puts them on disk, `block` refuses new requests with 503 until there is room.
        spill: the file for `on_full: spill`.
    """

    syslog: Annotated[
        str,
        PlainValidator(_syslog_url),
        WithJsonSchema({"type": "string", "minLength": 1}),
        Field(examples=["tls://logs.example:6514"]),
    ]
    ca: ExistingFile | None = None

    @property
    def name(self) -> str:
        """What metrics and logs call it."""
        return self.syslog


class HttpSink(Queued):
    """JSON lines for an HTTP server: POST, packed with gzip.

    Attributes:
        http: URL of the server.
        headers: fields of the request by name, such as a token; `file:PATH` or `env:NAME`.
        ca: file with the authorities to trust; the system's if left out.
        queue: bytes of records that may wait in memory for the sink.
        on_full: what happens when more would wait: `drop` gives up the newest and counts them,
            `spill` puts them on disk, `block` refuses new requests with 503 until there is room.
        spill: the file for `on_full: spill`.
    """

    http: Annotated[HttpUrl, Field(examples=["https://logs.example/ingest"])]
    headers: Annotated[
        dict[FieldName, SecretText], Field(examples=["{Authorization: file:/secrets/logs}"])
    ] = Field(default_factory=dict)
    ca: ExistingFile | None = None

    @property
    def name(self) -> str:
        """What metrics and logs call it; a query may hold a secret."""
        return self.http.partition("?")[0]


class RedisSink(Queued):
    """Entries of a stream of Redis or Valkey; the field `record` of each is the JSON line.

    Attributes:
        redis_stream: key of the stream.
        maxlen: about so many of the newest entries are kept; all if left out.
        server: the server, as `state` has it; that of `state` if left out.
        queue: bytes of records that may wait in memory for the sink.
        on_full: what happens when more would wait: `drop` gives up the newest and counts them,
            `spill` puts them on disk, `block` refuses new requests with 503 until there is room.
        spill: the file for `on_full: spill`.
    """

    redis_stream: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.:{}-]{1,128}$", examples=["sidecar:audit"]),
    ]
    maxlen: Count | None = None
    server: State | None = None

    @property
    def name(self) -> str:
        """What metrics and logs call it."""
        return f"redis:{self.redis_stream}"


_KINDS: Final[tuple[tuple[str, type[Queued]], ...]] = (
    ("stdout", StdoutSink),
    ("syslog", SyslogSink),
    ("http", HttpSink),
    ("redis_stream", RedisSink),
)


def _kind(value: object) -> str:
    if value == "stdout":
        return "<stdout>"
    for key, section in _KINDS:
        if isinstance(value, section) or (isinstance(value, dict) and key in value):
            return f"<{key}>"
    return "<file>"


# The tags cannot be keys of a policy: the decoder leaves them out of paths.
Sink = Annotated[
    Annotated[StdoutSink, Tag("<stdout>")]
    | Annotated[FileSink, Tag("<file>")]
    | Annotated[SyslogSink, Tag("<syslog>")]
    | Annotated[HttpSink, Tag("<http>")]
    | Annotated[RedisSink, Tag("<redis_stream>")],
    Discriminator(_kind),
]


class Audit(Section):
    """The audit trail.

    Attributes:
        sinks: where records go: `stdout`, or a mapping with `file`, `syslog`, `http` or
            `redis_stream`.
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
        retention: how long records stay in files; for ever if left out.
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
    retention: Annotated[Retention | None, Field(examples=["90d"])] = None

    def on(self, state: State) -> Self:
        """Fill in the server of streams that name none: that of the state store."""
        sinks = tuple(
            sink.model_copy(update={"server": sink.server or state})
            if isinstance(sink, RedisSink)
            else sink
            for sink in self.sinks
        )
        return self.model_copy(update={"sinks": sinks})
