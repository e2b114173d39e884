"""What is done to a trail, and what a reader of it finds."""

import json
from collections.abc import Callable, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.audit.chain import NO_HASH, Head, chain_name
from sidecar.knowledge.audit.findings import Place, Report
from sidecar.knowledge.audit.signing import SignatureChecker, StatementSigner
from sidecar.knowledge.audit.statements import (
    CHECKPOINT,
    PURGE,
    TORN,
    Run,
    checkpoint_text,
    purge_text,
)
from sidecar.knowledge.audit.trail import Trail
from sidecar.model.secret import Secret
from tests.knowledge.audit.chains import end_of, linked

A = Head(chain_name("web", "0", bytes(6)))
B = Head(chain_name("web", "1", bytes(6)))
WHEN = "2027-01-15T08:00:00.250Z"
SEED = bytes(range(32))
SIGNER = StatementSigner(Secret(SEED))
PUBLIC = (
    Ed25519PrivateKey.from_private_bytes(SEED)
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)
CHECKER = SignatureChecker(PUBLIC)
STRANGER = StatementSigner(Secret(bytes(32)))


def chained(count: int, head: Head = A) -> list[bytes]:
    return linked([b'{"action":"request","n":%d}' % n for n in range(1, count + 1)], head)


def a_statement(action: str, **details: object) -> bytes:
    record = {"action": action, "timestamp": WHEN, "metadata": {"details": details}}
    return json.dumps(record, separators=(",", ":")).encode()


def a_checkpoint(head: Head, signer: StatementSigner = SIGNER, *, when: str = WHEN) -> bytes:
    text = checkpoint_text(head.writer.decode(), head.seq, head.hash.decode(), when)
    return a_statement(
        CHECKPOINT,
        seq=head.seq,
        hash=head.hash.decode(),
        key_id=signer.key_id,
        signature=signer.sign(text),
    )


def hash_in(line: bytes) -> str:
    return line[-67:-3].decode()


def a_run(lines: Sequence[bytes], first: int, last: int, head: Head = A) -> Run:
    """Describe lines of a chain, which are given from its first on."""
    before = NO_HASH.decode() if first == 1 else hash_in(lines[first - 2])
    return Run(head.writer.decode(), first, last, before, hash_in(lines[last - 1]))


def a_purge(*runs: Run, signer: StatementSigner | None = None) -> bytes:
    said = [run.text for run in runs]
    if signer is None:
        return a_statement(PURGE, runs=said)
    signature = signer.sign(purge_text(said, WHEN))
    return a_statement(PURGE, runs=said, key_id=signer.key_id, signature=signature)


def read(*files: bytes, expected: dict[str, int] | None = None, **how: object) -> Report:
    is_signed = CHECKER if how.get("signed") else None
    trail = Trail(
        is_signed,
        allows_repeats=bool(how.get("repeats")),
        is_partial=bool(how.get("partial")),
    )
    for number, content in enumerate(files):
        trail.next_file()
        for line_number, line in enumerate(content.split(b"\n"), 1):
            is_last = line_number == content.count(b"\n") + 1
            if not is_last or line:
                trail.take(line, Place(f"file{number}", line_number), is_ended=not is_last)
    return trail.report(expected)


def kinds(report: Report) -> list[str]:
    return [finding.kind for finding in report.problems]


def test_a_trail_of_several_chains_in_several_files_is_whole_in_any_order() -> None:
    a, b = chained(6), chained(4, B)
    first = b"".join([a[0], b[0], a[1], a[2], b[1]])
    second = b"".join([b[2], a[3], a[4], b[3], a[5]])
    for files in ((first, second), (second, first)):
        report = read(*files)
        assert report.problems == report.notes == []
        assert report.records == 10
        chain = report.chains["web/0/000000000000"]
        assert (chain.first, chain.last, chain.records) == (1, 6, 6)
        assert chain.hash == hash_in(a[-1])


@pytest.mark.control("AU-6")
@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(
            lambda a: [*a[:3], a[3].replace(b"4", b"5", 1), *a[4:]], ["changed"], id="changed"
        ),
        pytest.param(lambda a: [*a[:3], *a[4:]], ["missing"], id="removed"),
        pytest.param(lambda a: a[1:], ["beginning"], id="first removed"),
        pytest.param(lambda a: [*a[:3], a[4], a[3], *a[5:]], ["order"], id="moved"),
        pytest.param(lambda a: [*a[:3], a[3], a[3], *a[4:]], ["repeated"], id="repeated"),
        pytest.param(lambda a: [*a, a[2]], ["order"], id="repeated later"),
        pytest.param(lambda a: [*a[:3], b"{}\n", *a[3:]], ["foreign"], id="without a chain"),
        pytest.param(lambda a: [*a[:3], b"\n", *a[3:]], ["foreign"], id="an empty line"),
        pytest.param(
            lambda a: [*a[:3], linked([b'{"x":1}'], end_of(a[:3], A))[0], *a[3:]],
            ["changed", "order"],
            id="inserted with a chain",
        ),
        pytest.param(
            lambda a: [*a[:3], a[3][:-1], *a[4:]], ["missing"], id="joined"
        ),
    ],
)  # fmt: skip
def test_whatever_is_done_to_the_middle_of_a_trail_is_found(
    change: Callable[[list[bytes]], list[bytes]], found: list[str]
) -> None:
    assert sorted(kinds(read(b"".join(change(chained(7)))))) == sorted(found)


