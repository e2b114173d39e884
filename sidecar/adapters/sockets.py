"""Listening sockets and their TLS, opened without the loop's help, and the descriptors they cost.

The loop would resolve even a literal address in a pool of threads, which then stays for the life of
the process; before anything is served there is nothing to block.
"""

import resource
import socket
import ssl
from typing import Final

from sidecar.adapters.reading import opened_file

# Listeners, sinks, pipes, and what libraries open for a moment.
_OTHERS: Final = 256


def open_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Bind a TCP socket that an event loop can listen on.

    Args:
        host: IP address or host name.
        port: TCP port, 0 for any free one.
        is_shared: whether several processes may bind the same address (SO_REUSEPORT).

    Raises:
        OSError: the address is taken or not ours.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)  # noqa: FBT003 -- the name of the argument is not ours
    return sock


def descriptors_missing(connections: int) -> int:
    """Raise the limit on open files as far as allowed; return how many are still missing.

    Args:
        connections: most client connections; each may need one to the upstream too.
    """
    wanted = connections * 2 + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(0, wanted - soft)


def server_context(certificate: str, key: str, least: ssl.TLSVersion) -> ssl.SSLContext:
    """Make the TLS context of a listener that speaks HTTP/1.1.

    Args:
        certificate: PEM file with the chain.
        key: PEM file.
        least: oldest version that is spoken.

    Raises:
        OSError: a file cannot be read, or certificate and key do not fit (`ssl.SSLError`).

    Controls: RS-1.
    """
    for name in (certificate, key):
        # OpenSSL would wait for a pipe.
        opened_file(name).close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = least
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context
