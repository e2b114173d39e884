"""What goes from a trail, what stays, and what an attacker can hide behind it: nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.knowledge.audit.chain import NO_HASH, Head
from sidecar.knowledge.audit.findings import Place, Report
from sidecar.knowledge.audit.removal import (
    Cut,
    Expiry,
    Facts,
    OfTenant,
    Rule,
    Tally,
    said_again,
    take_waiting,
)
from sidecar.knowledge.audit.signing import StatementSigner
from sidecar.knowledge.audit.statements import CHECKPOINT, PURGE, Run
from sidecar.knowledge.audit.trail import Trail
from sidecar.model.events import RecordClass
from tests.knowledge.audit.removals import (
    COMMAND,
    SIGNER,
    STRANGER,
    A,
    B,
    Writer,
    a_purge,
    a_record,
    cut,
    day,
    kinds,
    planned,
    read,
)

LONG, SHORT = day(10), day(50)
EXPIRY = Expiry({one: LONG if one == "admin" else SHORT for one in RecordClass} | {
    RecordClass.TRAIL: LONG
})  # fmt: skip


@pytest.mark.parametrize(
    ("action", "number", "goes"),
    [
        ("request", 49, True),
        ("request", 50, False),
        ("account.created", 49, True),
        ("key.create", 49, False),
        ("key.create", 9, True),
        ("audit.start", 49, False),
        ("audit.start", 9, True),
        (CHECKPOINT, 49, True),
        (CHECKPOINT, 50, False),
        (PURGE, 1, False),
    ],
)
def test_a_record_goes_when_the_time_of_its_class_is_over(
    action: str, number: int, goes: bool
) -> None:
    facts = Facts(day(number), action)
    assert EXPIRY.takes(facts) is goes
    assert not EXPIRY.spares(facts)


@pytest.mark.parametrize(
    ("facts", "goes", "stays"),
    [
        (Facts(day(1), "request", tenant_id="acme"), True, False),
        (Facts(day(1), "request", tenant_id="globex"), False, False),
        (Facts(day(1), "request"), False, False),
        (Facts(day(1), "tenant.create", "tenant", "acme"), True, False),
        (Facts(day(1), "tenant.create", "tenant", "globex"), False, False),
        (Facts(day(1), "key.create", "key", "acme"), False, False),
        (Facts(day(1), "auth.failure", tenant_id="acme"), False, True),
    ],
)
def test_what_is_of_a_tenant_or_about_it_goes_but_for_its_legal_window(
    facts: Facts, goes: bool, stays: bool
) -> None:
    rule = OfTenant("acme", frozenset({RecordClass.SECURITY}))
    assert (rule.takes(facts), rule.spares(facts)) == (goes, stays)


def a_past() -> list[list[bytes]]:
    """Two chains over three files; the last one is written."""
    a, b = Writer(A), Writer(B)
    return [
        [
            *a.write(a_record("request", 1, "acme"), a_record("key.create", 5)),
            *b.write(a_record("request", 2)),
            *a.write(a_record("key.create", 12, "acme"), a_record("request", 13)),
        ],
        [
            *a.write(a_record("request", 20), a_record("request", 21)),
            *b.write(a_record("auth.failure", 22, "acme")),
            *a.sign(day(23)),
        ],
        [*a.write(a_record("request", 60)), *a.sign(), *b.write(a_record("x.y", 61)), *b.sign()],
    ]


@pytest.mark.control("AU-4")
def test_a_run_stays_within_its_file_and_knows_what_came_before_it() -> None:
    files = a_past()
    plan = planned(files, EXPIRY)
    runs = plan.runs([])
    assert sorted((run.writer[4:5], run.first, run.last) for run in runs) == [
        ("0", 1, 2), ("0", 4, 4), ("0", 5, 7), ("1", 1, 1), ("1", 2, 2),
    ]  # fmt: skip
    command = Writer(COMMAND)
    said = [*command.write(a_purge(runs)), *command.sign()]
    left = [*cut(files, runs, EXPIRY), said]
    report = read(left)
    assert (report.problems, report.removed) == ([], 8)
    assert [len(lines) for lines in left] == [1, 0, 4, 2]
    # Killed at any moment: each file is there as it was, or as it will be.
    for done in range(4):
        halfway = [*left[:done], *files[done:], said]
        assert kinds(read(halfway)) == []


def test_lines_that_follow_a_hole_or_nothing_say_so() -> None:
    a = Writer(A)
    lines = a.write(*(a_record("request", number) for number in range(1, 10)))
    (whole,) = planned([lines[3:]], EXPIRY).runs([])
    assert whole.is_cut_off
    stated = Run(whole.writer, 1, 3, NO_HASH.decode(), lines[2][-67:-3].decode())
    (joined,) = planned([lines[3:]], EXPIRY).runs([stated])
    assert joined.before == stated.after
    holed = planned([[*lines[:2], *lines[4:]]], EXPIRY).runs([])
    assert [(run.first, run.last, run.is_cut_off) for run in holed] == [
        (1, 2, False), (5, 9, True),
    ]  # fmt: skip


def a_holed_trail() -> tuple[list[bytes], Writer]:
    a = Writer(A)
    lines = a.write(*(a_record("request", number) for number in range(1, 12)))
    return [*lines, *a.write(a_record("request", 60)), *a.sign()], a


@pytest.mark.control("AU-6")
@pytest.mark.parametrize(
    ("there", "found"),
    [
        pytest.param(slice(3, 13), ["beginning"], id="the beginning was gone before"),
        pytest.param(slice(0, 13), [], id="nothing was gone"),
    ],
)
def test_a_purge_hides_no_beginning_that_was_gone_before(there: slice, found: list[str]) -> None:
    lines, _ = a_holed_trail()
    runs = planned([lines[there]], EXPIRY).runs([])
    command = Writer(COMMAND)
    said = [*command.write(a_purge(runs)), *command.sign()]
    report = read([*cut([lines[there]], runs, EXPIRY), said])
    assert kinds(report) == found
    assert report.removed == 11 - there.start


@pytest.mark.control("AU-6")
def test_a_purge_hides_no_hole_and_nothing_that_comes_back_into_it() -> None:
    lines, _ = a_holed_trail()
    holed = [[*lines[:2], *lines[4:]]]
    runs = planned(holed, EXPIRY).runs([])
    command = Writer(COMMAND)
    said = [*command.write(a_purge(runs)), *command.sign()]
    (left,) = cut(holed, runs, EXPIRY)
    (problem,) = read([left, said]).problems
    assert (problem.kind, problem.text) == (
        "missing", "follows record 2: records 3 to 4 are missing",
    )  # fmt: skip
    inserted = Writer(Head(A.writer, 2, lines[1][-67:-3])).write(b'{"n":3}', b'{"n":4}')
    (problem,) = read([[*inserted, *left], said]).problems
    assert problem.kind == "missing"
    assert problem.text == "follows record 4, which was not there when it was removed"


@pytest.mark.control("AU-6")
def test_a_chain_that_is_gone_as_a_whole_is_known_to_its_end() -> None:
    lines, _ = a_holed_trail()
    everything = Expiry(dict.fromkeys(RecordClass, day(320)))
    gone = lines[:12]
    runs = planned([gone], everything).runs([])
    command = Writer(COMMAND)
    said = [*command.write(a_purge(runs)), *command.sign()]
    name = A.writer.decode()
    report = read([said], expected={name: 12})
    chain = report.chains[name]
    assert (report.problems, chain.records, chain.last, chain.signed) == ([], 0, 12, 12)
    assert kinds(read([said], expected={name: 13})) == ["truncated"]
    assert read([said], signed=False).chains[name].signed == 0
    assert (command.head.seq, chain.hash) == (2, gone[-1][-67:-3].decode())


def test_what_cannot_be_read_is_left_alone() -> None:
    a = Writer(A)
    lines = a.write(b'{"timestamp":7}', b'{"n":1}', a_record("request", 1))
    plan = planned([lines], EXPIRY)
    assert [(run.first, run.last) for run in plan.runs([])] == [(3, 3)]
    assert plan.tally.removed == {"requests": 1}
    assert not planned([[]], EXPIRY).tally


@pytest.mark.parametrize(
    ("fragment", "expired", "of_tenant"),
    [
        (b'{"id":"1","timestamp":"%s","tenant_id":"acme","us' % day(9).encode(), True, True),
        (b'{"id":"1","timestamp":"%s","tenant_id":"acme2"' % day(11).encode(), False, False),
        (b'{"id":"1","timest', False, False),
    ],
)
def test_a_fragment_goes_with_its_time_or_its_tenant(
    fragment: bytes, expired: bool, of_tenant: bool
) -> None:
    lines = [*Writer(A).write(a_record("request", 30)), fragment + b"\n"]
    for rule, goes in ((EXPIRY, expired), (OfTenant("acme"), of_tenant)):
        plan = planned([lines], rule)
        assert plan.tally.fragments == goes
        assert (fragment + b"\n" in cut([lines], plan.runs([]), rule)[0]) is not goes
    assert Cut([], EXPIRY).takes(b'{"id":"1"')
    assert not Cut([], EXPIRY).takes(Writer(A).write(b'{"n":1}')[0].rstrip())


def test_what_stays_for_its_legal_window_is_counted() -> None:
    plan = planned(a_past()[1:2], OfTenant("acme", frozenset({RecordClass.SECURITY})))
    assert (plan.tally.removed, plan.tally.spared) == ({}, {"security": 1})


def test_it_is_known_whether_a_run_is_gone() -> None:
    (lines, *_), name = a_past(), A.writer.decode()
    trail = Trail()
    for number in (1, 2):
        trail.take(lines[number - 1].rstrip(b"\n"), Place("file", number))
    trail.report()
    digest = "0" * 64
    spans = ((1, 1), (2, 5), (3, 9), (1, 9))
    assert [trail.is_gone(Run(name, first, last, digest, digest)) for first, last in spans] == [
        False, False, True, False,
    ]  # fmt: skip
    assert trail.is_gone(Run(B.writer.decode(), 1, 1, digest, digest))


@pytest.mark.control("AU-7")
def test_records_that_wait_and_stand_in_no_chain_are_judged_as_any() -> None:
    rule, tally = OfTenant("acme", frozenset({RecordClass.SECURITY})), Tally()
    waiting = [
        a_record("request", 1, "acme"),
        a_record("request", 2, "globex"),
        a_record("token.revoke", 3, "acme"),
        b"no record",
    ]
    assert [take_waiting(rule, one, tally) for one in waiting] == [True, False, False, False]
    assert (tally.removed, tally.spared) == ({"requests": 1}, {"security": 1})


@pytest.mark.control("AU-7")
@pytest.mark.parametrize("other", ["ab", "A", "", "a ", "xa"])
def test_a_tenant_is_no_other_whose_name_is_like_its_own(other: str) -> None:
    rule, tally = OfTenant("a"), Tally()
    assert take_waiting(rule, a_record("request", 1, "a"), tally)
    assert not take_waiting(rule, a_record("request", 1, other), tally)
    fragment = b'{"action":"request","tenant_id":"%s","x' % other.encode()
    assert not rule.takes_fragment(fragment, "")
    assert rule.takes_fragment(fragment.replace(b'"%s"' % other.encode(), b'"a"'), "")


@pytest.mark.control("AU-4")
def test_a_statement_that_goes_is_said_again_with_all_that_meets_it() -> None:
    a, command = Writer(A), Writer(COMMAND)
    lines = a.write(*(a_record("request", number) for number in range(8)))
    digest = [NO_HASH.decode(), *(line[-67:-3].decode() for line in lines)]
    name = A.writer.decode()
    first, second = Run(name, 1, 3, digest[0], digest[3]), Run(name, 4, 6, digest[3], digest[6])
    last = [*lines[6:], *a.sign()]
    old = command.write(a_purge([first], day(1)), a_purge([second], day(20)))
    spent = frozenset({(COMMAND.writer.decode(), 1)})
    plan = planned([old], EXPIRY, spent=spent)
    (gone,) = plan.runs([])
    again = said_again([first], [first, second])
    assert [(run.first, run.last) for run in again] == [(1, 6)]
    assert said_again([], [first, second]) == []
    new = [*command.write(a_purge([gone]), a_purge(again)), *command.sign()]
    report = read([last, *cut([old], [gone], EXPIRY), new])
    assert (report.problems, report.removed) == ([], 7)
    assert [(one.seq, len(one.runs)) for one in report.statements] == [(2, 1), (3, 1), (4, 1)]


# --- attackers


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("signer", [None, STRANGER])
def test_whoever_lacks_the_key_cannot_dress_up_a_removal_as_a_purge(
    signer: StatementSigner | None,
) -> None:
    files = a_past()
    rule = OfTenant("acme")
    runs = planned(files, rule).runs([])
    intruder = Writer(COMMAND)
    forged = intruder.write(a_purge(runs, signer=signer))
    found = kinds(read([*cut(files, runs, rule), forged]))
    assert "signature" in found
    assert "missing" in found


@pytest.mark.control("AU-6")
def test_a_genuine_statement_cannot_be_stretched_moved_or_made_to_say_more() -> None:
    files = a_past()
    runs = planned(files, EXPIRY).runs([])
    left = cut(files, runs, EXPIRY)
    genuine = a_purge(runs)
    first, second = runs[0].text, runs[1].text
    for before, after in (
        (first, f"{runs[0].writer} 1 3 {first[-129:]}"),
        ("T08:00:00.250Z", "T09:00:00.250Z"),
        (f'"{first}"', f'"{first}","{second}"'),
        (runs[0].after, runs[1].after),
    ):
        changed = genuine.decode().replace(before, after).encode()
        assert changed != genuine
        command = Writer(COMMAND)
        said = [*command.write(changed), *command.sign()]
        assert "signature" in kinds(read([*left, said]))
    # Said twice, or in another chain, it stands for what it stood for.
    twice = Writer(COMMAND)
    assert kinds(read([*left, [*twice.write(genuine, genuine), *twice.sign()]])) == []


LAST = {"web/0/000000000000": 9, "web/1/000000000000": 4, COMMAND.writer.decode(): 2}


def worries(report: Report) -> list[str]:
    """List what is wrong, and which ends are not signed: nobody vouches for those."""
    return kinds(report) + [note.kind for note in report.notes if note.kind == "unsigned"]


def removed(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], *lines[at + 1 :]]


def altered(lines: list[bytes], at: int) -> list[bytes]:
    changed = lines[at].replace(b"2026", b"2025").replace(b"2027", b"2025")
    return [*lines[:at], changed, *lines[at + 1 :]]


def moved(lines: list[bytes], at: int) -> list[bytes]:
    """Put a line before the one of its chain that stands before it; gone where it is the first."""
    writer = json.loads(lines[at])["writer"]
    before = [n for n, line in enumerate(lines[:at]) if json.loads(line)["writer"] == writer]
    rest = removed(lines, at)
    return [*rest[: before[-1]], lines[at], *rest[before[-1] :]] if before else rest


def repeated(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[: at + 1], *lines[at:]]


def forged(lines: list[bytes], at: int) -> list[bytes]:
    """Write another record in the place of one, as whoever knows the format, but has no key."""
    record = json.loads(lines[at])
    stands_on = next(
        (line[-67:-3] for line in lines if f'"seq":{record["seq"] - 1},"hash"'.encode() in line),
        NO_HASH,
    )
    writer = Writer(Head(record["writer"].encode(), record["seq"] - 1, stands_on))
    return [*lines[:at], *writer.write(b'{"action":"request"}'), *lines[at + 1 :]]


def emptied(lines: list[bytes], at: int) -> list[bytes]:
    del lines, at
    return []


@pytest.mark.control("AU-6")
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_done_beyond_the_stated_removal_is_found(data: st.DataObject) -> None:
    files = a_past()
    rules: list[Rule] = [EXPIRY, OfTenant("acme")]
    rule = data.draw(st.sampled_from(rules))
    runs = planned(files, rule).runs([])
    command = Writer(COMMAND)
    left = [*cut(files, runs, rule), [*command.write(a_purge(runs)), *command.sign()]]
    assert worries(read(left, expected=LAST)) == []
    places = [(file, at) for file, lines in enumerate(left) for at in range(len(lines))]
    file, at = data.draw(st.sampled_from(places))
    act = data.draw(st.sampled_from([removed, altered, moved, repeated, forged, emptied]))
    left[file] = act(left[file], at)
    assert worries(read(left, expected=LAST)) != []


def test_the_key_names_itself() -> None:
    assert SIGNER.public_pem.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert len(SIGNER.sign_raw(b"text")) == 64