def test_a_finding_names_file_line_chain_and_number() -> None:
    a = chained(5)
    (finding,) = read(b"".join(a[:2]), b"".join(a[3:])).problems
    assert finding.place == Place("file1", 1)
    assert (finding.writer, finding.seq) == ("web/0/000000000000", 4)
    assert finding.text == "follows record 2: records 3 to 3 are missing"


def test_a_change_where_one_file_ends_and_the_next_begins_is_found() -> None:
    a, other = chained(5), linked([b'{"x":%d}' % n for n in range(5)], A)
    assert kinds(read(b"".join(a[:2]), b"".join(other[2:]))) == ["changed"]


@pytest.mark.control("AU-6")
@given(data=st.data())
def test_one_changed_bit_anywhere_breaks_the_chain(data: st.DataObject) -> None:
    content = bytearray(b"".join([*chained(3), *chained(2, B)]))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    assert read(bytes(content)).problems


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_read(content: bytes) -> None:
    report = read(content)
    assert report.records == 0
    assert bool(report.problems) == (b"\n" in content)


@pytest.mark.parametrize(("allowed", "found"), [(False, ["repeated"]), (True, [])])
def test_what_comes_twice_from_a_sink_that_delivers_at_least_once_may_be_allowed(
    allowed: bool,
    found: list[str],
) -> None:
    a = chained(4)
    twice = read(b"".join([*a[:2], a[1], *a[2:]]), repeats=allowed)
    again = read(b"".join(a), b"".join(a[1:3]), repeats=allowed)
    assert kinds(twice) == kinds(again) == found
    assert again.chains["web/0/000000000000"].records == 4


def test_a_beginning_that_is_gone_with_older_files_may_be_allowed() -> None:
    report = read(b"".join(chained(5)[2:]), partial=True)
    assert report.problems == []
    assert [note.kind for note in report.notes] == ["beginning"]


# --- torn lines


@pytest.mark.control("AU-6")
def test_a_torn_end_is_noted_and_so_is_what_a_later_record_vouches_for() -> None:
    from hashlib import sha256

    a = chained(3)
    fragment = a[2][:40]
    report = read(b"".join(a[:2]) + fragment)
    assert (kinds(report), [note.kind for note in report.notes]) == ([], ["torn"])
    voucher = a_statement(TORN, bytes=40, sha256=sha256(fragment).hexdigest())
    rest = linked([voucher], end_of(a[:2], A))
    content = b"".join([*a[:2], fragment, b"\n", *rest])
    report = read(content)
    assert (kinds(report), [note.kind for note in report.notes]) == ([], ["torn"])
    assert kinds(read(content.replace(fragment, fragment[:-1] + b"~"))) == ["foreign"]


def test_what_is_cut_off_is_known_where_the_end_is() -> None:
    a = chained(4)
    name = "web/0/000000000000"
    assert read(b"".join(a), expected={name: 4}).problems == []
    (finding,) = read(b"".join(a[:3]), expected={name: 4}).problems
    assert (finding.kind, finding.seq) == ("truncated", 3)
    assert kinds(read(b"", expected={name: 4})) == ["truncated"]


# --- checkpoints


def signed(count: int, signer: StatementSigner = SIGNER) -> list[bytes]:
    a = chained(count)
    head = end_of(a, A)
    return [*a, *linked([a_checkpoint(head, signer)], head)]


@pytest.mark.control("AU-6")
def test_a_chain_is_signed_up_to_its_last_good_checkpoint() -> None:
    lines = signed(3)
    head = end_of(lines, A)
    lines += linked([a_checkpoint(head)], head)
    lines += linked([b'{"n":9}'], end_of(lines, A))
    report = read(b"".join(lines), signed=True)
    assert report.problems == []
    chain = report.chains["web/0/000000000000"]
    assert (chain.signed, chain.signed_at, chain.last) == (4, WHEN, 6)
    (note,) = report.notes
    assert note.text == f"has 1 records after its last checkpoint, of {WHEN}"
    assert read(b"".join(lines[:5]), signed=True).notes == []
    assert read(b"".join(lines)).chains["web/0/000000000000"].signed == 0


