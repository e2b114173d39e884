"""Attacks on rules that read bodies, as rows: what is sent, and the reason why it is refused."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

JSON: Final = b"Content-Type: application/json"
FORM: Final = b"Content-Type: application/x-www-form-urlencoded"
PARTS: Final = b"Content-Type: multipart/form-data; boundary=B"
GZIP: Final = b"Content-Encoding: gzip"
CHUNKED: Final = b"Transfer-Encoding: chunked"

SCHEMA: Final = {
    "type": "object",
    "properties": {"id": {"type": "string", "format": "uuid"}, "slow": {"pattern": "^(a+)+$"}},
    "additionalProperties": False,
}
ROUTES: Final = [
    {"path": "/json", "forbid": {"json": ["db_id", "__proto__", "constructor"]}},
    {"path": "/batch", "body": {"items": 100}},
    {"path": "/named", "body": {"items": {"at": "/items", "max": 100}}},
    {"path": "/schema", "body": {"schema": SCHEMA}},
    {"path": "/own", "bind": {"json": {"/tenant_id": "tenant"}}},
    {"path": "/store", "storage_keys": {"json": ["/key"]}},
    {"path": "/stores", "storage_keys": {"json": ["/files/*/key"]}},
    {"path": "/form", "bind": {"form": {"org": "tenant"}}, "forbid": {"form": ["db_id"]}},
    {"path": "/strict", "body": {"json": {"depth": 8, "string": 1000}}},
]

NO_JSON: Final = "the body is no JSON"
NO_TYPE: Final = "the rules of the route cannot read a body of this type"
NO_UTF_8: Final = "the charset of the body is not UTF-8"
NO_CODING: Final = "the content coding of the body cannot be undone"
TWICE: Final = "an object of the JSON has a member twice"
MANY: Final = "the batch has more than 100 items"
DEEP: Final = "the JSON is nested too deep"
BOMB: Final = "the body unpacks to more than it may"
DB_ID: Final = "the body has a member db_id"
STRANGER: Final = "the body names a tenant that is not the caller's"
OUTSIDE: Final = "a storage key is outside the tenant's prefix"
ELSEWHERE: Final = "a storage key has segments that lead elsewhere"
BROKEN_SCHEMA: Final = "the body breaks the schema of the route"
CHUNK: Final = "malformed chunk size or chunk extension"


@dataclass(frozen=True, slots=True)
class Attack:
    """One request that must not pass.

    Attributes:
        name: what it tries.
        path: the route.
        lines: field lines beside those of framing.
        body: the content, or with `is_framed` everything behind the head.
        status: status of the answer.
        reason: reason in the audit.
        is_framed: whether `lines` and `body` bring framing of their own.
        piece: bytes that are sent at a time; 0 for all at once.
    """

    name: str
    path: str
    lines: tuple[bytes, ...]
    body: bytes
    status: int
    reason: str
    is_framed: bool = False
    piece: int = 0


def part(disposition: bytes, body: bytes = b"acme", *lines: bytes) -> bytes:
    """Write a part of a form."""
    head = b"\r\n".join((b"Content-Disposition: form-data; " + disposition, *lines))
    return b"--B\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


ORG: Final = part(b'name="org"')
END: Final = b"--B--"


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _json(name: str, body: bytes, reason: str, *lines: bytes, status: int = 400) -> Attack:
    return Attack(name, "/json", lines or (JSON,), body, status, reason)


def _charsets() -> Iterator[Attack]:
    document = '{"a":1}'
    yield _json("UTF-16 in disguise", document.encode("utf-16"), "the JSON is not UTF-8")
    yield _json("UTF-16 without a mark", document.encode("utf-16-le"), NO_JSON)
    yield _json("UTF-32", document.encode("utf-32-be"), NO_JSON)
    mark = "the JSON begins with a byte order mark"
    yield _json("a byte order mark", b"\xef\xbb\xbf{}", mark)
    yield _json("a slash in two bytes", b'{"a":"\xc0\xaf"}', "the JSON is not UTF-8")
    for charset in (b"utf-7", b"utf-16", b"iso-8859-1", b"utf-8 ", b"'utf-8'"):
        line = JSON + b'; charset="' + charset + b'"'
        yield _json(f"the charset {charset.decode()}", b"{}", NO_UTF_8, line, status=415)
    two = JSON + b"; charset=utf-8; charset=utf-7"
    yield _json("two charsets", b"{}", NO_TYPE, two, status=415)
    surrogate = "a string of the JSON holds a lone surrogate"
    yield _json("a lone surrogate", rb'{"a":"\udc00"}', surrogate)


def _types() -> Iterator[Attack]:
    evil = b'{"db_id":1}'
    for kind in (b"text/plain", b"text/json", b"application/javascript", b"application/x-ndjson",
                 b"application/json, text/plain", b"json", b"*/*", b"application/*"):  # fmt: skip
        line = b"Content-Type: " + kind
        yield _json(f"the type {kind.decode()}", evil, NO_TYPE, line, status=415)
    yield Attack("no type", "/json", (b"X-A: 1",), evil, 415, NO_TYPE)
    yield _json("two types", evil, "two content-type fields", JSON, b"Content-Type: text/plain")
    both = b'{"tenant_id":"acme","x":"&tenant_id=globex&"}'
    respelt = "a field about the body in another spelling"
    lines = (JSON, FORM.replace(b"-", b"_", 1))
    yield Attack("a form to those who read CGI", "/own", lines, both, 400, respelt)
    coded = (JSON, GZIP.replace(b"-", b"_", 1))
    yield Attack("packed to those who read CGI", "/own", coded, both, 400, respelt)
    yield _json("a form", b"db_id=1", NO_TYPE, FORM, status=415)
    yield _json("JSON as the name of a form's field", evil, NO_TYPE, FORM, status=415)
    doubled = JSON + b"; x=x-www-form-urlencoded"
    yield Attack("a form to those who search the type", "/own", (doubled,), both, 415, NO_TYPE)
    hybrid = FORM + b"+json"
    yield Attack("a form to those who read the beginning", "/own", (hybrid,), both, 415, NO_TYPE)
    turned = b'{"org":"globex","x":"&org=acme&"}'
    sought = FORM + b"; x=+json"
    yield Attack("JSON to those who search the type", "/form", (sought,), turned, 415, NO_TYPE)
    yield _json("a form in parts", part(b'name="db_id"') + END, NO_TYPE, PARTS, status=415)
    vendor = b"Content-Type: application/vnd.x+json"
    yield _json("JSON of a vendor", evil, DB_ID, vendor, status=403)
    yield Attack("JSON where a form is read", "/form", (JSON,), b'{"org":"globex"}', 415, NO_TYPE)


def _names() -> Iterator[Attack]:
    for body, name in (
        (b'{"db_id":1}', "db_id"),
        (b'{"DB_ID":1}', "db_id"),
        (rb'{"\u0064b\u005fid":1}', "db_id"),
        (rb'{"db_id\u0000":1}', "db_id"),
        (b'[[{"a":{"db_id":1}}]]', "db_id"),
        ('{"D\u0042_\u0131D":1,"db_id":2}'.encode(), "db_id"),
        (b'{"__proto__":{"admin":true}}', "__proto__"),
        (rb'{"a":{"\u005f_proto__":{}}}', "__proto__"),
        (b'{"constructor":{"prototype":{}}}', "constructor"),
    ):
        yield _json(f"the member {body!r}", body, f"the body has a member {name}", status=403)
    yield _json("a member twice", b'{"a":1,"a":2}', TWICE)
    yield _json("a member twice, in escapes", rb'{"a":1,"\u0061":2}', TWICE)
    yield _json("a member twice, inside of a list", b'[{"a":1},{"b":{"c":1,"c":2}}]', TWICE)


def _shapes() -> Iterator[Attack]:
    yield _json("deep lists", b"[" * 1000 + b"]" * 1000, DEEP)
    yield _json("very deep lists", b"[" * 900_000, DEEP)
    yield _json("deep objects", b'{"a":' * 1000 + b"1" + b"}" * 1000, DEEP)
    yield Attack("deeper than the route says", "/strict", (JSON,), b"[" * 9 + b"]" * 9, 400, DEEP)
    long = "a string of the JSON is too long"
    yield Attack("a long string", "/strict", (JSON,), b'["' + b"x" * 1001 + b'"]', 400, long)
    yield _json("a long number", b"[" + b"1" * 4000 + b"]", "a number of the JSON is too long")
    yield _json("a longer number", b"[" + b"1" * 100_000 + b"]", "a number of the JSON is too long")
    wide = "a number of the JSON has more than 64 bits"
    yield _json("65 bits", b"[18446744073709551616]", wide)
    yield _json("a number beyond a double", b"[1e999]", "a number of the JSON is beyond a double")
    nan = "the body is no JSON: NaN and Infinity are no numbers"
    yield _json("no number", b'{"a":NaN}', nan)
    yield _json("a comma too many", b'{"a":1,}', NO_JSON)
    yield _json("a comment", b'{"a":1}/**/', NO_JSON)
    yield _json("two documents", b"{}{}", NO_JSON)
    yield _json("lines of documents", b'{"a":1}\n{"db_id":2}', NO_JSON)
    yield _json("cut short", b'{"a":', NO_JSON)
    yield _json("a NUL behind", b"{}\x00", NO_JSON)


def _codings() -> Iterator[Attack]:
    def packed(name: str, body: bytes, reason: str, status: int = 400, *lines: bytes) -> Attack:
        return Attack(name, "/json", (JSON, *(lines or (GZIP,))), body, status, reason)

    zeros = gzip.compress(b'"' + b"0" * 950_000 + b'"')
    raw = zlib.compressobj(wbits=-15)
    yield packed("a bomb by its ratio", zeros, BOMB, 413)
    numbers = json.dumps(list(range(200_000))).encode()
    yield packed("a bomb by its size", gzip.compress(numbers), BOMB, 413)
    yield packed("a large bomb", gzip.compress(b" " * 50_000_000), BOMB, 413)
    yield packed("a bomb in a bomb", gzip.compress(zeros), "the JSON is not UTF-8")
    yield packed("packed twice, and said so", gzip.compress(zeros), NO_CODING, 415,
                 b"Content-Encoding: gzip, gzip")  # fmt: skip
    yield packed("packed twice, in two lines", zeros, NO_CODING, 415, GZIP, GZIP)
    for coding in (b"br", b"zstd", b"compress", b"identity, gzip", b"x"):
        line = b"Content-Encoding: " + coding
        yield packed(f"the coding {coding.decode()}", b"{}", NO_CODING, 415, line)
    evil = gzip.compress(b'{"db_id":1}')
    yield packed("a forbidden member inside", evil, DB_ID, 403)
    yield packed("packed, and cut short", evil[:-4], "the gzip of the body is cut short")
    yield packed("garbage behind", evil + b"{}", "something follows the gzip of the body")
    yield packed("a second document", evil + evil, "something follows the gzip of the body")
    yield packed("a wrong sum", evil[:-8] + b"\0" * 8, "the body is not gzip")
    yield packed("not packed at all", b'{"db_id":1}', "the body is not gzip")
    yield packed("raw deflate", raw.compress(b"{}") + raw.flush(), "the body is not deflate", 400,
                 b"Content-Encoding: deflate")  # fmt: skip
    items = gzip.compress(json.dumps([1] * 101).encode())
    yield Attack("101 items, packed", "/batch", (JSON, GZIP), items, 413, MANY)


def _batches() -> Iterator[Attack]:
    items = b"[" + b'{"a":[1,2,"],"]},' * 100 + b"{}]"
    yield Attack("101 items", "/batch", (JSON,), items, 413, MANY)
    yield Attack("101 items byte by byte", "/batch", (JSON,), items, 413, MANY, piece=1)
    chunks = b"".join(_chunk(items[at : at + 1]) for at in range(len(items)))
    yield Attack("101 items in chunks of a byte", "/batch", (JSON, CHUNKED), chunks, 413, MANY,
                 is_framed=True, piece=7)  # fmt: skip
    inner = b"[[" + b"1," * 150 + b"1]]"
    nested = b'{"items":[' + b"[1,2,3]," * 100 + b"[]]}"
    yield Attack("101 items in a member", "/named", (JSON,), nested, 413, MANY)
    escaped = nested.replace(b"items", rb"\u0069tems")
    yield Attack("in a member in escapes", "/named", (JSON,), escaped, 413, MANY)
    second = b'{"items":[1],"ITEMS":[' + b"1," * 100 + b"1]}"
    yield Attack("in a member in another case", "/named", (JSON,), second, 413, MANY)
    hidden = b'{"x":[' + b"1," * 20_000 + b'1],"items":[' + b"1," * 100 + b"1]}"
    yield Attack("behind a lot else", "/named", (JSON,), hidden, 413, MANY)
    nothing = "the body has no batch where it must"
    yield Attack("a batch in another member", "/named", (JSON,), b'{"rows":[1]}', 422, nothing)
    yield Attack("a batch in an object", "/batch", (JSON,), b'{"0":1,"1":2}', 422, nothing)
    yield Attack("a batch in a batch", "/named", (JSON,), b'{"items":{"items":[]}}', 422, nothing)
    yield Attack("a batch in a list", "/named", (JSON,), inner, 422, nothing)


def _framings() -> Iterator[Attack]:
    def framed(name: str, body: bytes, reason: str, status: int = 400, *lines: bytes) -> Attack:
        return Attack(
            name, "/json", (JSON, *(lines or (CHUNKED,))), body, status, reason, is_framed=True
        )

    evil = b'{"db_id":1}'
    yield framed("a size that is none", b"x\r\n{}\r\n0\r\n\r\n", CHUNK)
    yield framed("a size below zero", b"-2\r\n{}\r\n0\r\n\r\n", CHUNK)
    longer = "chunk data is longer than its size"
    yield framed("a size that is too small", b"1\r\n{}\r\n0\r\n\r\n", longer)
    yield framed(
        "members in chunks", _chunk(evil[:4]) + _chunk(evil[4:]) + b"0\r\n\r\n", DB_ID, 403
    )
    trailer = _chunk(evil) + b"0\r\nContent-Type: text/plain\r\n\r\n"
    yield framed("a type in the trailer", trailer, DB_ID, 403)
    large = _chunk(b" " * 600_000) * 2 + b"0\r\n\r\n"
    yield framed("more than the route accepts", large, "body above the limit while streaming", 413)


def _schemas() -> Iterator[Attack]:
    for name, body in (
        ("another type", b"[]"),
        ("a member too many", b'{"admin":true}'),
        ("a session that is none", b'{"id":"0190a4c2"}'),
        ("a pattern that takes others for ever", b'{"slow":"' + b"a" * 50_000 + b'b"}'),
    ):
        yield Attack(name, "/schema", (JSON,), body, 422, BROKEN_SCHEMA)
    yield Attack(
        "no body", "/schema", (JSON,), b"", 400, "there is no body, and the rules want one"
    )


def _tenants() -> Iterator[Attack]:
    for body in (b'{"tenant_id":"globex"}', b'{"tenant_id":"ACME"}', b'{"tenant_id":["acme"]}',
                 b'{"tenant_id":"acme","TENANT_ID":"globex"}', rb'{"tenant_id":"acme\u0000"}',
                 b'{"tenant_id":"acme "}', b'{"tenant_id":true}'):  # fmt: skip
        yield Attack(f"the tenant of {body!r}", "/own", (JSON,), body, 403, STRANGER)
    twice = b'{"tenant_id":"acme","tenant_id":"globex"}'
    yield Attack("two tenants", "/own", (JSON,), twice, 400, TWICE)
    nowhere = "the body names no tenant where it must"
    yield Attack("no tenant", "/own", (JSON,), b'{"tenant":"acme"}', 422, nowhere)
    for key, reason in (
        ("tenants/evil/a", OUTSIDE),
        ("tenants/acme/../evil/a", ELSEWHERE),
        ("tenants/acme/%2e%2e/evil/a", ELSEWHERE),
        ("tenants/acme/%252e%252e%252fevil", ELSEWHERE),
        ("tenants/acme\\..\\evil", OUTSIDE),
        ("/tenants/acme/a", OUTSIDE),
        ("tenants/acmeevil", OUTSIDE),
    ):
        body = json.dumps({"key": key}).encode()
        yield Attack(f"the key {key}", "/store", (JSON,), body, 403, reason)


def _other_shapes() -> Iterator[Attack]:
    for document in (
        {"files": {"x": {"key": "tenants/evil/a"}}},
        {"files": {"key": "tenants/evil/a"}},
        [{"files": [{"key": "tenants/evil/a"}]}],
    ):
        body = json.dumps(document).encode()
        yield Attack(f"the key in {document}", "/stores", (JSON,), body, 403, OUTSIDE)


def _form(name: str, body: bytes, reason: str, status: int = 400, kind: bytes = PARTS) -> Attack:
    return Attack(f"form: {name}", "/form", (kind,), body, status, reason)


def _forms() -> Iterator[Attack]:
    stranger = "the body names a tenant that is not the caller's"
    yield _form("another tenant", b"org=globex", stranger, 403, FORM)
    yield _form("two tenants", b"org=acme&org=globex", stranger, 403, FORM)
    yield _form("a tenant behind a semicolon", b"a=1;org=globex&org=acme", stranger, 403, FORM)
    yield _form(
        "a forbidden field", b"org=acme&db%5fid=1", "the form has the field db_id", 403, FORM
    )
    for name in (b"[org]", b"[org][0]", b"!org", b".org"):
        body = b"org=acme&" + name + b"=globex"
        yield _form(f"a tenant under the name {name.decode()}", body, stranger, 403, FORM)
    has = "the form has the field db_id"
    yield _form("a forbidden field in brackets", b"org=acme&%5Bdb_id%5D=1", has, 403, FORM)
    many = "the form has too many fields"
    yield _form("many fields", b"org=acme" + b"&a" * 100, many, 413, FORM)
    yield _form("another tenant in a part", part(b'name="org"', b"globex") + END, stranger, 403)
    yield _form(
        "a second part of the name", ORG + part(b'name="Org"', b"globex") + END, stranger, 403
    )


def _packed_forms() -> Iterator[Attack]:
    # A comment in the head of gzip is text to whoever does not unpack, and nothing to who does.
    coded = "the content coding of the body is none that forms may have"
    head = b"\x1f\x8b\x08\x10" + bytes(6)
    for name, kind, form, comment in (
        ("a form in a comment of gzip", FORM, b"org=acme", b"&org=globex&"),
        ("a part in a comment of gzip", PARTS, ORG + END, part(b'name="org"', b"globex") + END),
    ):
        content = head + comment + b"\0" + gzip.compress(form)[10:]
        yield Attack(f"form: {name}", "/form", (kind, GZIP), content, 415, coded)


def _parts() -> Iterator[Attack]:
    inside = "the boundary of the form stands inside of a part"
    yield _form("a boundary behind a line feed", part(b'name="org"', b"acme\n--B") + END, inside)
    yield _form("a second end", ORG + END + b"\r\n" + ORG + END, inside)
    begins = "the form does not begin with its boundary"
    yield _form("a part before the first", b"x\r\n" + ORG + END, begins)
    behind = "something follows a boundary of the form on its line"
    yield _form("a boundary that goes on", ORG + b"--BX\r\n" + ORG[5:] + END, behind)
    short = "the form is cut short"
    yield _form("no end", ORG, short)
    disposition = "a part of the form is malformed: Content-Disposition"
    yield _form("two names", part(b'name="org"; name="db_id"') + END, disposition)
    yield _form("a name in escapes", part(b"name*=UTF-8''db_id") + END, disposition)
    head = "a part of the form has a line in its head that is not read"
    folded = part(b'name="org"', b"acme", b' ; filename="x"')
    yield _form("a folded line", folded + END, head)
    encoded = part(b'name="org"', b"YWNtZQ==", b"Content-Transfer-Encoding: base64")
    yield _form("a part of another encoding", encoded + END, head)
    value = "a value of the form is of a type that is not read"
    document = part(b'name="a"', b'{"db_id":1}', b"Content-Type: application/json")
    yield _form("JSON in a part", ORG + document + END, value)
    files = "the form has too many files"
    yield _form("a file", ORG + part(b'name="f"; filename="a"') + END, files, 413)


def _boundaries() -> Iterator[Attack]:
    charset = "the form names a charset other than UTF-8"
    yield _form("a field about the charset", b"org=acme&_charset_=utf-7", charset, 400, FORM)
    for boundary in (b"", b"; boundary=", b'; boundary=""', b'; boundary="a b"'):
        kind = b"Content-Type: multipart/form-data" + boundary
        is_read = boundary != b"; boundary="
        why = "the form names no boundary, or an unsafe one" if is_read else NO_TYPE
        status = 400 if is_read else 415
        yield _form(f"the boundary {boundary!r}", ORG + END, why, status, kind)
    yield _form("two boundaries", ORG + END, NO_TYPE, 415, PARTS + b"; boundary=C")
    other = b'x\r\n--%b\r\nContent-Disposition: form-data; name="org"\r\n\r\nglobex\r\n--%b--'
    for name, boundary, second in (
        ("a second boundary in RFC 2231", b"B; boundary*=utf-8''C", b"C"),
        ("a boundary with a backslash", rb'"\B"', rb"\B"),
    ):
        kind = b"Content-Type: multipart/form-data; boundary=" + boundary
        inner = part(b'name="x"', other % (second, second))
        yield _form(name, ORG + inner + END, NO_TYPE, 415, kind)


ATTACKS: Final = [
    *_charsets(), *_types(), *_names(), *_shapes(), *_codings(), *_batches(), *_framings(),
    *_schemas(), *_tenants(), *_other_shapes(), *_forms(), *_packed_forms(), *_parts(),
    *_boundaries(),
]  # fmt: skip
