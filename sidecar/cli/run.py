"""`sidecar run`: serve a policy, or protect an upstream without one."""

import os
import sys
from typing import Final, NoReturn

import click

from sidecar.adapters.handover import hand_over
from sidecar.adapters.reading import read_file, reading
from sidecar.cli.exit_codes import NO
from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError
from sidecar.policy.load import load, load_try
from sidecar.policy.loaded import Loaded

_SERVING: Final = "sidecar.cli.serving"


@click.command(
    epilog="Example: sidecar run policy.yaml, or: sidecar run --upstream http://127.0.0.1:3000"
)
@click.argument(
    "policy", required=False, envvar="SIDECAR_POLICY", type=click.Path(exists=True, dir_okay=False)
)
@click.option("--upstream", metavar="URL", help="Try the sidecar in front of URL without a policy.")
def command(policy: str | None, upstream: str | None) -> int:
    """Serve POLICY, or with --upstream the policy `try`: local, all routes public, hardening on.

    SIGTERM drains and ends; SIGHUP opens the audit files again. Exit status: 0 ended, 1 the policy
    is wrong, 2 usage or a missing file, 3 it could not start.
    """
    try:
        if upstream is not None and policy is None:
            become(load_try(upstream, read_file, os.environ), "upstream")
        elif policy is not None and upstream is None:
            become(load(policy, reading(policy), os.environ, RULES), "policy")
    except PolicyError as error:
        click.echo(str(error), err=True)
        return NO
    raise click.UsageError("give either a policy file or --upstream URL")


def become(loaded: Loaded, kind: str) -> NoReturn:
    """Replace this process by the one that serves: same process id, without what only this needs.

    Args:
        loaded: the policy.
        kind: `policy`, or `upstream` for a try.
    """
    # The admin API decodes what operators send with the means that decode policies.
    descriptor = hand_over(loaded, is_whole=bool(loaded.policy.admin.tokens))
    # One arena of the C allocator: the audit's thread needs none of its own, which would be kept.
    # And no extension of a list that is used at start alone: it brings the library of C++, 1 MB.
    environment = {"MALLOC_ARENA_MAX": "1", "FROZENLIST_NO_EXTENSIONS": "1", **os.environ}
    # -P: a module in the folder where the sidecar was started must not become part of it.
    arguments = [sys.executable, "-P", "-m", _SERVING, str(descriptor), kind]
    os.execve(sys.executable, arguments, environment)  # noqa: S606 -- our own program, no shell
