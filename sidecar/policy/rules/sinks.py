"""Rules about audit sinks: what lacks its file or server, is shared, or goes in the open."""

import re
from typing import Final
from urllib.parse import urlsplit

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.audit import HttpSink, RedisSink, SyslogSink

_VALUE: Final = re.compile(rb"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z")
_OWN_FIELDS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "host"}
    | {"transfer-encoding", "user-agent"}
)
_SECRETIVE: Final = re.compile(r"(?i)auth|cookie|credential|key|pass|secret|token")
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def rules_without_a_file(judged: Judged) -> Findings:
    """A sink that is to spill and has no file for it, or has a file and another rule."""
    for index, sink in enumerate(judged.policy.audit.sinks):
        path: Path = ("audit", "sinks", index)
        if sink.on_full == "spill" and sink.spill is None:
            yield judged.error(
                (*path, "on_full"),
                "has no file to spill to",
                "spill: {file: /var/lib/sidecar/audit.spill, size: 1GB} beside it",
            )
        elif sink.on_full != "spill" and sink.spill is not None:
            yield judged.error(
                (*path, "spill"),
                f"is never used: on_full is {sink.on_full}",
                "on_full: spill, or not this key",
            )


def files_shared(judged: Judged) -> Findings:
    """A spill file that is another sink's, or an audit file."""
    sinks = judged.policy.audit.sinks
    taken = {sink.name for sink in sinks}
    for index, sink in enumerate(sinks):
        if sink.spill is None:
            continue
        if sink.spill.file in taken:
            yield judged.error(
                ("audit", "sinks", index, "spill", "file"),
                "is written by another sink",
                "a file of its own",
            )
        taken.add(sink.spill.file)


def records_in_the_open(judged: Judged) -> Findings:
    """Records that everybody on the way can read and change."""
    for index, sink in enumerate(judged.policy.audit.sinks):
        if not isinstance(sink, HttpSink | SyslogSink):
            continue
        path: Path = ("audit", "sinks", index)
        key, secure = ("http", "https") if isinstance(sink, HttpSink) else ("syslog", "tls")
        url = urlsplit(sink.name)
        if url.scheme == secure:
            continue
        if url.hostname not in _HERE:
            yield judged.warning(
                (*path, key),
                "records go in clear text: who is on the way reads and changes them",
                f"{secure}://{url.netloc}{url.path}",
            )
        if sink.ca is not None:
            yield judged.error(
                (*path, "ca"),
                "belongs to a server that is not spoken to over TLS",
                f"{secure}:// in {key}, or no ca",
            )


def fields_for_the_server(judged: Judged) -> Findings:
    """Header fields that cannot be sent, or stand in the policy for everybody to read."""
    for index, sink in enumerate(judged.policy.audit.sinks):
        if isinstance(sink, HttpSink):
            yield from _fields(judged, ("audit", "sinks", index, "headers"), sink)


def _fields(judged: Judged, path: Path, sink: HttpSink) -> Findings:
    for name, value in sink.headers.items():
        place: Path = (*path, name)
        if name.lower() in _OWN_FIELDS:
            yield judged.error(place, "is written by the sidecar", "take it out")
        elif not _VALUE.match(value.reveal()):
            yield judged.error(
                place, "holds what no header field can: printable ASCII alone", "one line of it"
            )
        elif _SECRETIVE.search(name) and not judged.source_of(place).startswith(("file:", "env:")):
            yield judged.warning(
                place,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )


def streams_without_a_server(judged: Judged) -> Findings:
    """A stream on a state store that has none."""
    for index, sink in enumerate(judged.policy.audit.sinks):
        if not isinstance(sink, RedisSink):
            continue
        path: Path = ("audit", "sinks", index)
        if sink.server is None and not judged.policy.state.is_redis:
            yield judged.error(
                (*path, "redis_stream"),
                "has no server: state is no Redis",
                "server: redis://host:6379/0 beside it",
            )
        elif sink.server is not None and not sink.server.is_redis:
            yield judged.error((*path, "server"), "is no Redis", "redis://host:6379/0")
