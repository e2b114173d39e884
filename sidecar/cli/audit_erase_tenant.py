"""`sidecar audit erase-tenant`: the records of a tenant leave the files (AU-7)."""

import os
import time
from pathlib import Path
from typing import Final

import click

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.cli.audit_removing import (
    document_of,
    reason_of,
    removed_by,
    removing,
    timestamp,
    told_of,
)
from sidecar.cli.exit_codes import DONE, NO, USAGE, CommandError
from sidecar.cli.operator import actor_name
from sidecar.cli.printing import print_json
from sidecar.knowledge.audit.certificate import ErasedFrom, certificate, tenant_digest
from sidecar.knowledge.audit.removal import OfTenant
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.lifecycle.audit_erasure import elsewhere, note_erasure
from sidecar.lifecycle.audit_removal import Removed, TrailRemoval, Wish
from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.tenant_facts import tenant_id
from sidecar.model.events import RecordClass
from sidecar.policy.schema.audit import Audit
from sidecar.policy.schema.retention import Retention

_MODE: Final = 0o600


@click.command(
    epilog="Example: sidecar audit erase-tenant acme --policy sidecar.yaml --reason TICKET-7"
    " --confirm acme --certificate acme.txt"
)
@click.argument("tenant")
@click.option("--reason", required=True, help="Why, for the trail, in one line: a ticket, no name.")
@click.option("--confirm", metavar="TENANT", help="The tenant again; not for --dry-run.")
@click.option(
    "--certificate",
    "certificate_file",
    metavar="FILE",
    help="A new file for the certificate; its signature goes to FILE.sig, where there is a key.",
)
@removing
def command(  # noqa: PLR0913  click hands over each option by its name
    *,
    tenant: str,
    reason: str,
    confirm: str | None,
    certificate_file: str | None,
    policy: str,
    is_dry: bool,
    allow: tuple[str, ...],
    as_json: bool,
) -> int:
    """Erase the records of TENANT from the files of the trail, packed and rotated ones too.

    Delete the tenant first (sidecar tenants delete), or new records will follow. Classes of
    audit.retention.legal stay until their time is over. The file that is written is rewritten
    where the policy rotates it, and else left. Records that wait in a file to spill to go too. What
    other sinks got, only they can erase: they are named.

    Exit status: 0 done, 1 refused, or records were left, 2 not confirmed, 3 a file cannot be read
    or written.
    """
    tenant = _confirmed(tenant, confirm, is_dry=is_dry)
    reason = reason_of(reason)
    if certificate_file is not None:
        _fresh(certificate_file)
    told: list[str] = []

    async def erase(section: Audit, ledger: AuditLedger | None) -> list[Removed]:
        legal = (section.retention or Retention()).legal
        rule = OfTenant(tenant, frozenset(map(RecordClass, legal)))
        wish = Wish(rule, actor_name(), "erasure", reason, frozenset(allow), is_dry)
        trails = await TrailRemoval(section, ledger).remove(wish)
        told.extend(elsewhere(section))
        if ledger is not None:
            note_erasure(ledger, wish, tenant, trails, told)
            if certificate_file is not None:
                _certify(certificate_file, section, wish, tenant, trails)
        return trails

    trails = removed_by(policy, erase, is_dry=is_dry)
    if as_json:
        record = tenant_digest(tenant)
        print_json({"record": record, "trails": list(map(document_of, trails)), "elsewhere": told})
    else:
        lines = [line for one in trails for line in told_of(one, is_dry=is_dry)]
        lines += [f"not erased, others hold it: {place}" for place in told]
        click.echo("\n".join(lines))
    return NO if any(one.left for one in trails) else DONE


def _confirmed(tenant: str, confirm: str | None, *, is_dry: bool) -> str:
    try:
        found = tenant_id(tenant)
    except BadValueError as error:
        raise CommandError(f"{error.message} ({error.hint})", USAGE) from error
    if not is_dry and confirm != tenant:
        raise CommandError(f"nothing was erased: --confirm {tenant} says that it is meant", USAGE)
    return found


def _fresh(name: str) -> None:
    for one in (name, f"{name}.sig"):
        if Path(one).exists():
            raise CommandError(f"{one} is there already (another name)", USAGE)


def _certify(name: str, section: Audit, wish: Wish, tenant: str, trails: list[Removed]) -> None:
    facts = {"at": timestamp(time.time()), "by": wish.actor, "reason": wish.reason}
    erased = [ErasedFrom(one.file, one.removed, one.kept) for one in trails]
    left = [
        f"{file}, {count} records: {reason}"
        for one in trails
        for file, (count, reason) in one.left.items()
    ]
    text = certificate(tenant, facts, erased, [*left, *elsewhere(section)]).encode()
    _write(name, text)
    if section.signing_key is not None:
        _write(f"{name}.sig", StatementSigner(section.signing_key).sign_raw(text))


def _write(name: str, content: bytes) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
