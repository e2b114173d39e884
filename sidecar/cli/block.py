"""`sidecar block`: shut out addresses, API keys and tenants, and let them in again."""

from typing import Final

import click

from sidecar.cli.exit_codes import DONE
from sidecar.cli.operator import Place, all_of, operated
from sidecar.cli.printing import print_json, print_listed, tell
from sidecar.model.blocks import BlockKind
from sidecar.policy.schema.quantities import parse_duration
from sidecar.policy.schema.words import PydanticCustomError

_BLOCKS: Final = "/v1/blocks"
_COLUMNS: Final = ("kind", "value", "until", "reason", "created", "created_by")

_kind = click.argument(
    "kind", metavar="KIND", type=click.Choice([kind.value for kind in BlockKind])
)
_value = click.argument("value", metavar="VALUE")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog="Example: sidecar block add address 203.0.113.0/24 --for 2h")
def command() -> None:
    """Shut out addresses, API keys and tenants, and let them in again.

    KIND is address (an address or a network), key (the id of a key) or tenant. The policy says with
    `blocks: {}` that it enforces them.
    """


@command.command(epilog='Example: sidecar block add tenant acme --for 2h --reason "abuse"')
@_kind
@_value
@click.option("--for", "span", metavar="TIME", help="For how long, such as 2h.")
@click.option("--until", metavar="WHEN", help="Until when: a date or RFC 3339.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the audit.")
@click.option(
    "--force",
    is_flag=True,
    help="Also a large network, a trusted proxy, a key or a tenant that is not known.",
)
@_as_json
@operated
def add(
    place: Place, /, *, span: str | None, until: str | None, as_json: bool, **said: object
) -> int:
    """Shut somebody out until a time, or until it is removed; adding again replaces."""
    if span is not None and until is not None:
        raise click.UsageError("give either --for or --until")
    body = {**said, "until": until if span is None else _span(span)}
    document = place.call("POST", _BLOCKS, body=body)
    if as_json:
        print_json(document)
    else:
        end = document["until"] or "it is removed"
        tell(f"{document['kind']} {document['value']} is blocked until {end}")
    return DONE


@command.command("list", epilog="Example: sidecar block list --json")
@_as_json
@operated
def list_blocks(place: Place, *, as_json: bool) -> int:
    """List the blocks in force."""
    blocks = place.run(lambda desk: all_of(desk, _BLOCKS, "blocks"))
    print_listed("blocks", blocks, _COLUMNS, as_json=as_json)
    return DONE


@command.command(epilog="Example: sidecar block remove address 203.0.113.0/24")
@_kind
@_value
@operated
def remove(place: Place, *, kind: str, value: str) -> int:
    """Let somebody in again."""
    document = place.call("DELETE", _BLOCKS, query={"kind": kind, "value": value})
    tell(f"{document['kind']} {document['value']} is not blocked any more")
    return DONE


def _span(text: str) -> str:
    """Insist on a span: a date behind --for would be read as something else than what it says."""
    try:
        parse_duration(text)
    except PydanticCustomError as error:
        raise click.UsageError("--for is no span of time: 30m, 2h or 7d") from error
    return text
