"""What a policy is, to the last byte of its secrets and files: so that a digest can name it.

Whoever acknowledges a change means exactly what was shown, and a line that hides a secret shows
nothing of it. A digest that is printed must not help to guess a secret either, so it is slow.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from sidecar.decision.diff.changes import Side
from sidecar.decision.diff.values import local
from sidecar.model.secret import Secret
from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.section import Section

_SALT: Final = b"sidecar diff"
_ROUNDS: Final = 20_000
"""About 10 ms."""


def fingerprint(old: Side, new: Side) -> str:
    """Name two policies, by what they mean and what stands in their files.

    Args:
        old: one policy.
        new: the other.

    Returns:
        Hex digits.
    """
    digest = hashlib.sha256()
    for side in (old, new):
        for part in _parts(side, side.policy):
            digest.update(b"%d:" % len(part))
            digest.update(part)
    return hashlib.pbkdf2_hmac("sha256", digest.digest(), _SALT, _ROUNDS).hex()


def _parts(side: Side, value: object) -> Iterator[bytes]:
    """Write a value as parts that no other value has."""
    match value:
        case Secret():
            yield from (b"secret", value.reveal())
        case NamedFile():
            yield from (b"file", value.content)
        case Section():
            yield type(value).__name__.encode()
            names = type(value).model_fields
            yield from _named(side, {name: getattr(value, name) for name in names})
        case Mapping():
            yield from _named(side, {str(name): one for name, one in value.items()})
        case tuple():
            yield from _named(side, {str(at): one for at, one in enumerate(value)})
        case str():
            yield b"text"
            yield str(local(side, value)).encode("utf-8", "surrogateescape")
            # A file that was another one at each reading has no digest, and nobody can mean it.
            yield side.files.get(value, "").encode()
        case _:
            yield repr(value).encode()


def _named(side: Side, values: Mapping[str, object]) -> Iterator[bytes]:
    yield b"%d" % len(values)
    for name in sorted(values):
        yield name.encode()
        yield from _parts(side, values[name])
