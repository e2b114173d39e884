"""Add security fields to every response and take revealing ones away (RS-1, RS-3).

Modes of a field: `set` replaces the upstream's, `default` yields to it, `append` joins it unless
the same value is there, `remove` takes it away. A field never stands twice by our doing. HSTS is
sent over TLS alone, whichever mode names it.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.memo import LineMemo
from sidecar.model.route import ResponseStep
from sidecar.policy.schema.headers import Headers

_HSTS: Final = "strict-transport-security"
# What the upstream says of these never passes: TLS ends here, and so do request ids.
_OURS_ALONE: Final = frozenset((_HSTS, "x-request-id"))
# Server software, its version and its framework help an attacker and nobody else.
REVEALING: Final = (
    "server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-runtime",
    "x-generator",
)  # fmt: skip
"""Fields that tell what the service is made of."""

_SET: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The old filter could be turned against pages; the value that switches it off is the safe one.
    "X-XSS-Protection": "0",
}
_PRESETS: Final[dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...]]]] = {
    "none": ({}, {}, ()),
    "api": (
        _SET,
        {
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        },
        REVEALING,
    ),
    "web": (
        {"X-Content-Type-Options": "nosniff", "X-XSS-Protection": "0"},
        {
            "Content-Security-Policy": (
                "default-src 'self'; object-src 'none'; base-uri 'self'; "
                "form-action 'self'; frame-ancestors 'none'"
            ),
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        },
        REVEALING,
    ),
}

_KEPT: Final = 0
_TAKEN: Final = 1
_NOTED: Final = 2


class SecurityHeaders(ResponseStep):
    """Write the security fields that the policy asks for."""

    name: ClassVar[str] = "security_headers"
    may_read: ClassVar[frozenset[str]] = frozenset({"is_secure", "connection"})

    def __init__(self, headers: Headers, elsewhere: AbstractSet[str] = frozenset()) -> None:
        """Make the lists of fields.

        Args:
            headers: the section.
            elsewhere: fields that another step writes, in lower case: the preset leaves them alone.
        """
        preset_set, preset_default, preset_remove = _PRESETS[headers.preset]
        remove = {name.lower() for name in headers.remove}
        named = remove.union(
            elsewhere, *map(_names, (headers.set, headers.default, headers.append))
        )
        own_set = {**_without(preset_set, named), **headers.set}
        own_default = {**_without(preset_default, named), **headers.default}
        self._set = _lines(own_set)
        self._default = _lines(own_default)
        self._append = _lines(headers.append)
        # What a response without any of these fields gets, which is most of them, in one piece.
        usual = b"\r\n".join((*self._set, *self._default, *self._append))
        self._usual = [usual] if usual else []
        self._hsts = _hsts(headers)
        revealing = {name for name in preset_remove if name not in named}
        taken = remove | revealing | _names(own_set) | _OURS_ALONE
        self._taken = frozenset(name.encode() for name in taken)
        self._noted = frozenset(_name(line) for line in (*self._default, *self._append))
        self._treatment = LineMemo(self._judge)

    def apply(self, exchange: Exchange) -> None:
        """Rewrite the field lines of one response.

        Source: RFC 6797 §7.2 (never over clear text). Controls: RS-1, RS-3.
        """
        known = self._treatment.known
        kept = []
        noted = []
        for line in exchange.response_lines:
            treatment = known.get(line)
            if treatment is None:
                treatment = self._treatment(line)
            if treatment == _TAKEN:
                continue
            kept.append(line)
            if treatment:
                noted.append(line)
        kept += self._usual if not noted else self._beside(noted)
        if self._hsts is not None and _is_secure(exchange):
            kept.append(self._hsts)
        exchange.response_lines = kept

    def _beside(self, noted: list[bytes]) -> list[bytes]:
        """Choose our fields where the upstream sent some of the same names."""
        names = {_name(line) for line in noted}
        present = {(_name(line), line.partition(b":")[2].strip()) for line in noted}
        return [
            *self._set,
            *(line for line in self._default if _name(line) not in names),
            *(
                line
                for line in self._append
                if (_name(line), line.partition(b":")[2].strip()) not in present
            ),
        ]

    def _judge(self, line: bytes) -> int:
        name = _name(line)
        if name in self._taken:
            return _TAKEN
        return _NOTED if name in self._noted else _KEPT


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _names(fields: Iterable[str]) -> set[str]:
    return {name.lower() for name in fields}


def _lines(fields: Mapping[str, str]) -> tuple[bytes, ...]:
    return tuple(
        f"{name}: {value}".encode() for name, value in _without(fields, _OURS_ALONE).items()
    )


def _without(fields: Mapping[str, str], names: AbstractSet[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name.lower() not in names}


def _hsts(headers: Headers) -> bytes | None:
    """Choose the value of Strict-Transport-Security: of a mode that names it, else of `hsts`."""
    value = headers.hsts
    for name, own in (*headers.set.items(), *headers.default.items(), *headers.append.items()):
        if name.lower() == _HSTS:
            value = own
    if value is None or _HSTS in _names(headers.remove):
        return None
    return b"Strict-Transport-Security: " + value.encode()


def _is_secure(exchange: Exchange) -> bool:
    try:
        return exchange.is_secure
    except AttributeError:
        # The head could not be read: no step ran.
        return exchange.connection.is_tls
