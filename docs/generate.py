# noqa: INP001 -- a script in a folder of pages, not a package
"""Write the reference manual from the tables of the code: docs/generate.py [--check].

With --check nothing is written: exit status 1, and the names of the pages that are stale.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from policy_manual import Schema, code, policy_page, sentence, table

from sidecar.adapters.audit.record import json_schema as audit_schema
from sidecar.adapters.telemetry.table import METRICS, Kind, Merge
from sidecar.cli.exit_codes import ExitCode
from sidecar.cli.main import group
from sidecar.model.controls import ASSURANCES, CONTROLS
from sidecar.model.events import CLASSES, EVENTS, RESERVED, SUGGESTED
from sidecar.model.fields import IDENTITY
from sidecar.model.problem import problem_body
from sidecar.model.refusals import REFUSALS, RefusalCode

REFERENCE: Final = Path(__file__).parent / "reference"
NOTICE: Final = "<!-- Written by `make docs` from the code; changes by hand are lost. -->"
HELP_COLUMNS: Final = 78


def refusals_page() -> str:
    """Write the manual of refusals."""
    rows = [[code(c), str(r.status), r.title, sentence(r.when)] for c, r in REFUSALS.items()]
    return f"""# Refusals

When the sidecar itself answers, it sends Problem Details (RFC 9457) as
`application/problem+json`:

```json
{problem_body(RefusalCode.NOT_FOUND).decode()}
```

