"""Who may use the admin listener: bearer tokens, and names that a browser cannot be lured with."""

import hmac
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

from sidecar.policy.schema.admin import AdminToken

_SCHEME: Final = "bearer"
_LOOKING: Final = frozenset({"GET", "HEAD"})


class Tokens:
    """The tokens of the admin API; only their digests are kept.

    Args:
        tokens: tokens of the policy.
    """

    def __init__(self, tokens: Iterable[AdminToken]) -> None:
        self._digests = [(sha256(token.token.reveal()).digest(), token) for token in tokens]

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._digests)

    def holder(self, authorization: Sequence[str]) -> AdminToken | None:
        """Find the token that a request bears.

        Digests of equal length are compared, all of them and each in constant time, so that time
        tells neither how much of a guess is right nor which token it resembles.

        Args:
            authorization: the values of all Authorization fields.

        Returns:
            The token; None for none, a wrong one, or two credentials.
        """
        if len(authorization) != 1:
            return None
        scheme, _, value = authorization[0].partition(" ")
        if scheme.lower() != _SCHEME:
            return None
        digest = sha256(value.strip(" ").encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, token in self._digests:
            if hmac.compare_digest(known, digest):
                found = token
        return found


def may(token: AdminToken, method: str) -> bool:
    """Tell whether the token's role may use a method: `read` may only look."""
    return token.role == "admin" or method in _LOOKING


def is_known_host(hosts: Sequence[str], names: Collection[str]) -> bool:
    """Tell whether a request names this listener by a name that nobody else can own.

    A page of a hostile site can let its own name resolve to 127.0.0.1 and then read, with the
    browser of somebody at this machine, what listens there (DNS rebinding). The browser still says
    the hostile name in Host.

    Args:
        hosts: the values of all Host fields; a client that sends none is no browser.
        names: host names that were configured, in lower case.
    """
    if len(hosts) != 1:
        return not hosts
    host = hosts[0].lower()
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
    else:
        name, colon, port = host.partition(":")
        port = colon + port
    if port and not (port.startswith(":") and port[1:].isdecimal()):
        return False
    return name == "localhost" or name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
