"""Add security fields to every response and take revealing ones away (RS-1, RS-3).

Modes of a field: `set` replaces the upstream's, `default` yields to it, `append` joins it unless the
same value is there, `remove` takes it away. A field never stands twice by our doing.
"""

from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.headers import Field
from sidecar.model.memo import Memo
from sidecar.policy.schema.headers import Headers

_HSTS: Final = b"strict-transport-security"
# Server software, its version and its framework help an attacker and nobody else.
_REVEALING: Final = (
    "Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Runtime",
    "X-Generator",
)  # fmt: skip

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
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        },
        _REVEALING,
    ),
    "web": (
        {"X-Content-Type-Options": "nosniff", "X-XSS-Protection": "0"},
        {
            "Content-Security-Policy": (
                "default-src 'self'; object-src 'none'; base-uri 'self'; "
                "form-action 'self'; frame-ancestors 'self'"
            ),
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        },
        _REVEALING,
    ),
}

_KEPT: Final = 0
_TAKEN: Final = 1
_NOTED: Final = 2


class SecurityHeaders:
    """Write the security fields that the policy asks for."""

    name: ClassVar[str] = "security_headers"
    may_read: ClassVar[frozenset[str]] = frozenset({"is_secure", "connection"})

    def __init__(self, headers: Headers) -> None:
        preset_set, preset_default, preset_remove = _PRESETS[headers.preset]
        named = {n.lower() for n in (*headers.set, *headers.default, *headers.append, *headers.remove)}
        self._set = _lines({**_without(preset_set, named), **headers.set})
        self._default = _lines({**_without(preset_default, named), **headers.default})
        self._append = _lines(headers.append)
        removed = (*headers.remove, *(n for n in preset_remove if n.lower() not in named))
        hsts = None if headers.hsts is None else (b"Strict-Transport-Security", headers.hsts.encode())
        self._hsts = hsts if _HSTS.decode() not in named else None
        self._taken = frozenset(
            (*(n.lower().encode() for n in removed), *(n.lower() for n, _ in self._set))
        ) | ({_HSTS} if self._hsts or headers.hsts is None else frozenset())
        self._noted = frozenset(n.lower() for n, _ in (*self._default, *self._append))
        self._treatment = Memo(self._judge)

    def apply(self, exchange: Exchange) -> None:
        """Rewrite the fields of one response.

        Source: RFC 6797 §7.2 (never over clear text). Controls: RS-1, RS-3.
        """
        known = self._treatment.known
        kept = []
        present: list[Field] = []
        for line in exchange.response_fields:
            name = line[0]
            try:
                treatment = known[name]
            except KeyError:
                treatment = self._treatment(name)
            if treatment == _TAKEN:
                continue
            kept.append(line)
            if treatment:
                present.append((name.lower(), line[1]))
        kept += self._set
        if present:
            names = [name for name, _ in present]
            kept += [line for line in self._default if line[0].lower() not in names]
        else:
            kept += self._default
        if self._append:
            kept += [line for line in self._append if (line[0].lower(), line[1]) not in present]
        if self._hsts is not None and getattr(exchange, "is_secure", exchange.connection.is_tls):
            kept.append(self._hsts)
        exchange.response_fields = kept

    def _judge(self, name: bytes) -> int:
        lower = name.lower()
        if lower in self._taken:
            return _TAKEN
        return _NOTED if lower in self._noted else _KEPT


def _lines(fields: dict[str, str]) -> tuple[Field, ...]:
    return tuple((name.encode(), value.encode()) for name, value in fields.items())


def _without(fields: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name.lower() not in names}
