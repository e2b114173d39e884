"""The command `sidecar`: which commands there are, and how all of them fail."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from sidecar import __version__
from sidecar.cli.exit_codes import DONE, FAILED, INTERRUPTED, NO, USAGE, CommandError
from sidecar.model.errors import InstallationError, PolicyError

# Each is a module beside this one that is imported when it is asked for: `sidecar schema` need
# not load the proxy.
_COMMANDS: Final = {
    "run": "Run the sidecar in front of a service.",
    "check": "Check policies and list every problem.",
    "health": "Ask a running sidecar whether it is ready.",
    "explain": "Explain why a request is admitted or refused.",
    "test": "Run tests of policies.",
    "reload": "Have a running sidecar read its policy anew.",
    "keys": "Make, list, rotate, revoke and import API keys.",
    "tenants": "Create, list, change, suspend and delete tenants.",
    "tokens": "Refuse tokens that others issued.",
    "block": "Shut out addresses, API keys and tenants, and let them in again.",
    "secrets": "Set, list and delete secrets.",
    "audit": "Say whether an audit trail is whole.",
    "schema": "Print the JSON Schema of the policy language.",
    "demo": "Take a tour with a bundled service.",
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
        command: object = import_module(f"sidecar.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"sidecar.cli.{cmd_name} has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    name="sidecar",
    epilog="Example: sidecar run --upstream http://127.0.0.1:3000",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="sidecar", message="%(prog)s %(version)s")
def group() -> None:
    """A reverse proxy that enforces one YAML policy in front of your service."""


def invoke(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: the words after `sidecar`.

    Returns:
        The exit code; a user's mistake is one readable line on stderr.
    """
    try:
        outcome = group.main(list(arguments), prog_name="sidecar", standalone_mode=False)
    except (click.ClickException, click.Abort) as error:
        return _misused(error)
    except PolicyError as error:
        click.echo(str(error), err=True)
        return NO
    except CommandError as error:
        return _complain(str(error), error.code)
    except InstallationError as error:
        return _complain(str(error), FAILED)
    except OSError as error:
        return _complain(_reason(error), USAGE if error.filename else FAILED)
    return outcome if isinstance(outcome, int) else DONE


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(invoke(sys.argv[1:]))


def _misused(error: click.ClickException | click.Abort) -> int:
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "sidecar"
    return _complain(f"{error.format_message()} (see {path} --help)", error.exit_code)


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def _complain(message: str, code: int) -> int:
    click.echo(f"sidecar: {' '.join(message.split())}", err=True)
    return code
