"""A small trail and what the commands do to it, as values alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.audit.chain import Head, chain_name
from sidecar.knowledge.audit.findings import Place, Report
from sidecar.knowledge.audit.removal import Cut, Plan, Rule
from sidecar.knowledge.audit.signing import SignatureChecker, StatementSigner
from sidecar.knowledge.audit.statements import CHECKPOINT, PURGE, Run, checkpoint_text, purge_text
from sidecar.knowledge.audit.trail import Trail
from sidecar.model.secret import Secret
from tests.knowledge.audit.chains import end_of, linked

SIGNER: Final = StatementSigner(Secret(bytes(range(32))))
STRANGER: Final = StatementSigner(Secret(bytes(32)))
CHECKER: Final = SignatureChecker(SIGNER.public_pem)
A: Final = Head(chain_name("web", "0", bytes(6)))
B: Final = Head(chain_name("web", "1", bytes(6)))
COMMAND: Final = Head(chain_name("web", "command", bytes(6)))
NOW: Final = "2027-01-15T08:00:00.250Z"


def day(number: int) -> str:
    return f"2026-{number // 28 + 1:02d}-{number % 28 + 1:02d}T00:00:00.000Z"


def a_record(
    action: str, number: int, tenant: str | None = None, about: tuple[str, str] = ("route", "/")
) -> bytes:
    record = {
        "id": f"{number}", "timestamp": day(number), "tenant_id": tenant, "action": action,
        "resource_type": about[0], "resource_id": about[1],
    }  # fmt: skip
    return json.dumps(record, separators=(",", ":")).encode()


def a_statement(action: str, when: str, **details: object) -> bytes:
    record = {"timestamp": when, "actor": "cli:ops", "action": action}
    return json.dumps({**record, "metadata": {"details": details}}, separators=(",", ":")).encode()


def a_checkpoint(head: Head, when: str = NOW, signer: StatementSigner = SIGNER) -> bytes:
    line_hash = head.hash.decode()
    signed = signer.sign(checkpoint_text(head.writer.decode(), head.seq, line_hash, when))
    return a_statement(
        CHECKPOINT, when, seq=head.seq, hash=line_hash, key_id=signer.key_id, signature=signed
    )


def a_purge(runs: Iterable[Run], when: str = NOW, signer: StatementSigner | None = SIGNER) -> bytes:
    said = [run.text for run in runs]
    facts: dict[str, object] = {"runs": said, "why": "retention", "reason": "T-1"}
    if signer is not None:
        facts |= {"key_id": signer.key_id, "signature": signer.sign(purge_text(said, when))}
    return a_statement(PURGE, when, **facts)


@dataclass
class Writer:
    """A chain that grows."""

    head: Head

    def write(self, *records: bytes) -> list[bytes]:
        lines = linked(records, self.head)
        self.head = end_of(lines, self.head)
        return lines

    def sign(self, when: str = NOW) -> list[bytes]:
        return self.write(a_checkpoint(self.head, when))


Files = Sequence[Sequence[bytes]]


def planned(files: Files, rule: Rule, **how: frozenset[tuple[str, int]]) -> Plan:
    plan = Plan(rule, **how)
    for lines in files:
        plan.next_file()
        for line in lines:
            plan.take(line.rstrip(b"\n"))
    return plan


def cut(files: Files, runs: Iterable[Run], rule: Rule) -> list[list[bytes]]:
    knife = Cut(runs, rule)
    return [[line for line in lines if not knife.takes(line.rstrip(b"\n"))] for lines in files]


def read(files: Files, *, signed: bool = True, expected: dict[str, int] | None = None) -> Report:
    trail = Trail(CHECKER if signed else None)
    for name, lines in enumerate(files):
        trail.next_file()
        for number, line in enumerate(lines, 1):
            trail.take(line.rstrip(b"\n"), Place(f"{name}", number))
    return trail.report(expected)


def kinds(report: Report) -> list[str]:
    return [finding.kind for finding in report.problems]