@pytest.mark.control("AU-6")
def test_a_trail_that_was_chained_anew_does_not_fit_its_checkpoints() -> None:
    genuine = signed(3)
    forged = linked([b'{"n":%d}' % n for n in (7, 8, 9)], A)
    head = end_of(forged, A)
    checkpoint = genuine[3][: genuine[3].index(b',"writer"')] + b"}"
    forged += linked([checkpoint], head)
    assert kinds(read(b"".join(forged), signed=True)) == ["signature", "unsigned"]
    assert kinds(read(b"".join(forged))) == ["signature"]


@pytest.mark.control("AU-6")
@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param(signed(3, STRANGER), ["signature", "unsigned"], id="another key"),
        pytest.param(chained(3), ["unsigned"], id="no checkpoint"),
        pytest.param(
            [line.replace(WHEN.encode(), b"2026-01-15T08:00:00.250Z") for line in signed(3)],
            ["changed", "signature", "unsigned"],
            id="another time",
        ),
    ],
)
def test_what_the_key_did_not_sign_is_found(lines: list[bytes], found: list[str]) -> None:
    assert sorted(kinds(read(b"".join(lines), signed=True))) == found


@pytest.mark.parametrize("signature", ["", "é", "AAAA", "a" * 86])
def test_a_signature_of_any_form_is_judged(signature: str) -> None:
    a = chained(2)
    head = end_of(a, A)
    said = a_statement(
        CHECKPOINT, seq=2, hash=head.hash.decode(), key_id=SIGNER.key_id, signature=signature
    )
    lines = [*a, *linked([said], head)]
    assert kinds(read(b"".join(lines), signed=True)) == ["signature", "unsigned"]


def test_a_public_key_of_another_kind_is_none() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    key = generate_private_key(SECP256R1()).public_key()
    with pytest.raises(ValueError, match="no Ed25519 key"):
        SignatureChecker(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ValueError, match="PEM"):
        SignatureChecker(b"nothing")


# --- removed by statement


@pytest.mark.control("AU-6")
def test_a_statement_stands_for_the_lines_that_it_names() -> None:
    a = chained(9)
    purge = a_purge(a_run(a, 1, 3), a_run(a, 4, 4), a_run(a, 7, 8))
    report = read(b"".join([*a[4:6], a[8], *linked([purge], B)]))
    assert report.problems == []
    assert report.removed == 6


@pytest.mark.control("AU-6")
@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(4, 4, id="another run"),
        pytest.param(3, 4, id="too few"),
        pytest.param(3, 6, id="too many"),
    ],
)
def test_a_statement_stands_for_nothing_else(first: int, last: int) -> None:
    a = chained(9)
    purge = a_purge(a_run(a, first, last))
    assert kinds(read(b"".join([*a[:2], *a[5:], *linked([purge], B)]))) == ["missing"]


@pytest.mark.control("AU-6")
def test_with_a_key_only_a_signed_statement_stands_for_lines() -> None:
    lines = signed(5)
    run = a_run(lines, 2, 3)
    rest = [lines[0], *lines[3:]]
    unsigned = ["missing", "signature"]
    for signer, found in ((SIGNER, []), (STRANGER, unsigned), (None, unsigned)):
        purge = linked([a_purge(run, signer=signer)], B)
        head = end_of(purge, B)
        command = [*purge, *linked([a_checkpoint(head)], head)]
        assert sorted(kinds(read(b"".join([*rest, *command]), signed=True))) == found


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(None, id="none"),
        pytest.param(["web/0/000000000000 1 2"], id="short"),
        pytest.param([7], id="a number"),
        pytest.param([f"web/0/000000000000 3 2 {'0' * 64} {'0' * 64}"], id="backwards"),
    ],
)
def test_a_statement_that_cannot_be_read_is_told(runs: object) -> None:
    assert kinds(read(b"".join(linked([a_statement(PURGE, runs=runs)], A)))) == ["statement"]


@pytest.mark.parametrize(
    "record",
    [
        b'{"action":"audit.checkpoint"}',
        b'{"action":"audit.checkpoint","metadata":7}',
        b'{"action":"audit.checkpoint","metadata":{"details":[]}}',
    ],
)
def test_a_checkpoint_without_its_facts_is_none(record: bytes) -> None:
    assert kinds(read(b"".join(linked([record], A)))) == ["signature"]


@pytest.mark.parametrize(
    "record",
    [
        b'{"action":"audit.checkpoint"[}',
        b'["action":"audit.x"}',
        b'{"action":"audit.start"}',
        b'{"action":"audit.torn"}',
        b'{"x":{"action":"audit.gap"},"action":7}',
    ],
)
def test_what_is_no_statement_says_nothing(record: bytes) -> None:
    assert read(b"".join(linked([record], A))).problems == []
