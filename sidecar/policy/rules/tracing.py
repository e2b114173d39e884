"""Rules about traces: what is sent to nobody, in the open, or by two names."""

import re
from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.rules.tokens import is_loopback_url
from sidecar.policy.schema.tracing import EXPORT_ALONE

_VALUE: Final = re.compile(rb"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z")
_SECRETIVE: Final = re.compile(r"(?i)auth|cookie|credential|key|pass|secret|token")
_EXPORTERS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "host"}
    | {"transfer-encoding", "user-agent"}
)


def spans_for_nobody(judged: Judged) -> Findings:
    """Settings of an export that does not take place."""
    section = judged.policy.tracing
    if section is None or section.otlp is not None:
        return
    for name in EXPORT_ALONE:
        if name in section.model_fields_set:
            yield judged.error(
                ("tracing", name),
                "is about spans that are sent nowhere: otlp is missing",
                "otlp: a collector's URL such as http://collector:4318/v1/traces, or not this key",
            )


def fields_for_the_collector(judged: Judged) -> Findings:
    """Header fields that cannot be sent, or stand in the policy for everybody to read."""
    section = judged.policy.tracing
    for name, value in {} if section is None else section.headers.items():
        path: Path = ("tracing", "headers", name)
        if name.lower() in _EXPORTERS:
            yield judged.error(path, "is written by whoever sends the spans", "take it out")
        elif not _VALUE.match(value.reveal()):
            yield judged.error(
                path, "holds what no header field can: printable ASCII alone", "one line of it"
            )
        elif _SECRETIVE.search(name) and not judged.source_of(path).startswith(("file:", "env:")):
            yield judged.warning(
                path,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )


def secrets_in_the_clear(judged: Judged) -> Findings:
    """A token for a collector on another machine, over plain HTTP: whoever is on the way has it."""
    section = judged.policy.tracing
    if section is None or section.otlp is None or not section.otlp.startswith("http://"):
        return
    if any(map(_SECRETIVE.search, section.headers)) and not is_loopback_url(section.otlp):
        yield judged.warning(
            ("tracing", "otlp"),
            "takes a secret in the clear: who is on the way reads it",
            f"https://{section.otlp.removeprefix('http://')}",
        )


def resource_named_twice(judged: Judged) -> Findings:
    """A name of the service that has a key of its own."""
    section = judged.policy.tracing
    if section is not None and "service.name" in section.resource:
        yield judged.error(
            ("tracing", "resource", "service.name"),
            "has a key of its own",
            "service_name: the name",
        )


def authorities_for_clear_text(judged: Judged) -> Findings:
    """Authorities for a collector that is not spoken to over TLS."""
    section = judged.policy.tracing
    if section is None or section.ca is None or section.otlp is None:
        return
    if not section.otlp.startswith("https:"):
        yield judged.error(
            ("tracing", "ca"),
            "belongs to a collector that is not spoken to over TLS",
            "an https:// URL in otlp, or no ca",
        )
