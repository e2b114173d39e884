"""When the certificates end that the policy names, as they were when they were loaded."""

import logging
from collections.abc import Iterator
from typing import Final

from sidecar.adapters.reading import read_file
from sidecar.adapters.telemetry.metrics import NamedRow
from sidecar.knowledge.certificates import certificates_in, not_after
from sidecar.policy.schema.audit import HttpSink, RedisSink, SyslogSink
from sidecar.policy.schema.policy import Policy

_LOG: Final = logging.getLogger("sidecar.certificates")
_METRIC: Final = "sidecar_certificate_expiry_timestamp_seconds"

LISTENER: Final = "listener"
UPSTREAM: Final = "upstream"
UPSTREAM_CA: Final = "upstream_ca"
STATE_CA: Final = "state_ca"
ISSUER_CA: Final = "issuer_ca"
AUDIT_CA: Final = "audit_ca"
ALERTS_CA: Final = "alerts_ca"
TRACING_CA: Final = "tracing_ca"
_AUTHORITIES: Final = frozenset((UPSTREAM_CA, STATE_CA, ISSUER_CA, AUDIT_CA, ALERTS_CA, TRACING_CA))


class CertificateEnds:
    """Knows when certificates end; a source of rows for the metrics."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], float] = {}

    def load(self, policy: Policy) -> None:
        """Read the files that a policy names; whoever loads them for TLS anew calls it again.

        The system's authorities are not watched: they are the system's to renew.
        """
        ends = {}
        for used_by, file in sorted(_files(policy)):
            try:
                ends[used_by, file] = _end_of(used_by, read_file(file))
            except (OSError, ValueError) as error:
                # No reason to serve nobody: TLS itself refuses what it cannot use.
                _LOG.warning("the end of the certificate in %s cannot be told: %s", file, error)
        self._ends = ends

    def rows(self) -> Iterator[NamedRow]:
        """Give the rows of the metric."""
        for labels, end in self._ends.items():
            yield _METRIC, labels, (end,)


def _files(policy: Policy) -> set[tuple[str, str]]:
    """Say which files hold certificates, and what for."""
    found: set[tuple[str, str | None]] = {(STATE_CA, policy.state.ca)}
    if policy.listen.tls is not None:
        found.add((LISTENER, policy.listen.tls.certificate))
    for upstream in map(policy.upstream_of, policy.routes):
        if upstream.tls is not None:
            found |= {(UPSTREAM_CA, upstream.tls.ca), (UPSTREAM, upstream.tls.certificate)}
    authentication = policy.authentication
    found |= {(ISSUER_CA, issuer.ca) for issuer in authentication.jwt}
    if authentication.introspection is not None:
        found.add((ISSUER_CA, authentication.introspection.ca))
    found |= set(_told_to(policy))
    return {(used_by, file) for used_by, file in found if file is not None}


def _told_to(policy: Policy) -> Iterator[tuple[str, str | None]]:
    """Say by whose authorities those are believed who get records, alerts and spans."""
    for sink in policy.audit.sinks:
        if isinstance(sink, SyslogSink | HttpSink):
            yield AUDIT_CA, sink.ca
        elif isinstance(sink, RedisSink) and sink.server is not None:
            yield AUDIT_CA, sink.server.ca
    alerts = policy.audit.alerts
    if alerts is not None and alerts.webhook is not None:
        yield ALERTS_CA, alerts.webhook.ca
    if policy.tracing is not None:
        yield TRACING_CA, policy.tracing.ca


def _end_of(used_by: str, pem: bytes) -> float:
    """Say when a file is of no use any more.

    A chain is broken with the first certificate that ends. Authorities stand beside each other: one
    that comes next is put in beside the one that goes, so the last end counts.
    """
    ends = [not_after(der) for der in certificates_in(pem)]
    if not ends:
        raise ValueError("it holds none")
    return max(ends) if used_by in _AUTHORITIES else min(ends)
