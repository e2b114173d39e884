"""Files and secrets that a policy names."""

from dataclasses import dataclass
from typing import Annotated, Final

from sidecar.model.secret import Secret
from sidecar.policy.schema.words import PlainValidator, ValidationInfo, WithJsonSchema
from sidecar.policy.written import Written, misfit, sources_of, text_of

_SOURCES_HINT: Final = "file:PATH or env:NAME"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that was read when the policy was loaded.

    Attributes:
        name: its name, resolved against the folder of the policy.
        content: its bytes.
    """

    name: str
    content: bytes


def resolve_name(value: object) -> str:
    """Resolve a file name against the folder of the policy that names it."""
    text = text_of(value, "/etc/sidecar/tls.crt")
    if not text or "\0" in text:
        raise misfit("is no file name", "the name of a file, relative to this policy or absolute")
    return str(text.folder / text) if isinstance(text, Written) else text


def existing_name(value: object, info: ValidationInfo) -> str:
    """Resolve a file name and make sure that the file can be read."""
    name = resolve_name(value)
    sources_of(info).content_of(name)
    return name


def read_file(value: object, info: ValidationInfo) -> NamedFile:
    """Read a file that the policy names."""
    name = resolve_name(value)
    return NamedFile(name, sources_of(info).content_of(name))


def read_secret(value: object, info: ValidationInfo) -> Secret:
    """Fetch a secret from where the policy says: a file, a variable, or the policy itself."""
    text = text_of(value, _SOURCES_HINT)
    secret = fetch_secret(text, info)
    if text.startswith("file:"):
        # Editors and `echo` end a file with a line break that is not part of the secret.
        secret = secret.rstrip(b"\r\n")
    if not secret:
        raise misfit("is an empty secret", _SOURCES_HINT, is_quoted=False)
    return Secret(secret)


def fetch_secret(text: str, info: ValidationInfo) -> bytes:
    """Fetch what a secret's source holds, byte by byte."""
    scheme, separator, rest = text.partition(":")
    if separator and scheme == "file":
        return _from_file(text, rest, info)
    if separator and scheme == "env":
        return _from_variable(rest, info)
    return text.encode()


def _from_file(text: str, name: str, info: ValidationInfo) -> bytes:
    inherited = name
    if isinstance(text, Written):
        inherited = Written.of(name, text.folder, is_filled=text.is_filled)
    return sources_of(info).content_of(resolve_name(inherited))


def _from_variable(name: str, info: ValidationInfo) -> bytes:
    value = sources_of(info).environ.get(name)
    if value is None:
        raise misfit("names a variable that is not set", f"set it, or write {_SOURCES_HINT}")
    return value.encode(errors="surrogateescape")


_FILE_SCHEMA: Final = WithJsonSchema({"type": "string", "minLength": 1})

FileName = Annotated[str, PlainValidator(resolve_name), _FILE_SCHEMA]
ExistingFile = Annotated[str, PlainValidator(existing_name), _FILE_SCHEMA]
ReadFile = Annotated[NamedFile, PlainValidator(read_file), _FILE_SCHEMA]
SecretText = Annotated[
    Secret,
    PlainValidator(read_secret),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "examples": ["file:/secrets/admin", "env:ADMIN_TOKEN"]}
    ),
]
