"""`sidecar audit`: what can be done with an audit trail; each sub-command has a module."""

from importlib import import_module
from typing import Final

import click

_COMMANDS: Final = {
    "tail": "Print the last records.",
    "search": "Print records that fit.",
    "export": "Write records as JSON Lines, CSV or OCSF.",
    "verify": "Say whether an audit trail is whole.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        name = f"sidecar.cli.audit_{cmd_name.replace('-', '_')}"
        command: object = import_module(name).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{name} has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, epilog="Example: sidecar audit verify /var/log/sidecar/audit.jsonl")
def command() -> None:
    """Work with an audit trail."""
