"""What is proven of fields of answers, of the order of roles and of leases; the rest is unknown."""

import itertools
from collections.abc import Mapping
from typing import Final, NamedTuple

import pytest

from sidecar.decision.diff.changes import COUNTED, Judging, Side, Spot, Verdict
from sidecar.decision.diff.pages import judge_directives
from tests.decision.diff.comparing import HEAD, ROUTES, said
from tests.policy.reading import loaded

CASES: Final = [
    # what is said, by key; the old text; the new one
    ("", "default-src 'self'; img-src a.example", "img-src a.example; default-src 'self'"),
    ("narrows csp.enforce", "default-src 'self' a.example", "default-src 'self'"),
    ("widens csp.enforce", "default-src 'self'", "default-src 'self' a.example"),
    ("changes csp.enforce", "default-src a.example", "default-src b.example"),
    ("narrows csp.enforce", "default-src 'self'", "default-src 'none'"),
    ("narrows csp.enforce", "default-src 'self'", "default-src 'self'; base-uri 'none'"),
    ("narrows csp.enforce", "default-src 'self'", "default-src 'self'; img-src 'none'"),
    ("changes csp.enforce", "default-src 'self'", "default-src 'self'; img-src *"),
    ("widens csp.enforce", "default-src 'self'", "default-src 'self'; img-src 'self' *"),
    ("widens csp.enforce", "default-src 'self'; img-src 'none'", "default-src 'self'"),
    ("narrows csp.enforce", "default-src *; img-src 'self' data:", "default-src *; img-src 'self'"),
    ("neutral csp.enforce", "default-src 'self'", "default-src 'self'; img-src 'self'"),
    ("neutral csp.enforce", "script-src 'self'", "script-src 'self' 'report-sample'"),
    # What stands in: of workers the scripts do, of frames the children.
    ("widens csp.enforce", "script-src 'none'", "script-src 'none'; worker-src 'self'"),
    ("narrows csp.enforce", "script-src 'self' *", "script-src 'self' *; worker-src 'self'"),
    ("narrows csp.enforce", "child-src *", "child-src *; frame-src 'none'"),
    # A star admits whatever any host does, and nothing with another scheme than http and https.
    ("narrows csp.enforce", "default-src *", "default-src a.example"),
    ("widens csp.enforce", "default-src a.example", "default-src *"),
    ("narrows csp.enforce", "img-src * data:", "img-src HTTPS://*.a.example:*/x b.example:8080"),
    ("narrows csp.enforce", "img-src *", "img-src https:"),
    ("widens csp.enforce", "img-src http:", "img-src *"),
    ("neutral csp.enforce", "img-src *", "img-src * a.example"),
    ("narrows csp.enforce", "default-src *", "default-src *; img-src a.example"),
    ("narrows csp.enforce", "frame-ancestors *", "frame-ancestors a.example"),
    ("narrows csp.enforce", "script-src nonce *", "script-src nonce a.example"),
    ("changes csp.enforce", "script-src 'strict-dynamic' *", "script-src a.example"),
    ("changes csp.enforce", "script-src *", "script-src a.example 'unsafe-inline'"),
    ("changes csp.enforce", "script-src *", "script-src nonce"),
    ("changes csp.enforce", "img-src *", "img-src data:"),
    ("changes csp.enforce", "img-src *", "img-src a.example blob:"),
    ("changes csp.enforce", "img-src *", "img-src filesystem://a.example"),
    ("changes csp.enforce", "connect-src *", "connect-src wss://a.example"),
    ("changes csp.enforce", "connect-src *", "connect-src ws:"),
    # It is the page's own blob: as well.
    ("changes csp.enforce", "img-src *", "img-src 'self'"),
    ("changes csp.enforce", "img-src https:", "img-src https://a.example"),
    # Words, but no sources.
    ("changes csp.enforce", "trusted-types *", "trusted-types a"),
    # 'unsafe-inline' counts for nothing beside a nonce or a hash, and hosts beside another.
    ("changes csp.enforce", "script-src nonce 'unsafe-inline'", "script-src 'unsafe-inline'"),
    ("changes csp.enforce", "script-src 'strict-dynamic' nonce *", "script-src nonce *"),
    ("narrows csp.enforce", "script-src nonce 'unsafe-inline'", "script-src nonce"),
    ("narrows csp.enforce", "script-src nonce", "script-src 'none'"),
    # X-Frame-Options counts for nothing where there are ancestors.
    ("changes csp.enforce", "img-src *", "img-src *; frame-ancestors a.example"),
    ("narrows csp.enforce", "img-src *", "img-src *; frame-ancestors 'none'"),
    ("changes csp.enforce", "img-src *; frame-ancestors 'self'", "img-src *"),
    ("narrows csp.enforce", "img-src *", "img-src *; sandbox allow-forms"),
    ("narrows csp.enforce", "sandbox allow-forms allow-scripts", "sandbox"),
    ("narrows csp.enforce", "img-src *", "img-src *; require-trusted-types-for 'script'"),
    ("widens csp.enforce", "img-src *; require-trusted-types-for 'script'", "img-src *"),
    ("narrows csp.enforce", "img-src *", "img-src *; trusted-types a"),
    # Other loads than before, and other places to report to.
    ("changes csp.enforce", "img-src *", "img-src *; upgrade-insecure-requests"),
    ("changes csp.enforce", "img-src *; report-uri /a", "img-src *; report-uri /b"),
]
FIELDS: Final = [
    ("narrows headers.set", "", "headers: {set: {X-Frame-Options: DENY, Cache-Control: no-store}}"),
    (
        "narrows headers.set",
        "headers: {set: {Referrer-Policy: origin}}",
        "headers: {set: {referrer-policy: No-Referrer}}",
    ),
    ("changes headers.set", "headers: {set: {Cache-Control: no-store}}", ""),
    ("changes headers.set", "", "headers: {set: {X-Frame-Options: DENY, X-A: b}}"),
    ("changes headers.set", "", "headers: {set: {X-Frame-Options: SAMEORIGIN}}"),
    ("changes headers.default", "", "headers: {default: {X-Frame-Options: DENY}}"),
    ("narrows headers.remove", "", "headers: {remove: [Server, X-Runtime]}"),
    ("changes headers.remove", "", "headers: {remove: [Server, Content-Security-Policy]}"),
    ("changes headers.remove", "headers: {remove: [Server]}", "headers: {remove: [X-Runtime]}"),
    ("changes headers.remove", "headers: {remove: [Server]}", ""),
    (
        "changes limits.lease",
        "limits: {address: {limit: 9/min}, lease: 1s}",
        "limits: {address: {limit: 9/min}, lease: 500ms}",
    ),
    (
        "changes limits.lease",
        "limits: {address: {limit: 9/min}, lease: 1s}",
        "limits: {address: {limit: 9/min}, lease: 2s}",
    ),
    ("widens roles", "roles: [owner, viewer]", ""),
    ("changes roles", "roles: [owner, admin]", "roles: [admin, owner]"),
    ("changes roles", "roles: [owner, admin]", "roles: [owner, viewer]"),
]
BESIDE: Final = [
    ("narrows csp.upstream", "replace", "add"),
    ("narrows csp.upstream", "keep", "add"),
    ("widens csp.upstream", "add", "keep"),
    ("changes csp.upstream", "keep", "replace"),
]


