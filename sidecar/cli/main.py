"""The command `sidecar`: which commands there are, and how all of them fail."""

import signal
import sys
from collections.abc import Sequence
from typing import Final

import click

from sidecar import __version__
from sidecar.cli.exit_codes import DONE, FAILED, INTERRUPTED, NO, USAGE, CommandError
from sidecar.cli.lazy_group import LazyGroup
from sidecar.model.errors import InstallationError, PolicyError

# Each is a module beside this one.
_COMMANDS: Final = {
    "run": "Run the sidecar in front of a service.",
    "check": "Check policies and list every problem.",
    "diff": "Say who gains and who loses access by another policy.",
    "health": "Ask a running sidecar whether it is ready.",
    "explain": "Explain why a request is admitted or refused.",
    "test": "Run tests of policies.",
    "reload": "Have a running sidecar read its policy anew.",
    "keys": "Make, list, rotate, revoke and import API keys.",
    "tenants": "Create, list, change, suspend and delete tenants.",
    "tokens": "Refuse tokens that others issued.",
    "block": "Shut out addresses, API keys and tenants, and let them in again.",
    "secrets": "Set, list and delete secrets.",
    "audit": "Read, verify and purge an audit trail.",
    "inject": "Put the sidecar into manifests of Kubernetes.",
    "webhook": "Put the sidecar into the pods of a cluster, as its admission webhook.",
    "schema": "Print the JSON Schema of the policy language.",
    "demo": "Take a tour with a bundled service.",
}


@click.group(
    cls=LazyGroup,
    modules="sidecar.cli.",
    summaries=_COMMANDS,
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
    if sys.argv[1:2] == ["run"]:
        # Process 1 of a container is never sent what it does not handle yet: whoever stopped it
        # while it starts would wait, and then kill it. Held, the signal is there when it serves.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
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
