"""Web origins of the policy, in the form that browsers send (HTML §7.1.1, RFC 6454 §6.2)."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Final

from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema
from sidecar.policy.written import misfit, text_of

EVERYONE: Final = "*"
"""Stands for all origins."""

_SHAPE: Final = re.compile(
    r"(?P<scheme>[a-z]+)://(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<wild>\*\.)?(?P<host>[^/:?#@*\[\]\\\s]+))"
    r"(?::(?P<port>[0-9]{1,5}))?\Z"
)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
# WHATWG URL §3.5: a host whose last label is a number is an IPv4 address, whatever else it holds.
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_PORTS: Final = {"http": 80, "https": 443}
_PORT_MAX: Final = 65535

_HINT: Final = "scheme, host and port alone, such as https://app.example.com"
_WILD_HINT: Final = "a domain that is yours alone, such as https://*.example.com"

# Under `*.` of these anybody can have a name. The second labels of country domains, and what
# hosts pages of strangers; the whole list (publicsuffix.org) changes every week.
_SECOND_LABELS: Final = frozenset(
    (
        "ac", "co", "com", "edu", "gen", "go", "gob", "gouv", "gov", "gv", "id", "ltd", "me", "mil",
        "ne", "net", "nom", "or", "org", "plc", "sch", "web",
    )
)  # fmt: skip
_COUNTRY_LENGTH: Final = 2
_SHARED: Final = frozenset(
    (
        "amplifyapp.com", "appspot.com", "azureedge.net", "azurewebsites.net", "blogspot.com",
        "cloudfront.net", "cloudfunctions.net", "codesandbox.io", "csb.app", "deno.dev",
        "firebaseapp.com", "fly.dev", "github.io", "gitlab.io", "glitch.me", "herokuapp.com",
        "herokussl.com", "hf.space", "lovable.app", "myshopify.com", "netlify.app",
        "ngrok-free.app", "ngrok-free.dev", "ngrok.app", "ngrok.dev", "ngrok.io", "now.sh",
        "ondigitalocean.app", "onrender.com", "pages.dev", "r2.dev", "railway.app", "render.com",
        "repl.co", "replit.app", "replit.dev", "stackblitz.io", "streamlit.app", "surge.sh",
        "trycloudflare.com", "up.railway.app", "vercel.app", "web.app", "webflow.io",
        "wixsite.com", "workers.dev",
    )
)  # fmt: skip
# Likewise, and below each name of these too: there stands a region or a kind of storage.
_SHARED_BELOW: Final = (
    ".amazonaws.com", ".azurecontainer.io", ".azurecontainerapps.io", ".azurestaticapps.net",
    ".cloudapp.azure.com", ".core.windows.net", ".digitaloceanspaces.com", ".run.app",
)  # fmt: skip


def parse_origin(value: object) -> str:
    """Read an origin: `https://app.example.com`, or `https://*.example.com` for one label more.

    Returns:
        The origin as browsers serialise it: in lower case, IDNs in their ASCII form, without the
        scheme's own port.
    """
    text = text_of(value, "https://app.example.com")
    found = _SHAPE.match(text.lower())
    if found is None or found["scheme"] not in _PORTS:
        raise _misfit(text.lower())
    host = f"[{_ipv6(found['ipv6'])}]" if found["ipv6"] else _name(found["host"])
    if found["wild"]:
        _check_wildcard(host)
        host = f"*.{host}"
    return f"{found['scheme']}://{host}{_port(found['scheme'], found['port'])}"


def parse_listed(value: object) -> str:
    """Read an origin, or `*` for all."""
    text = text_of(value, "https://app.example.com")
    return EVERYONE if text == EVERYONE else parse_origin(text)


def is_local(origin: str) -> bool:
    """Tell whether an origin is one of the visitor's own machine."""
    host = origin.partition("://")[2]
    name = host if host.startswith("[") else host.partition(":")[0]
    if name.startswith("[::1]") or name == "localhost" or name.endswith(".localhost"):
        return True
    return name.startswith("127.") and _NUMBER.match(name.rpartition(".")[2]) is not None


def _misfit(text: str) -> Exception:
    if text == "null":
        return misfit("is what every sandboxed page sends, and is never allowed", _HINT)
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _PORTS:
        return misfit("has no scheme that pages have", _HINT)
    if "@" in rest:
        return misfit("has a user before its host", _HINT)
    if "/" in rest or "?" in rest or "#" in rest:
        return misfit("has a path, which no origin has, a last / included", _HINT)
    if "*" in rest:
        return misfit("has * where it cannot stand", f"for the first label whole: {_WILD_HINT}")
    return misfit("is no web origin", _HINT)


def _name(text: str) -> str:
    name = text if text.isascii() else _ascii(text)
    if not _NAME.match(name):
        raise misfit("has a host that is no name and no address", _HINT)
    if _NUMBER.match(name.rpartition(".")[2]):
        # 127.1 or 010.0.0.1 have readings that browsers write otherwise.
        try:
            return str(ip_address(name))
        except ValueError as error:
            raise misfit("has a host that is no IPv4 address", _HINT) from error
    return name


def _ascii(text: str) -> str:
    """Write an IDN as browsers do (UTS 46, non-transitional)."""
    # 300 kB of tables that policies without such names do not pay.
    import idna

    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError as error:
        raise misfit("has a host that is no domain name (UTS 46)", _HINT) from error


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise misfit("has no IPv6 address between its brackets", _HINT) from error
    mapped = address.ipv4_mapped
    if mapped is not None:
        # WHATWG URL §3.5 writes these in hexadecimal too, Python does not.
        high, low = divmod(int(mapped), 1 << 16)
        return f"::ffff:{high:x}:{low:x}"
    return str(address)


def _port(scheme: str, text: str | None) -> str:
    if text is None:
        return ""
    port = int(text)
    if not 1 <= port <= _PORT_MAX:
        raise misfit("has a port out of range", f"a port from 1 to {_PORT_MAX}")
    return "" if port == _PORTS[scheme] else f":{port}"


def _check_wildcard(host: str) -> None:
    labels = host.split(".")
    if _NUMBER.match(labels[-1]):
        raise misfit("has * before an address", _HINT)
    if len(labels) == 1 and host != "localhost":
        raise misfit("lets in everybody who has a name there", _WILD_HINT)
    is_registry = len(labels) == 2 and len(labels[1]) == _COUNTRY_LENGTH  # noqa: PLR2004 -- a pair
    is_shared = host in _SHARED or f".{host}".endswith(_SHARED_BELOW)
    if is_shared or (is_registry and labels[0] in _SECOND_LABELS):
        raise misfit("lets in everybody who has a name there", _WILD_HINT)


_SCHEMA: Final = WithJsonSchema({"type": "string", "minLength": 1})

Origin = Annotated[
    str, PlainValidator(parse_origin), _SCHEMA, Field(examples=["https://app.example.com"])
]
ListedOrigin = Annotated[
    str, PlainValidator(parse_listed), _SCHEMA, Field(examples=["https://app.example.com"])
]
