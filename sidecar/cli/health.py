"""`sidecar health`: whether a running sidecar is ready, for whoever can only run a command."""

import http.client
import json
from typing import Final
from urllib.parse import urlsplit

import click

from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE, CommandError

_ADMIN: Final = "http://127.0.0.1:9901"
_ANSWER_SECONDS: Final = 3.0
_ANSWER_BYTES: Final = 1 << 16
_READY: Final = 200
_NOT_READY: Final = 503


@click.command(epilog="Example: sidecar health --admin http://127.0.0.1:9901")
@click.option(
    "--admin",
    envvar="SIDECAR_ADMIN",
    metavar="URL",
    default=_ADMIN,
    show_default=True,
    help="Where the admin or the health listener is. [env: SIDECAR_ADMIN]",
)
def command(admin: str) -> int:
    """Ask a running sidecar whether it is ready, and say why it is not.

    It is /readyz, for health checks of containers, which can only run a command.

    Exit status: 0 it is ready, 1 it is not, 2 usage, 3 it does not answer.
    """
    status, answer = _ask(admin)
    if status == _READY:
        click.echo("ready")
        return DONE
    if status != _NOT_READY:
        raise CommandError(f"{admin} is no sidecar: /readyz answers {status}", FAILED)
    click.echo(f"not ready: {_reasons(answer)}")
    return NO


def _ask(admin: str) -> tuple[int, bytes]:
    url = urlsplit(admin)
    try:
        host, port = url.hostname, url.port or 80
    except ValueError:
        host, port = None, 0
    if url.scheme != "http" or not host:
        raise CommandError(f"--admin: {admin!r} is no URL such as {_ADMIN}", USAGE)
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        said = f"{admin} does not answer: {reason} (is it listen.admin?)"
        raise CommandError(said, FAILED) from error
    finally:
        connection.close()


def _reasons(answer: bytes) -> str:
    try:
        document: object = json.loads(answer)
    except ValueError:
        document = None
    reasons = document.get("reasons") if isinstance(document, dict) else None
    named = reasons if isinstance(reasons, list) else ()
    return ", ".join(str(reason) for reason in named) or "it does not say why"
