"""Reports of browsers about Content-Security-Policy, in both formats, reduced to what is safe.

Anybody can send one: nothing in it is believed beyond being counted, every word that becomes a
label is one of ours, and no query, fragment or credential of a URL is kept.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.policy.schema.csp import DIRECTIVES

MOST: Final = 16
"""Reports of one body that are read; browsers send few at a time."""
OTHER: Final = "other"
"""Label of what has none of its own."""

_DISPOSITIONS: Final = frozenset(("enforce", "report"))
_URL_CHARACTERS: Final = 256
# RFC 3986: scheme, authority and path; a user before the host could be a password. The host begins
# behind the last @ (WHATWG URL §4.4).
_URL: Final = re.compile(r"(https?|wss?)://(?:[^/?#]*@)?([^/?#@\\]*)([^?#]*)", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z-]{1,32}\Z")


@dataclass(frozen=True, slots=True)
class Report:
    """What a browser says that it blocked, or would have.

    Attributes:
        directive: the directive, or OTHER.
        disposition: `enforce`, `report`, or OTHER.
        document: address of the page, without its query; empty where there is none.
        blocked: origin of what was blocked, or a word such as `inline`; empty likewise.
    """

    directive: str
    disposition: str
    document: str
    blocked: str


def read_reports(content: bytes) -> list[Report] | None:
    """Read the body of a report.

    Args:
        content: `application/reports+json` or `application/csp-report`; its length is the caller's
            to bound.

    Returns:
        At most `MOST` reports; None for what is neither format.

    Source: CSP level 3 §5.3, Reporting API §3.2.
    """
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        body = value.get("csp-report")
        return [_of_body(body)] if isinstance(body, dict) else None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return None
    return list(_of_list(value[:MOST]))


def _of_list(items: list[Mapping[str, object]]) -> Iterator[Report]:
    for item in items:
        body = item.get("body")
        if item.get("type") == "csp-violation" and isinstance(body, dict):
            yield _of_body(body)
        else:
            yield Report(OTHER, OTHER, _page(item.get("url")), "")


def _of_body(body: Mapping[str, object]) -> Report:
    named = _first(body, "effectiveDirective", "effective-directive", "violated-directive")
    directive = named.partition(" ")[0]
    disposition = _first(body, "disposition")
    return Report(
        directive if directive in DIRECTIVES else OTHER,
        disposition if disposition in _DISPOSITIONS else OTHER,
        _page(_first(body, "documentURL", "document-uri")),
        _blocked(_first(body, "blockedURL", "blocked-uri")),
    )


def _first(body: Mapping[str, object], *names: str) -> str:
    return next((found for name in names if isinstance(found := body.get(name), str)), "")


def _page(url: object) -> str:
    found = _URL.match(url) if isinstance(url, str) else None
    return "" if found is None else f"{found[1]}://{found[2]}{found[3]}"[:_URL_CHARACTERS]


def _blocked(url: str) -> str:
    found = _URL.match(url)
    if found is not None:
        return f"{found[1]}://{found[2]}"[:_URL_CHARACTERS]
    return url if _WORD.match(url) else ""
