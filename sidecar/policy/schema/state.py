"""The sections `state` and `secrets`: where keys and tenants are kept, and what protects them."""

import re
from base64 import b64decode
from binascii import Error as NotBase64Error
from typing import Annotated, Final, Literal

from sidecar.model.secret import Secret
from sidecar.policy.schema.files import ExistingFile, SecretText, fetch_secret, resolve_name
from sidecar.policy.schema.quantities import PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    BeforeValidator,
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import Written, misfit, text_of

_REDIS: Final = re.compile(r"rediss?://[A-Za-z0-9_.\[\]:,-]+(/[0-9]{1,4})?\Z")
_STATE_HINT: Final = "memory, sqlite:PATH or redis://host:6379/0"


def _where(value: object) -> str:
    text = text_of(value, "redis://redis:6379/0")
    if text in {"memory", "sqlite:"} or _REDIS.match(text):
        return str(text)
    if text.startswith("sqlite:"):
        name = text.removeprefix("sqlite:")
        if isinstance(text, Written):
            name = Written.of(name, text.folder, is_filled=text.is_filled)
        return f"sqlite:{resolve_name(name)}"
    if "@" in text:
        raise misfit("holds credentials", "user and password as keys of state", is_quoted=False)
    raise misfit("is no state store", _STATE_HINT)


class State(Section):
    """The state store: keys, tenants, revocations and sealed secrets.

    Attributes:
        store: `memory`, `sqlite:PATH` or `redis://host:port/number`; `rediss://` speaks TLS;
            several hosts are joined by commas. SQLite in the user's state folder if left out.
        topology: what answers at a Redis URL: one server, Sentinels, or a Cluster.
        master: name of the master that the Sentinels watch.
        user: user of Redis (ACL).
        password: password of Redis.
        ca: file with the authorities to trust for `rediss://`; the system's if left out.
        prefix: what names of Redis keys begin with, so that several sidecars can share a server.
        timeout: how long one answer may take.
        poll: how often changes of others are asked for; a push shortens it.
    """

    store: Annotated[
        str,
        PlainValidator(_where),
        WithJsonSchema({"type": "string", "minLength": 1}),
        Field(examples=["redis://redis:6379/0", "sqlite:/var/lib/sidecar/state.db", "memory"]),
    ] = "sqlite:"
    topology: Literal["single", "sentinel", "cluster"] = "single"
    master: str = "mymaster"
    user: str | None = None
    password: SecretText | None = None
    ca: ExistingFile | None = None
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "sidecar"
    timeout: PositiveDuration = 1.0
    poll: PositiveDuration = 1.0

    @property
    def is_redis(self) -> bool:
        """Whether a server is asked that several sidecars share."""
        return self.store.startswith("redis")

    @model_validator(mode="before")
    @classmethod
    def _store_alone(cls, value: object) -> object:
        if isinstance(value, str):
            return {"store": value}
        if not isinstance(value, dict | State):
            raise misfit("is no state store", _STATE_HINT)
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"title": "State", "anyOf": [dict(whole["properties"]["store"]), whole]}


_MASTER_KEY_BYTES: Final = 32
_MASTER_KEY_HINT: Final = "32 random bytes, as they are, in hex or in base64: openssl rand -hex 32"
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*\Z")
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+\Z")


def _master_key(value: object, info: ValidationInfo) -> Secret:
    """Read a key for AES-256 from the three spellings that one may have.

    Printable bytes are always a spelling: 32 of them taken as the key itself would hide that it is
    a password, or half a key in hex.
    """
    written = fetch_secret(text_of(value, "file:/secrets/master"), info)
    spelled = written.rstrip(b"\r\n")
    if not spelled:
        raise misfit("is an empty secret", _MASTER_KEY_HINT, is_quoted=False)
    if not _PRINTABLE.match(spelled):
        # A key as it is may well end in the byte of a line break.
        key = written if len(written) == _MASTER_KEY_BYTES else spelled
    elif _HEX.match(spelled) and len(spelled) <= 2 * _MASTER_KEY_BYTES:
        key = bytes.fromhex(spelled.decode())
    else:
        key = _of_base64(spelled)
    if len(key) != _MASTER_KEY_BYTES:
        raise misfit(f"has {len(key)} bytes, not 32", _MASTER_KEY_HINT, is_quoted=False)
    return Secret(key)


def _of_base64(text: bytes) -> bytes:
    """Decode either alphabet of RFC 4648, padded or not."""
    standard = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except NotBase64Error as error:
        raise misfit("is neither hex nor base64", _MASTER_KEY_HINT, is_quoted=False) from error


MasterKey = Annotated[
    Secret,
    PlainValidator(_master_key),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["file:/secrets/master"]}),
]


_TEXT: Final = {"type": "string", "minLength": 1}
_RING_SCHEMA: Final = WithJsonSchema(
    {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
)


def _ring(value: object) -> object:
    return value if isinstance(value, list) else [value]


class Secrets(Section):
    """What protects the state store; each is `file:PATH` or `env:NAME`.

    Attributes:
        pepper: secret that the digests of keys depend on (AN-3), or a list, the newest first: keys
            of the older ones are still accepted.
        master_key: 32 random bytes, as they are or in base64 or hex, that seal secrets at rest
            (SE-1); or a list, the newest first.
    """

    pepper: (
        Annotated[
            tuple[SecretText, ...],
            BeforeValidator(_ring),
            Field(min_length=1, examples=["file:/secrets/pepper"]),
            _RING_SCHEMA,
        ]
        | None
    ) = None
    master_key: (
        Annotated[
            tuple[MasterKey, ...],
            BeforeValidator(_ring),
            Field(min_length=1, examples=["file:/secrets/master"]),
            _RING_SCHEMA,
        ]
        | None
    ) = None
