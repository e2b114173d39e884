"""Rules about Content-Security-Policy: what browsers ignore, and what protects nothing (RS-2)."""

from collections.abc import Iterator, Mapping
from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.csp import NONCE, SOURCE_LISTS, Csp, is_source
from sidecar.policy.schema.headers import Headers

_FIELDS: Final = frozenset(
    ("content-security-policy", "content-security-policy-report-only", "reporting-endpoints")
)
_OF_SCRIPTS: Final = frozenset(("default-src", "script-src", "script-src-elem", "script-src-attr"))
_ANYWHERE: Final = frozenset(("*", "http:", "https:", "data:", "blob:"))
_UNSAFE: Final = frozenset(("'unsafe-inline'", "'unsafe-eval'"))
_INLINE: Final = "'unsafe-inline'"
_NOTHING: Final = "'none'"
_DYNAMIC: Final = "'strict-dynamic'"

_Directives = Mapping[str, tuple[str, ...]]
_Found = tuple[Path, _Directives]


def sources_that_are_none(judged: Judged) -> Findings:
    """Words that are no sources, and `'none'` beside some."""
    for place, word, words in _sources(judged):
        if not is_source(word):
            yield judged.error(place, "is no source", "a host, https:, 'self' or nonce")
        elif word == _NOTHING and len(words) > 1:
            message = "'none' beside other sources is ignored"
            yield judged.error(place, message, "'none' alone, or the others")


def scripts_of_anybody(judged: Judged) -> Findings:
    """Policies under which injected scripts run."""
    for path, directives in _all(judged):
        if not {"default-src", "script-src"} & directives.keys():
            yield judged.warning(
                path, "says nothing of scripts: they may come from anywhere", "default-src"
            )
        flaws = [
            (at, flaw) for at, word, words in _scripts(directives) if (flaw := _flaw(word, words))
        ]
        for at, flaw in flaws:
            yield judged.warning((*path, *at), *flaw)


def _flaw(word: str, words: tuple[str, ...]) -> tuple[str, str] | None:
    """Say what is wrong with a source of scripts, and what to write instead."""
    if word == _INLINE and _is_strict(words):
        hint = "take it out: only browsers older than nonces obey it"
        return "'unsafe-inline' is ignored beside a nonce or a hash", hint
    if word in _UNSAFE:
        return f"{word} lets injected scripts run", "nonce"
    if word in _ANYWHERE and _DYNAMIC not in words:
        return f"{word} admits scripts from anywhere", "hosts, 'self' or nonce"
    return None


def bases_of_anybody(judged: Judged) -> Findings:
    """A nonce, and nothing that keeps an injected <base> from moving the scripts that have it."""
    for path, directives in _all(judged):
        has_nonce = any(NONCE in words for words in directives.values())
        if has_nonce and "base-uri" not in directives:
            yield judged.warning(
                path, "a nonce without base-uri: <base> moves scripts", "base-uri: [\"'none'\"]"
            )


def fields_written_twice(judged: Judged) -> Findings:
    """Fields that `headers` and `csp` both write."""
    policy = judged.policy
    if policy.csp is not None:
        yield from _ruled(judged, ("headers",), policy.headers)
    for index, route in enumerate(policy.routes):
        if route.headers is not None and policy.csp_of(route) is not None:
            yield from _ruled(judged, ("routes", index, "headers"), route.headers)
        elif route.csp is not None and policy.csp is None:
            yield from _ruled(judged, ("headers",), policy.headers)
            return


def _ruled(judged: Judged, path: Path, headers: Headers) -> Findings:
    # A default yields to whoever says more, as to the service.
    lists = (("set", headers.set), ("append", headers.append))
    names = [(kind, name) for kind, fields in lists for name in fields if name.lower() in _FIELDS]
    for kind, name in names:
        yield judged.error(
            (*path, kind, name), "csp writes this field", "csp alone, or headers alone"
        )


def _all(judged: Judged) -> Iterator[_Found]:
    policy = judged.policy
    yield from _of_section(("csp",), policy.csp)
    for index, route in enumerate(policy.routes):
        yield from _of_section(("routes", index, "csp"), route.csp)


def _of_section(path: Path, section: Csp | None) -> Iterator[_Found]:
    if section is None:
        return
    if section.enforce is not None:
        yield (*path, "enforce"), section.enforce
    if section.report_only is not None:
        yield (*path, "report_only"), section.report_only


def _sources(judged: Judged) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    for path, directives in _all(judged):
        for name in SOURCE_LISTS & directives.keys():
            words = directives[name]
            yield from (((*path, name, at), word, words) for at, word in enumerate(words))


def _scripts(directives: _Directives) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    # What script-src says goes before default-src.
    names = _OF_SCRIPTS - ({"default-src"} if "script-src" in directives else set())
    for name in names & directives.keys():
        words = directives[name]
        yield from (((name, at), word, words) for at, word in enumerate(words))


def _is_strict(words: tuple[str, ...]) -> bool:
    return NONCE in words or any(word.startswith("'sha") for word in words)
