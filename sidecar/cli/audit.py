"""`sidecar audit`: what can be done with an audit trail; each sub-command has a module."""

from typing import Final

import click

from sidecar.cli.lazy_group import LazyGroup

_COMMANDS: Final = {
    "tail": "Print the last records.",
    "search": "Print records that fit.",
    "export": "Write records as JSON Lines, CSV or OCSF.",
    "verify": "Say whether an audit trail is whole.",
    "purge": "Remove records that are past their retention.",
    "erase-tenant": "Erase the records of a tenant.",
}


@click.group(
    cls=LazyGroup,
    modules="sidecar.cli.audit_",
    summaries=_COMMANDS,
    epilog="Example: sidecar audit verify /var/log/sidecar/audit.jsonl",
)
def command() -> None:
    """Read, verify and purge an audit trail."""
