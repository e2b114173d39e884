"""The start of a process that serves: it takes the policy over before it imports what needs one.

It is started as `python -P -m sidecar.cli.serving DESCRIPTOR KIND [SOCKET:NUMBER]`, by `sidecar
run` and by the supervisor for each worker.
"""

import resource
import sys

from sidecar.adapters.handover import Handover
from sidecar.adapters.telemetry.logs import set_up
from sidecar.cli.exit_codes import FAILED, USAGE
from sidecar.model.errors import InstallationError


def main(arguments: list[str]) -> int:
    """Take the policy over and serve it.

    Args:
        arguments: the descriptor of the policy, its kind, and for a worker its socket and number.

    Returns:
        The exit code; what went wrong is one readable line on stderr.
    """
    set_up(sys.stderr)
    _forbid_core_dumps()
    try:
        descriptor, kind, *worker = arguments
        handover = Handover.of(int(descriptor))
    except (ValueError, OSError):
        sys.stderr.write("sidecar: this starts from `sidecar run`, with the policy that it read\n")
        return USAGE
    try:
        loaded = handover.open()
        # Imports sections, so it comes after the choice of what they are.
        from sidecar.cli.service import serve
    except InstallationError as error:
        sys.stderr.write(f"sidecar: {error}\n")
        return FAILED
    return serve(loaded, kind, int(descriptor), *worker)


def _forbid_core_dumps() -> None:
    """Keep what is in memory, keys and peppers among it, out of core files; workers inherit it.

    The programs to which distributions pipe dumps (systemd-coredump, apport) obey the limit too.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
