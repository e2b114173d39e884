"""Values of policies: whether two are the same, and how they may be shown."""

import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from sidecar.decision.diff.changes import Side
from sidecar.model.secret import Secret
from sidecar.policy.nodes import quoted
from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.quantities import Allowance, Rate, write_duration
from sidecar.policy.schema.section import Section

_SHOWN: Final = 5
"""Most items of a list that are shown."""
_DIGEST: Final = 12
"""Hex digits that tell contents of files apart."""


def normal(value: object) -> object:
    """Bring a value into a form in which two that mean the same are equal.

    Names of files are left to the rules that know of them: no other word may stand for a file.
    """
    match value:
        case Secret():
            return "secret", value.reveal()
        case NamedFile():
            return "file", value.content
        case Section():
            names = type(value).model_fields
            return type(value), tuple((name, normal(getattr(value, name))) for name in names)
        case Mapping():
            return frozenset((name, normal(one)) for name, one in value.items())
        case tuple():
            return tuple(normal(one) for one in value)
        case _:
            return value


def is_same(old: object, new: object) -> bool:
    """Whether two values mean the same."""
    return normal(old) == normal(new)


def shown(value: object) -> str:
    """Write a value for people: short, and only what can be no secret."""
    match value:
        case None | bool():
            return "none" if value is None else str(value).lower()
        case float():
            return write_duration(value)
        case int() | Rate() | Allowance() | IPv4Network() | IPv6Network():
            return str(value)
        case str():
            return quoted(value.partition("?")[0])
        case _:
            return "a value"


def listed(values: Iterable[object]) -> str:
    """Write the first ones of a list, each as it is shown."""
    words = [one if isinstance(one, str) else shown(one) for one in values]
    more = len(words) - _SHOWN
    text = ", ".join(words[:_SHOWN])
    return f"{text} and {more} more" if more > 0 else text or "none"


def from_to(old: object, new: object) -> str:
    """Write how a value changes."""
    return f"{shown(old)} → {shown(new)}"


def content_of(side: Side, value: object) -> object:
    """Say what stands in a file that a policy names: the digest of its content, else its name.

    A file that was another one at each reading is like no other.
    """
    digest = None if value is None else side.files.get(str(value))
    return value if digest is None else digest or object()


def short(content: object) -> str:
    """Tell contents of files apart by a few digits; no secret comes here."""
    return hashlib.sha256(repr(normal(content)).encode()).hexdigest()[:_DIGEST]


def local(side: Side, value: object) -> object:
    """Name a file as the policy does where it lies below the policy's folder."""
    prefix = f"{side.folder}/"
    return value.removeprefix(prefix) if isinstance(value, str) else value
