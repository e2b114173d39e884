"""`sidecar keys`: make, show, rotate, switch, revoke and import API keys; respond to a breach."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import click

from sidecar.cli.exit_codes import DONE, FAILED, USAGE, CommandError
from sidecar.cli.operator import Desk, Document, Place, all_of, operated
from sidecar.cli.printing import columns, plain, print_json, print_listed, tell
from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.key_import import BATCH_MAX
from sidecar.lifecycle.keys import KEY_ID
from sidecar.lifecycle.operations import read_members

_KEYS: Final = "/v1/keys"
_KEY: Final = "/v1/keys/{id}"
_BREACH: Final = "/v1/tenants/{id}/breach"
# The admin API takes bodies of 64 KiB.
_BATCH_BYTES: Final = 48 * 1024
_COLUMNS: Final = ("id", "prefix", "tenant", "kind", "status", "roles", "expires", "label")


def _checked_id(_: click.Context, __: click.Parameter, value: str) -> str:
    # A key that is given by mistake must not go on to a path, which others may log.
    if not KEY_ID.match(value):
        raise click.BadParameter("this is no id of a key; sidecar keys list shows the ids")
    return value


_by_id = click.argument("key_id", metavar="ID", callback=_checked_id)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog="Example: sidecar keys create --policy policy.yaml --tenant acme --role viewer")
def command() -> None:
    """Make, list, rotate, revoke and import API keys."""


@command.command(epilog="Example: sidecar keys create --tenant acme --role developer --expires 90d")
@click.option("--tenant", metavar="ID", help="Tenant that it belongs to.")
@click.option("--role", "roles", multiple=True, metavar="NAME", help="Role in it; may be repeated.")
@click.option("--scope", "scopes", multiple=True, metavar="NAME", help="Scope; may be repeated.")
@click.option("--kind", metavar="NAME", help="Kind; the first of the policy if left out.")
@click.option("--project", metavar="ID", help="Project of the tenant that it is bound to.")
@click.option("--tier", metavar="NAME", help="Tier; the tenant's if left out.")
@click.option("--expires", metavar="WHEN", help="When it ends: 90d, 2027-01-31 or RFC 3339.")
@click.option("--not-before", metavar="WHEN", help="When it begins; at once if left out.")
@click.option(
    "--address", "addresses", multiple=True, metavar="CIDR", help="Network; may be repeated."
)
@click.option("--subject", metavar="TEXT", help="Who it acts for; key:ID if left out.")
@click.option("--label", metavar="TEXT", help="What its owner calls it.")
@click.option("--read-only", is_flag=True, default=None, help="Open only safe methods to it.")
@_as_json
@operated
def create(place: Place, /, *, as_json: bool, **members: object) -> int:
    """Make a key: it alone goes to standard output, everything else to standard error.

    It is shown this once; the store knows its digest alone.
    """
    body = {name: value for name, value in members.items() if value not in (None, ())}
    _print_made(place.call("POST", _KEYS, body=body), as_json=as_json)
    return DONE


@command.command("list", epilog="Example: sidecar keys list --tenant acme")
@click.option("--tenant", metavar="ID", help="Only keys of this tenant.")
@_as_json
@operated
def list_keys(place: Place, *, tenant: str | None, as_json: bool) -> int:
    """List keys, the oldest first."""
    query = {} if tenant is None else {"tenant": tenant}
    keys = place.run(lambda desk: all_of(desk, _KEYS, "keys", query))
    print_listed("keys", keys, _COLUMNS, as_json=as_json)
    return DONE


@command.command(epilog="Example: sidecar keys show 0190a4c2-7d10-7abc-8def-0123456789ab")
@_by_id
@_as_json
@operated
def show(place: Place, *, key_id: str, as_json: bool) -> int:
    """Show what is stored of a key."""
    _print_key(place.call("GET", _KEY, {"id": key_id}), as_json=as_json)
    return DONE


@command.command(
    epilog="Example: sidecar keys rotate 0190a4c2-7d10-7abc-8def-0123456789ab --grace 24h"
)
@_by_id
@click.option(
    "--grace",
    metavar="TIME",
    default="0s",
    show_default=True,
    help="How long the old key is still good.",
)
@click.option("--expires", metavar="WHEN", help="When the new key ends; as the old one did.")
@_as_json
@operated
def rotate(place: Place, *, key_id: str, grace: str, expires: str | None, as_json: bool) -> int:
    """Make a key in the place of another, with all that the other has.

    The new key alone goes to standard output.
    """
    body = {"grace": grace} if expires is None else {"grace": grace, "expires": expires}
    _print_made(place.call("POST", f"{_KEY}/rotate", {"id": key_id}, body=body), as_json=as_json)
    return DONE


@command.command(epilog="Example: sidecar keys revoke 0190a4c2-7d10-7abc-8def-0123456789ab")
@_by_id
@operated
def revoke(place: Place, *, key_id: str) -> int:
    """Revoke a key for good."""
    return _switched(place, key_id, "revoke")


@command.command(epilog="Example: sidecar keys disable 0190a4c2-7d10-7abc-8def-0123456789ab")
@_by_id
@operated
def disable(place: Place, *, key_id: str) -> int:
    """Switch a key off until it is enabled."""
    return _switched(place, key_id, "disable")


@command.command(epilog="Example: sidecar keys enable 0190a4c2-7d10-7abc-8def-0123456789ab")
@_by_id
@operated
def enable(place: Place, *, key_id: str) -> int:
    """Switch a disabled key on again."""
    return _switched(place, key_id, "enable")


@command.command("import", epilog="Example: sidecar keys import keys.jsonl")
@click.argument("file", type=click.File("rb"))
@operated
def import_keys(place: Place, *, file: BinaryIO) -> int:
    """Take in keys that exist, by their digests: one JSON object in each line of FILE, - for stdin.

    Members: digest (SHA-256 in hexadecimal), prefix (what the key begins with and at most 8
    characters behind it), pepper (its name, for HMAC-SHA256), and those of create. Keys whose
    digest is known are left as they are.
    """
    batches = list(_batches(file))
    added, known = place.run(lambda desk: _imported(desk, batches))
    tell(f"{_counted(added)} imported, {known} known already")
    return DONE


@command.command(epilog="Example: sidecar keys breach acme")
@click.argument("tenant", metavar="TENANT")
@click.option("--rotate", is_flag=True, help="Replace active keys instead of revoking them.")
@click.option("--grace", metavar="TIME", help="With --rotate: how long old keys are still good.")
@_as_json
@operated
def breach(place: Place, *, tenant: str, rotate: bool, grace: str | None, as_json: bool) -> int:
    """End everything by which TENANT can be entered: all its keys, sessions and tokens.

    With --rotate each active key is replaced: standard output has a line for each, the old key's
    id, the new one's id and the new key.
    """
    body: dict[str, object] = {"rotate": rotate}
    if grace is not None:
        body["grace"] = grace
    ended = place.run(lambda desk: _respond(desk, tenant, body))
    _print_ended(tenant, ended, as_json=as_json)
    if ended.failure is None:
        return DONE
    tell(f"sidecar: not all was ended: {ended.failure} (run the same command again)")
    return FAILED


def _counted(keys: int) -> str:
    return "1 key" if keys == 1 else f"{keys} keys"


def _switched(place: Place, key_id: str, verb: str) -> int:
    document = place.call("POST", f"{_KEY}/{verb}", {"id": key_id})
    tell(f"key {document['id']} ({document['prefix']}…) is {document['status']}")
    return DONE


def _print_made(made: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    tell(f"key {made['id']} of tenant {plain(made['tenant'])}; it is not shown again:")
    click.echo(made["key"])


def _print_key(document: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(columns([[f"{name}:", plain(value)] for name, value in document.items()]))


@dataclass(slots=True)
class _Ended:
    """What the calls of a breach response ended together."""

    revoked: list[object] = field(default_factory=list)
    rotated: list[Document] = field(default_factory=list)
    failure: str | None = None

    def add(self, answer: Document) -> None:
        revoked, rotated, failure = (answer[name] for name in ("revoked", "rotated", "failure"))
        self.revoked += revoked if isinstance(revoked, list) else []
        self.rotated += rotated if isinstance(rotated, list) else []
        self.failure = None if failure is None else str(failure)


async def _respond(desk: Desk, tenant: str, body: Document) -> _Ended:
    """Call until nothing is left: each call ends before whoever waits for it loses patience."""
    ended = _Ended()
    answer = await desk.call("POST", _BREACH, {"id": tenant}, body=body)
    ended.add(answer)
    while not answer["complete"] and ended.failure is None:
        try:
            going_on = {**body, "before": answer["before"], "after": answer["after"]}
            answer = await desk.call("POST", _BREACH, {"id": tenant}, body=going_on)
        except CommandError as error:
            # The keys that were made before must be shown: nobody could ever show them again.
            ended.failure = str(error)
        else:
            ended.add(answer)
    return ended


def _print_ended(tenant: str, ended: _Ended, *, as_json: bool) -> None:
    if as_json:
        print_json({"revoked": ended.revoked, "rotated": ended.rotated, "failure": ended.failure})
    else:
        for made in ended.rotated:
            click.echo(f"{made['replaces']} {made['id']} {made['key']}")
    tell(
        f"tenant {tenant}: {_counted(len(ended.revoked))} revoked, {len(ended.rotated)} rotated;"
        " tokens and sessions issued before now are refused"
    )
    if not ended.revoked and not ended.rotated:
        tell(f"no live key belongs to {tenant}: is it the right tenant?")


async def _imported(desk: Desk, batches: list[list[Document]]) -> tuple[int, int]:
    added = known = 0
    for batch in batches:
        answer = await desk.call("POST", f"{_KEYS}/import", body={"keys": batch})
        fresh, old = answer["imported"], answer["known"]
        added += len(fresh) if isinstance(fresh, list) else 0
        known += old if isinstance(old, int) else 0
    return added, known


def _batches(file: Iterable[bytes]) -> Iterator[list[Document]]:
    """Read the lines of an import, as many at a time as one call takes."""
    batch: list[Document] = []
    size = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        if batch and (len(batch) == BATCH_MAX or size + len(line) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        try:
            batch.append(read_members(line))
        except BadValueError as error:
            raise CommandError(f"line {number}: {error.message} ({error.hint})", USAGE) from error
        size += len(line)
    if batch:
        yield batch
