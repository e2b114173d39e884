"""`sidecar tenants`: create, list, show, change, suspend, resume and delete tenants."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import click

from sidecar.cli.exit_codes import DONE
from sidecar.cli.operator import Desk, Document, Place, all_of, operated
from sidecar.cli.printing import columns, plain, print_json, print_listed, tell
from sidecar.lifecycle.tenant_facts import FIELDS

F = TypeVar("F", bound=Callable[..., object])

_TENANTS: Final = "/v1/tenants"
_TENANT: Final = "/v1/tenants/{id}"
_COLUMNS: Final = ("id", "status", "tier", "domains", "upstream", "source")

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FACTS: Final = (
    click.option("--tier", metavar="NAME", help="Tier of callers whose credential names none."),
    click.option(
        "--domain",
        "domains",
        multiple=True,
        metavar="NAME",
        help="Host name or e-mail domain that it owns; may be repeated.",
    ),
    click.option(
        "--origin",
        "origins",
        multiple=True,
        metavar="ORIGIN",
        help="Web origin of its own, such as https://app.acme.example; may be repeated.",
    ),
    click.option(
        "--project",
        "projects",
        multiple=True,
        metavar="ID[=DOMAIN,…]",
        help="Project, and the domains that its browser keys are locked to; may be repeated.",
    ),
    click.option(
        "--login",
        "logins",
        multiple=True,
        metavar="NAME",
        help="Login method that its callers may use; all if none is named; may be repeated.",
    ),
    click.option("--upstream", metavar="URL", help="Upstream of its own."),
    click.option(
        "--upstream-credential",
        metavar="NAME",
        help="Name of the secret that its upstream gets in Authorization.",
    ),
    click.option(
        "--attribute",
        "attributes",
        multiple=True,
        metavar="NAME=TEXT",
        help="Further fact, for conditions; may be repeated.",
    ),
)


def _with_facts(command: F) -> F:
    for option in reversed(_FACTS):
        command = option(command)
    return command


@click.group(epilog="Example: sidecar tenants create acme --policy policy.yaml --tier pro")
def command() -> None:
    """Create, list, change, suspend and delete tenants."""


@command.command(epilog="Example: sidecar tenants create acme --tier pro --domain acme.example")
@click.argument("tenant", metavar="ID")
@_with_facts
@_as_json
@operated
def create(place: Place, /, *, tenant: str, as_json: bool, **said: object) -> int:
    """Create a tenant, which is served at once."""
    made = place.call("POST", _TENANTS, body={"id": tenant, **_facts(said)})
    _print_changed(made, as_json=as_json)
    return DONE


@command.command("list", epilog="Example: sidecar tenants list")
@_as_json
@operated
def list_tenants(place: Place, *, as_json: bool) -> int:
    """List the tenants of the policy and of the store."""
    print_listed("tenants", place.run(all_tenants), _COLUMNS, as_json=as_json)
    return DONE


@command.command(epilog="Example: sidecar tenants show acme")
@click.argument("tenant", metavar="ID")
@_as_json
@operated
def show(place: Place, *, tenant: str, as_json: bool) -> int:
    """Show a tenant."""
    document = place.call("GET", _TENANT, {"id": tenant})
    if as_json:
        print_json(document)
    else:
        rows = [[f"{name}:", _told(value)] for name, value in document.items()]
        click.echo(columns(rows))
    return DONE


@command.command(epilog="Example: sidecar tenants update acme --tier free --clear origins")
@click.argument("tenant", metavar="ID")
@_with_facts
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    type=click.Choice(FIELDS),
    metavar="FIELD",
    help=f"Field to empty: {', '.join(FIELDS)}; may be repeated.",
)
@_as_json
@operated
def update(
    place: Place, /, *, tenant: str, cleared: Iterable[str], as_json: bool, **said: object
) -> int:
    """Change fields of a tenant; a list that is named replaces the one before."""
    changes = {**dict.fromkeys(cleared), **_facts(said)}
    changed = place.call("PATCH", _TENANT, {"id": tenant}, body=changes)
    _print_changed(changed, as_json=as_json)
    return DONE


@command.command(epilog="Example: sidecar tenants suspend acme")
@click.argument("tenant", metavar="ID")
@operated
def suspend(place: Place, *, tenant: str) -> int:
    """Refuse the callers of a tenant until it is resumed."""
    _print_changed(place.call("POST", f"{_TENANT}/suspend", {"id": tenant}))
    return DONE


@command.command(epilog="Example: sidecar tenants resume acme")
@click.argument("tenant", metavar="ID")
@operated
def resume(place: Place, *, tenant: str) -> int:
    """Serve a suspended tenant again."""
    _print_changed(place.call("POST", f"{_TENANT}/resume", {"id": tenant}))
    return DONE


@command.command(epilog="Example: sidecar tenants delete acme")
@click.argument("tenant", metavar="ID")
@operated
def delete(place: Place, *, tenant: str) -> int:
    """Refuse the callers of a tenant for good; its secrets are deleted, its id is never used again.

    To refuse them for a while, suspend it.
    """
    _print_changed(place.call("DELETE", _TENANT, {"id": tenant}))
    return DONE


async def all_tenants(desk: Desk) -> list[Document]:
    """Fetch all tenants."""
    return await all_of(desk, _TENANTS, "tenants")


def _facts(said: Mapping[str, object]) -> dict[str, object]:
    """Collect what was said, as the admin API wants it."""
    facts: dict[str, object] = {}
    for name, value in said.items():
        if isinstance(value, str):
            facts[name] = value
        elif isinstance(value, tuple) and value:
            facts[name] = _several(name, [str(item) for item in value])
    return facts


def _several(name: str, items: list[str]) -> object:
    if name == "projects":
        pairs = [item.partition("=") for item in items]
        return {
            project: {"domains": domains.split(",")} if domains else {}
            for project, _, domains in pairs
        }
    if name != "attributes":
        return items
    attributes = dict(item.split("=", 1) for item in items if "=" in item)
    if len(attributes) != len(items):
        raise click.UsageError("--attribute is NAME=TEXT, each name once")
    return attributes


def _print_changed(document: Document, *, as_json: bool = False) -> None:
    if as_json:
        print_json(document)
    else:
        tell(f"tenant {document['id']} is {document['status']}")


def _told(value: object) -> str:
    """Write a value of a tenant; what is nested by its names."""
    if not isinstance(value, Mapping):
        return plain(value)
    return plain(
        [f"{name}={item}" if isinstance(item, str) else name for name, item in value.items()]
    )
