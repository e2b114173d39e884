"""TLS contexts: towards clients from the policy, towards upstreams always verified."""

import ssl

from sidecar.adapters.sockets import server_context
from sidecar.model.route import UpstreamTls
from sidecar.policy.schema.listen import Tls


def listener_context(section: Tls) -> ssl.SSLContext:
    """Make the context of the proxy listener.

    Raises:
        OSError: a file cannot be read, or certificate and key do not fit (`ssl.SSLError`).

    Controls: RS-1.
    """
    is_1_3 = section.min_version == "1.3"
    least = ssl.TLSVersion.TLSv1_3 if is_1_3 else ssl.TLSVersion.TLSv1_2
    return server_context(section.certificate, section.key, least)


def upstream_context(tls: UpstreamTls) -> ssl.SSLContext:
    """Make the context for an upstream; its certificate and name are always verified.

    Raises:
        OSError: a file cannot be read or does not fit.
    """
    context = ssl.create_default_context(cafile=tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