`code` is stable and made for programs. The reason of a single refusal is never sent; it stands in
the [audit record](audit.md) with the same `X-Request-Id`. A browser that navigates
(`Sec-Fetch-Mode: navigate`, and `text/html` in `Accept`) gets a small HTML page. `errors` in the
[policy](policy.md#errors) replaces either by code: see [error pages](../howto/error-pages.md).

{table(("code", "status", "title", "when"), rows)}
"""


def metrics_page() -> str:
    """Write the manual of metrics."""
    rows = [
        [code(m.name), m.kind, ", ".join(map(code, m.labels)), sentence(m.text), _MERGED[m.merge]]
        for m in METRICS.values()
    ]
    histograms = [m for m in METRICS.values() if m.kind is Kind.HISTOGRAM]
    bounds = [[code(m.name), ", ".join(f"{b * 1000:g}" for b in m.buckets)] for m in histograms]
    return f"""# Metrics

`/metrics` on the admin listener, and on the health listener if the policy has one, in the text
format of Prometheus. [Prometheus and the audit trail](../howto/logs-audit-metrics.md) shows how
to read them.

Every label is bounded. `route` is the host and path template of the policy, `-` where no route
matched; never a path. `method` is one of the usual seven or `OTHER`. `outcome` is `admitted`,
`answered`, `refused`, `failed` or `abandoned`. `step` is the step that refused; `framing` where the
message could not be read, `upstream` where the service failed.

{table(("metric", "kind", "labels", "what it counts", "several workers"), rows)}

`what` of `sidecar_degraded`: `store`, it failed so often that it is left alone for a moment;
`revocations`, nothing was heard of them for `authentication.max_staleness`: tokens are refused,
and if the store is silent what is remembered of keys and tenants is not used;
`blocks`, the list of blocks is the last known one; `limits_local`, `limits_allow` and
`limits_refuse`, within the last minute limits were judged without the store, by
`on_store_failure`; `jwks`, the keys of an issuer are used and could not be renewed; `audit`, the
last attempt to write to a sink failed; `policy`, the last reload failed, and what is in force is
not what the files say. A part that the policy does not have is not there.

Whoever asks for OpenMetrics, as Prometheus does, gets exemplars on the buckets of
`sidecar_request_duration_seconds`: the `request_id` of the last request of each, to be looked up in
the audit trail, and its `trace_id` if it is part of a trace that is recorded.

{table(("histogram", "upper bounds of its buckets, in milliseconds"), bounds)}
"""


_MERGED: Final = {Merge.SUM: "summed", Merge.LARGEST: "largest", Merge.SMALLEST: "smallest"}


def cli_page() -> str:
    """Write the manual of the command line: what --help says."""
    settings = group.context_settings
    top = click.Context(group, info_name="sidecar", terminal_width=HELP_COLUMNS, **settings)
    text = "\n\n".join(_helps(group, top))
    return f"""# Command line

Answers go to standard output, everything else to standard error. A user's mistake is one readable
line. `SIDECAR_POLICY` may name the policy of `sidecar run`. [Exit codes](exit-codes.md) are the
same for all commands.

{text}
"""


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    """Write the help of a command and of those below it."""
    yield _help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _helps(below, click.Context(below, info_name=name, parent=context))


def _help(context: click.Context) -> str:
    return f"## {context.command_path}\n\n```text\n{context.get_help()}\n```"


_EXITS: Final = {
    ExitCode.DONE: "done; for `run`: told to end, and drained",
    ExitCode.NO: "the answer is no: a policy with errors, a stop of the tour that failed",
    ExitCode.USAGE: "wrong usage, or a file that is not there",
    ExitCode.FAILED: "it could not be done: a port that is taken, a sink that cannot be opened",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C before it served",
}


def exit_codes_page() -> str:
    """Write the manual of exit codes."""
    rows = [[str(int(exit_)), sentence(_EXITS[exit_])] for exit_ in ExitCode]
    listed = table(("status", "when"), rows)
    return f"# Exit codes\n\nThe same for every command, and stable.\n\n{listed}\n"


def controls_page() -> str:
    """Write the list of controls."""
    rows = [
        [key, c.title, code(c.policy_path) if c.policy_path else "always on", code(c.step)]
        for key, c in CONTROLS.items()
    ]
    names = ", ".join(code(name.decode()) for name in sorted(IDENTITY))
    apart = [
        [key, a.title, f"[{a.page}](../{a.page})", code(f"tests/{a.proof}")]
        for key, a in ASSURANCES.items()
    ]
    return f"""# Controls

A control is a promise with a stable id. Each one here is enforced on real traffic, and has tests
that fail when the code that enforces it is taken out. What is in no table of this page is not
promised: see [limits](../limits.md).

{table(("id", "control", "policy key", "enforced by"), rows)}

TN-1 removes these fields from every request, in any case, and with any sign in place of `-`
(`X_User_Id`, `x.user.id`): {names}.

## Of what is released and deployed

No request meets these and no policy states them. They hold for what the project builds and for what
its chart renders, and tests hold them too.

{table(("id", "control", "see for yourself", "proven by"), apart)}
"""


_RECORD: Final = {
    "id": "01a200c5-e13a-794b-a7ad-3642df39d83a",
    "timestamp": "2026-01-31T09:30:00.125Z",
    "tenant_id": None,
    "user_id": None,
    "actor": None,
    "action": "request",
    "resource_type": "route",
    "resource_id": "/api/items",
    "ip_address": "192.0.2.7",
    "user_agent": "curl/8.5.0",
    "outcome": "refused",
    "reason": "the route does not list the method",
    "request_id": "01a200c5-e13a-794b-a7ad-3642df39d83a",
    "metadata": {
        "method": "DELETE",
        "host": "api.example.com",
        "path": "/api/items",
        "status": 405,
        "code": "METHOD_NOT_ALLOWED",
        "step": "route",
        "duration_ms": 0.214,
        "upstream_ms": None,
        "received_bytes": 0,
        "sent_bytes": 116,
    },
    "writer": "web-1/0/3f9c2a7b1d04",
    "seq": 42,
    "hash": "b59e5ecb0a4b5a64bd0ab2a7fc5ee2f1c0e1c2e62f1f5a5a0d9a1c8f6d6f4c11",
}


def audit_page() -> str:
    """Write the manual of the audit record."""
    schema: Schema = json.loads(audit_schema())
    parts = [table(("field", "type", "what it says"), _fields(schema))]
    for name, about in schema["$defs"].items():
        if "properties" in about:
            rows = table(("field", "type", "what it says"), _fields(about))
            text = sentence(about.get("description", "")) if about.get("description") else ""
            parts.append(f"## `metadata`: {name}\n\n{text}\n\n{rows}")
    example = json.dumps(_RECORD, indent=2)
    fields = "\n\n".join(parts)
    return f"""# Audit record

One JSON object per line, for every request and for every call of the admin API that nobody was
entitled to. No field holds a query, a credential or a byte of a body.
`sidecar/adapters/audit/record.schema.json` is the JSON Schema of a line and ships with the
package.

```json
{example}
```

{fields}
"""


def audit_events_page() -> str:
    """Write the catalogue of actions."""
    rows = [
        [code(name), code(kind.resource), code(kind.shape), code(kind.kept_as), sentence(kind.when)]
        for name, kind in EVENTS.items()
    ]
    classes = [[code(name), sentence(what)] for name, what in CLASSES.items()]
    named = [[code(name), sentence(when)] for name, when in SUGGESTED.items()]
    reserved = ", ".join(code(word) for word in sorted(RESERVED))
    return f"""# Audit events

`action` of an [audit record](audit.md) is one of these. The names are stable. What was refused or
could not be done has the same action, with `outcome` and `reason`: every [refusal](refusals.md)
leaves a record.

{table(("action", "resource", "metadata", "class", "when"), rows)}

How long a record is [kept](../howto/audit-retention.md) is a matter of its class:

{table(("class", "what it holds"), classes)}

## Actions by policy

What a request means beyond that only the service knows. `action` of a route gives its records a
name when the answer has a status that fits: see [audit events](../howto/audit-events.md). Any name
of two to four words with dots between them will do, but for those that begin with {reserved}. So
that the policies of several services agree, use these where they fit:

{table(("action", "when"), named)}
"""


def _fields(schema: Schema) -> list[list[str]]:
    return [
        [
            code(name),
            _json_type(about),
            sentence(about["description"]) if "description" in about else "",
        ]
        for name, about in schema["properties"].items()
    ]


def _json_type(about: Schema) -> str:
    if "enum" in about:
        return ", ".join("null" if word is None else code(word) for word in about["enum"])
    if "const" in about:
        return code(about["const"])
    kind = about.get("type", "object")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "policy.md": policy_page,
    "refusals.md": refusals_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
    "exit-codes.md": exit_codes_page,
    "controls.md": controls_page,
    "audit.md": audit_page,
    "audit-events.md": audit_events_page,
}


def written() -> dict[Path, str]:
    """Write every page, in memory."""
    return {REFERENCE / name: f"{NOTICE}\n\n{page()}" for name, page in PAGES.items()}


def stale(pages: Mapping[Path, str]) -> list[Path]:
    """List the pages that differ from their files, and files that no table stands behind."""
    unlike = [f for f, text in pages.items() if not f.exists() or f.read_text("utf-8") != text]
    return unlike + sorted(set(REFERENCE.glob("*")) - set(pages))


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them."""
    pages = written()
    if "--check" not in arguments:
        REFERENCE.mkdir(exist_ok=True)
        for file, text in pages.items():
            file.write_text(text, encoding="utf-8")
        return 0
    found = stale(pages)
    for file in found:
        sys.stderr.write(f"docs/reference/{file.name} is stale: make docs\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
