"""`sidecar secrets`: set, list and delete secrets, and seal them anew."""

import sys
from base64 import b64encode
from typing import BinaryIO, Final

import click

from sidecar.cli.exit_codes import DONE
from sidecar.cli.operator import Desk, Document, Place, operated
from sidecar.cli.printing import print_json, tell
from sidecar.cli.tenants import all_tenants

_SECRETS: Final = "/v1/secrets"
_SECRET: Final = "/v1/secrets/{name}"  # noqa: S105 -- a path

# More than any secret may have, so that what is too long is told and not cut.
_MOST_BYTES: Final = 32 * 1024

_of_tenant = click.option(
    "--tenant", metavar="ID", help="Tenant whose it is; the installation's if left out."
)


@click.group(epilog="Example: sidecar secrets set token --tenant acme --from-file token.txt")
def command() -> None:
    """Set, list and delete secrets, which are sealed with secrets.master_key."""


@command.command("set", epilog="Example: sidecar secrets set token --tenant acme < token.txt")
@click.argument("name")
@click.argument("refused", nargs=-1, metavar="")
@_of_tenant
@click.option(
    "--from-file",
    "file",
    type=click.File("rb"),
    metavar="FILE",
    help="File that holds the secret; standard input if left out.",
)
@operated
def set_secret(
    place: Place,
    *,
    name: str,
    refused: tuple[str, ...],
    tenant: str | None,
    file: BinaryIO | None,
) -> int:
    """Set a secret, in the place of the one before.

    The value is read from standard input or a file, and never an argument, which others could see
    in the list of processes. A line break at its end is not part of it. It is never shown again.
    """
    if refused:
        # What click says of a surplus argument repeats it, and it may be the secret.
        raise click.UsageError("the secret is no argument: use standard input or --from-file")
    place.call("PUT", _SECRET, {"name": name}, query=_owner(tenant), body=_body(_value(file)))
    tell(f"secret {name} of {_whose(tenant)} is set")
    return DONE


@command.command("list", epilog="Example: sidecar secrets list --tenant acme")
@_of_tenant
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@operated
def list_secrets(place: Place, *, tenant: str | None, as_json: bool) -> int:
    """List the names of secrets; their values are never shown."""
    document = place.call("GET", _SECRETS, query=_owner(tenant))
    if as_json:
        print_json(document)
        return DONE
    names = document["secrets"]
    for name in names if isinstance(names, list) else []:
        click.echo(name)
    return DONE


@command.command(epilog="Example: sidecar secrets delete token --tenant acme")
@click.argument("name")
@_of_tenant
@operated
def delete(place: Place, *, name: str, tenant: str | None) -> int:
    """Delete a secret."""
    place.call("DELETE", _SECRET, {"name": name}, query=_owner(tenant))
    tell(f"secret {name} of {_whose(tenant)} is deleted")
    return DONE


@command.command(epilog="Example: sidecar secrets reseal")
@operated
def reseal(place: Place) -> int:
    """Seal all secrets with the newest of secrets.master_key.

    Afterwards the older keys can be taken out of the policy. Set no secrets meanwhile.
    """
    count = place.run(_resealed)
    tell(f"{count} secrets were sealed anew")
    return DONE


async def _resealed(desk: Desk) -> int:
    count = 0
    owners = [None, *(str(tenant["id"]) for tenant in await all_tenants(desk))]
    for owner in owners:
        answer = await desk.call("POST", f"{_SECRETS}/reseal", query=_owner(owner))
        resealed = answer["resealed"]
        count += resealed if isinstance(resealed, int) else 0
    return count


def _value(file: BinaryIO | None) -> bytes:
    stream = sys.stdin.buffer if file is None else file
    if stream.isatty():
        typed: str = click.prompt("Secret", hide_input=True, confirmation_prompt=True, err=True)
        return typed.encode()
    return stream.read(_MOST_BYTES).rstrip(b"\r\n")


def _body(value: bytes) -> Document:
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def _owner(tenant: str | None) -> dict[str, str]:
    return {} if tenant is None else {"tenant": tenant}


def _whose(tenant: str | None) -> str:
    return "the installation" if tenant is None else f"tenant {tenant}"
