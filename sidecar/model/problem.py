"""The only place where a refusal becomes bytes (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from sidecar.model.body import Fault
from sidecar.model.refusals import REFUSALS, RefusalCode

JSON_TYPE: Final = b"application/problem+json"
HTML_TYPE: Final = b"text/html; charset=utf-8"

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{status} {title}</title>
<h1>{title}</h1>
<p>The request was refused with status {status} ({code}).</p>
</html>
"""


def problem_body(code: RefusalCode, faults: Sequence[Fault] = ()) -> bytes:
    """Encode Problem Details (RFC 9457 §3.1): one code, one sequence of bytes (AN-6).

    Args:
        code: the code.
        faults: places of the request's body that break its rules, as the extension `errors`.
    """
    refusal = REFUSALS[code]
    document: dict[str, object] = {
        "type": f"urn:tenant-sidecar:problem:{code.lower()}",
        "title": refusal.title,
        "status": refusal.status,
        "code": code,
    }
    if faults:
        document["errors"] = [{"pointer": f.pointer, "detail": f.detail} for f in faults]
    return json.dumps(document, separators=(",", ":")).encode()


def fill_template(template: str, code: RefusalCode) -> bytes:
    """Fill `{status}`, `{code}` and `{title}` of a page or document of the policy's own."""
    refusal = REFUSALS[code]
    filled = template.replace("{status}", str(refusal.status)).replace("{code}", code)
    return filled.replace("{title}", refusal.title).encode()


def problem_page(code: RefusalCode) -> bytes:
    """Write the HTML page that a person who navigates sees."""
    return fill_template(_PAGE, code)


class Faces:
    """The body of every refusal, made once for a policy.

    A person who navigates in a browser gets HTML, every other client Problem Details.
    """

    __slots__ = ("_documents", "_own", "_pages")

    def __init__(
        self, documents: Mapping[RefusalCode, str], pages: Mapping[RefusalCode, str]
    ) -> None:
        self._own = frozenset(documents)
        self._documents = {
            code: fill_template(documents[code], code) if code in documents else problem_body(code)
            for code in REFUSALS
        }
        self._pages = {
            code: fill_template(pages[code], code) if code in pages else problem_page(code)
            for code in REFUSALS
        }

    def of(
        self, code: RefusalCode, faults: Sequence[Fault] = (), *, navigates: bool
    ) -> tuple[bytes, bytes]:
        """Return content type and body of a refusal; a body of the policy's own names no faults."""
        if navigates:
            return HTML_TYPE, self._pages[code]
        if faults and code not in self._own:
            return JSON_TYPE, problem_body(code, faults)
        return JSON_TYPE, self._documents[code]
