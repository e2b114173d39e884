"""Rules about fields that browsers obey: values that they ignore, and one that stays (RS-3)."""

import re
from collections.abc import Iterator
from typing import Final

from sidecar.policy.nodes import Path, entry_at
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.headers import Headers, flaw_of_hsts

_HSTS: Final = "strict-transport-security"
_REPORT: Final = r'(?:\s*;\s*report-to="[^"]*")?'
_REFERRER: Final = (
    "(?:no-referrer|no-referrer-when-downgrade|origin|origin-when-cross-origin|same-origin"
    "|strict-origin|strict-origin-when-cross-origin|unsafe-url)"
)
# By field, the values that browsers know, and one of them for the hint.
_KNOWN: Final = {
    "x-content-type-options": (re.compile("nosniff", re.IGNORECASE), "nosniff"),
    "x-frame-options": (re.compile("deny|sameorigin", re.IGNORECASE), "DENY or SAMEORIGIN"),
    "cross-origin-opener-policy": (
        re.compile(
            f"(?:same-origin|same-origin-allow-popups|noopener-allow-popups|unsafe-none){_REPORT}"
        ),
        "same-origin, same-origin-allow-popups, noopener-allow-popups or unsafe-none",
    ),
    "cross-origin-embedder-policy": (
        re.compile(f"(?:require-corp|credentialless|unsafe-none){_REPORT}"),
        "require-corp, credentialless or unsafe-none",
    ),
    "cross-origin-resource-policy": (
        re.compile("same-origin|same-site|cross-origin"),
        "same-origin, same-site or cross-origin",
    ),
    "referrer-policy": (
        re.compile(rf"{_REFERRER}(?:\s*,\s*{_REFERRER})*", re.IGNORECASE),
        "strict-origin-when-cross-origin",
    ),
    "permissions-policy": (
        re.compile(r"[a-z-]+=(?:\*|self|\([^()]*\))(?:\s*,\s*[a-z-]+=(?:\*|self|\([^()]*\)))*"),
        "camera=(), microphone=(), geolocation=(self)",
    ),
}

_Value = tuple[Path, str, str]


def values_that_browsers_ignore(judged: Judged) -> Findings:
    """Values of fields that browsers know none of: the field protects nothing."""
    for path, name, value in _values(judged):
        pattern, hint = _KNOWN.get(name, (None, ""))
        if pattern is not None and not pattern.fullmatch(value):
            yield judged.warning(path, "is no value of this field: browsers ignore it", hint)


def transport_security_in_a_list(judged: Judged) -> Findings:
    """HSTS among the other fields, by the rules of `hsts`."""
    for path, name, value in _values(judged):
        if name == _HSTS and (flaw := flaw_of_hsts(value)):
            yield judged.error(path, *flaw)


def preloaded_for_good(judged: Judged) -> Findings:
    """HSTS that asks to be built into browsers, said in this very file: it is hard to undo."""
    listed = [(path, value) for path, name, value in _values(judged) if name == _HSTS]
    found = [(path, value) for path, value in listed if flaw_of_hsts(value) is None]
    for path, headers in _sections(judged):
        if headers.hsts is not None and "hsts" in headers.model_fields_set:
            found.append(((*path, "hsts"), headers.hsts))
    for path, value in found:
        is_own = entry_at(judged.root, path).node.place.file == judged.root.place.file
        if is_own and re.search(r"(?:\A|;)\s*preload\s*(?:;|\Z)", value, re.IGNORECASE):
            yield judged.warning(
                path,
                "preload: browsers that have it built in forget it only after months",
                "leave it out unless every subdomain will always speak TLS",
            )


def _values(judged: Judged) -> Iterator[_Value]:
    for path, headers in _sections(judged):
        lists = (("set", headers.set), ("default", headers.default), ("append", headers.append))
        for kind, fields in lists:
            yield from (((*path, kind, n), n.lower(), value) for n, value in fields.items())


def _sections(judged: Judged) -> Iterator[tuple[Path, Headers]]:
    yield ("headers",), judged.policy.headers
    for index, route in enumerate(judged.policy.routes):
        if route.headers is not None:
            yield ("routes", index, "headers"), route.headers