def enforcing(text: str) -> str:
    return f'csp: {{enforce: "{text}"}}\n{ROUTES}'


@pytest.mark.parametrize(("expected", "old", "new"), CASES)
def test_other_directives_mean(expected: str, old: str, new: str) -> None:
    assert ", ".join(said(enforcing(old), enforcing(new))) == expected


@pytest.mark.parametrize(("expected", "old", "new"), FIELDS)
def test_another_value_means(expected: str, old: str, new: str) -> None:
    assert ", ".join(said(f"{old}\n{ROUTES}", f"{new}\n{ROUTES}")) == expected


@pytest.mark.parametrize(("expected", "old", "new"), BESIDE)
def test_what_becomes_of_the_services_own_means(expected: str, old: str, new: str) -> None:
    text = 'csp: {enforce: "img-src *", upstream: %s}\n' + ROUTES
    assert said(text % old, text % new) == [expected]


def test_a_policy_in_the_place_of_none_is_unknown() -> None:
    bare = f'csp: {{report_only: "img-src *"}}\n{ROUTES}'
    both = f'csp: {{report_only: "img-src *", enforce: "img-src *"}}\n{ROUTES}'
    assert said(bare, both) == ["changes csp.enforce"]
    assert said(both, bare) == ["changes csp.enforce"]


