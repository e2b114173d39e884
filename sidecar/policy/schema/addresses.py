"""Addresses, networks, host names and upstream URLs of the policy."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final

from sidecar.policy.schema.words import PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of

_PORT_MAX: Final = 65535
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?\Z")
_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]/@\s]*)):([0-9]{1,5})\Z")
_URL: Final = re.compile(
    r"(https?)://(?:\[([0-9A-Fa-f:.]+)\]|([^:/?#@\[\]\s]+))(?::([0-9]{1,5}))?/?\Z"
)
_UNIX: Final = re.compile(r"unix://(/[^\x00-\x20\x7f?#]+)\Z")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_ADDRESS_HINT: Final = "host:port, such as 0.0.0.0:8080 or [::1]:8080"
_URL_HINT: Final = "http://127.0.0.1:3000, https://app.internal or unix:///run/app.sock"
_NETWORK_HINT: Final = "an address or a network, such as 10.0.0.0/8 or 2001:db8::/32"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds.

    Attributes:
        host: IP address without brackets, or host name.
        port: 0 to 65535; 0 lets the system choose.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Read as the policy writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UpstreamUrl:
    """Where an upstream listens.

    Attributes:
        scheme: `http`, `https` or `unix`.
        host: IP address without brackets, or host name; empty for `unix`.
        port: 1 to 65535; 0 for `unix`.
        path: the socket's file for `unix`, else empty.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """Host and port as the `Host` field has them, without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS.get(self.scheme, 0) else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Read as a URL."""
        return (
            f"unix://{self.path}" if self.scheme == "unix" else f"{self.scheme}://{self.authority}"
        )


def parse_address(value: object) -> Address:
    """Read `host:port` or `[IPv6]:port`."""
    text = text_of(value, "0.0.0.0:8080")
    found = _ADDRESS.match(text)
    if found is None:
        raise misfit("is not host:port", _ADDRESS_HINT)
    if found[1] is None and not found[2]:
        raise misfit(
            "names no host", f"0.0.0.0:{found[3]} for all interfaces, or 127.0.0.1:{found[3]}"
        )
    if found[2] == "*":
        raise misfit("has * for a host", f"0.0.0.0:{found[3]} for all interfaces")
    return Address(_host(found[1], found[2], _ADDRESS_HINT), _port(found[3], 0))


def parse_url(value: object) -> UpstreamUrl:
    """Read an upstream's URL: `http`, `https` or `unix`, and nothing after the authority."""
    text = text_of(value, "http://127.0.0.1:3000")
    if found := _UNIX.match(text):
        return UpstreamUrl("unix", "", 0, found[1])
    found = _URL.match(text)
    if found is None:
        raise _url_misfit(text)
    host = _host(found[2], found[3], _URL_HINT)
    port = _port(found[4], 1) if found[4] else _DEFAULT_PORTS[found[1]]
    return UpstreamUrl(found[1], host, port)


def _url_misfit(text: str) -> Exception:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in {"http", "https", "unix"}:
        return misfit("has no scheme that can be an upstream", _URL_HINT)
    if scheme == "unix":
        return misfit("names no absolute socket file", "unix:///run/app.sock, with three slashes")
    if "@" in rest:
        return misfit(
            "holds credentials",
            "no user and password here: the request's own pass",
            is_quoted=False,
        )
    if "?" in rest or "#" in rest:
        return misfit("has a query or fragment", _URL_HINT)
    if "/" in rest:
        return misfit(
            "has a path, which is not supported",
            "scheme, host and port only; strip_prefix on a route takes a prefix away",
        )
    return misfit("is not an upstream URL", _URL_HINT)


def _host(ipv6: str | None, name: str | None, hint: str) -> str:
    if ipv6 is not None:
        try:
            return str(IPv6Address(ipv6))
        except ValueError as error:
            raise misfit("has no IPv6 address between its brackets", hint) from error
    if name is None or len(name) > 253 or not _NAME.match(name):  # noqa: PLR2004 -- RFC 1035 §2.3.4
        raise misfit("has a host that is no name and no address", hint)
    if re.fullmatch(r"[0-9.]+", name):
        # All digits and dots is meant as IPv4; 010.0.0.1 or 127.1 have two readings.
        try:
            return str(ip_address(name))
        except ValueError as error:
            raise misfit("has a host that is no IPv4 address", hint) from error
    return name.lower()


def _port(text: str, least: int) -> int:
    port = int(text)
    if not least <= port <= _PORT_MAX:
        raise misfit("has a port out of range", f"a port from {least} to {_PORT_MAX}")
    return port


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """Read a network, or an address as the network of itself."""
    text = text_of(value, "10.0.0.0/8")
    try:
        return ip_network(text)
    except ValueError as error:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            raise misfit("is not a network", _NETWORK_HINT) from error
        raise misfit("has bits set beyond its prefix length", str(meant)) from error


def parse_authority(value: object) -> str:
    """Read what the upstream sees as `Host`: `preserve`, `upstream`, or a name with a port."""
    text = text_of(value, "preserve")
    name, separator, port = text.partition(":")
    if not _NAME.match(name) or (separator and not re.fullmatch("[0-9]{1,5}", port)):
        raise misfit("is no host name", "preserve, upstream, or a name such as app.internal")
    return text


_NETWORK_SCHEMA: Final = WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8", "::1"]})

ListenAddress = Annotated[
    Address,
    PlainValidator(parse_address),
    WithJsonSchema({"type": "string", "examples": ["0.0.0.0:8080", "[::1]:8080"]}),
]
Url = Annotated[
    UpstreamUrl,
    PlainValidator(parse_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^((http|https|unix)://|.*\$\{)",
            "examples": ["http://127.0.0.1:3000", "https://app.internal", "unix:///run/app.sock"],
        }
    ),
]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(parse_network), _NETWORK_SCHEMA]
Authority = Annotated[
    str,
    PlainValidator(parse_authority),
    WithJsonSchema({"type": "string", "examples": ["preserve", "upstream", "app.internal"]}),
]
