"""The certificate that the webhook shows, which others replace while it serves."""

import logging
import ssl
from typing import Final

from sidecar.adapters.reading import read_file
from sidecar.adapters.sockets import server_context
from sidecar.adapters.watched import Watched
from sidecar.knowledge.certificates import certificates_in, not_after

_LOG: Final = logging.getLogger("sidecar.webhook")


class Certificate:
    """A certificate and its key, read anew when a file has changed.

    Args:
        certificate: PEM file with the chain.
        key: PEM file.

    Attributes:
        file: the former, by its name.
        context: for the listener.
        end: Unix time from which it is not valid any more; None where it cannot be told.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self.file = certificate
        self._pair = (certificate, key)
        self._watched = Watched(self._pair)
        self._seen = self._watched.look()
        self._newest = _context(*self._pair)
        self.context = _context(*self._pair)
        # The context that listens is never changed: OpenSSL reads it without a lock while a client
        # shakes hands, and a thread that loads files into it meanwhile ends the process.
        self.context.sni_callback = self._choose
        self.end = _end_of(certificate)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._newest

    def renew(self) -> bool:
        """Take files that have changed, for connections from now on; may wait for a disk.

        Returns:
            Whether they were taken.

        Raises:
            OSError: they cannot be used, or do not fit; the former ones are kept.
        """
        seen = self._watched.look()
        if seen == self._seen:
            return False
        self._newest = _context(*self._pair)
        self.end = _end_of(self.file)
        self._seen = seen
        return True


def _context(certificate: str, key: str) -> ssl.SSLContext:
    return server_context(certificate, key, ssl.TLSVersion.TLSv1_2)


def _end_of(file: str) -> float | None:
    try:
        return min(not_after(der) for der in certificates_in(read_file(file)))
    except (OSError, ValueError) as error:
        # No reason to serve nobody: TLS itself refuses what it cannot use.
        _LOG.warning("the end of the certificate in %s cannot be told: %s", file, error)
        return None