# --- a browser, written a second time, as CSP level 3 says it


class Load(NamedTuple):
    """What a page asks its browser for.

    Attributes:
        kind: the directive that it falls under.
        host: where from; empty for what stands in the page, `data:` for what stands in its URL.
        has_nonce: whether it has the nonce of the answer.
        has_hash: whether its hash is known.
        is_inserted: whether a script that was let in put it there, without a parser.
    """

    kind: str
    host: str
    has_nonce: bool = False
    has_hash: bool = False
    is_inserted: bool = False


HASH: Final = "'sha256-AAAA'"
WORDS: Final = ("a.example", "*", "data:", "'unsafe-inline'", "nonce", HASH, "'strict-dynamic'")
DATA: Final = "data:"
FALLING_BACK: Final[Mapping[str, tuple[str, ...]]] = {
    "script-src-elem": ("script-src-elem", "script-src", "default-src"),
    "worker-src": ("worker-src", "child-src", "script-src", "default-src"),
    "img-src": ("img-src", "default-src"),
}
SIDE: Final = Side.of(loaded(HEAD + ROUTES))
LOADS: Final = [
    *(Load(kind, host) for kind in FALLING_BACK for host in ("a.example", "b.example", DATA)),
    *(
        Load("script-src-elem", host, *flags)
        for host in ("", "a.example", "b.example", DATA)
        for flags in itertools.product((False, True), repeat=3)
    ),
]


def directives_of(text: str) -> dict[str, tuple[str, ...]]:
    return {part.split()[0]: tuple(part.split()[1:]) for part in text.split("; ")}


def lets_in(text: str, load: Load) -> bool:
    """Tell whether a browser would (CSP level 3 §6.7.1 and §6.7.3)."""
    directives = directives_of(text)
    names = (name for name in FALLING_BACK[load.kind] if name in directives)
    if (found := next(names, None)) is None:
        return True
    words = set(directives[found])
    is_script = load.kind == "script-src-elem"
    if is_script and "nonce" in words and load.has_nonce:
        return True
    if is_script and not load.host:
        is_silenced = bool(words & {"nonce", HASH, "'strict-dynamic'"})
        return (HASH in words and load.has_hash) or ("'unsafe-inline'" in words and not is_silenced)
    if is_script and "'strict-dynamic'" in words:
        return load.is_inserted
    return load.host in words or ("*" in words and load.host != DATA)


def texts() -> list[str]:
    lists = [
        " ".join(words) or "'none'"
        for size in range(len(WORDS) + 1)
        for words in itertools.combinations(WORDS, size)
    ]
    alone = [f"script-src {words}" for words in lists]
    plain = ("'none'", "a.example", "a.example b.example", "*")
    both = [
        f"{name} {first}; {other} {second}"
        for name, other in (("default-src", "img-src"), ("child-src", "worker-src"))
        for first in plain
        for second in plain
    ]
    return [*alone, *both, "worker-src a.example", "default-src 'none'", "img-src a.example"]


def judged(old: str, new: str) -> list[Verdict]:
    """Judge two of them alone: thousands of whole policies would take minutes."""
    judging = Judging(SIDE, SIDE)
    judge_directives(judging, Spot.at("csp"), directives_of(old), directives_of(new))
    return [change.verdict for change in judging.noted]


def test_what_is_called_no_wider_lets_a_browser_load_nothing_more() -> None:
    told = 0
    let_in = {text: {load for load in LOADS if lets_in(text, load)} for text in texts()}
    for old, new in itertools.permutations(let_in, 2):
        if COUNTED.isdisjoint(judged(old, new)):
            told += 1
            assert let_in[new] <= let_in[old], (old, new)
    assert told > 200
