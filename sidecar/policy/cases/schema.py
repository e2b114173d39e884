"""The file of tests, section by section."""

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self

from sidecar.model.refusals import RefusalCode
from sidecar.policy.cases.callers import Caller
from sidecar.policy.schema.alone import EITHER_FORM, LISTED
from sidecar.policy.schema.names import TenantName, Word
from sidecar.policy.schema.quantities import Count, Duration, Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.tenants import Tenant
from sidecar.policy.schema.words import Field, PlainValidator, WithJsonSchema, model_validator
from sidecar.policy.written import misfit, text_of

DAY_ONE: Final = 1_767_225_600.0
"""2026-01-01T00:00:00Z: when tests take place that do not say when."""

MOST_REPEATS: Final = 100_000
_MOMENT_HINT: Final = "2026-03-01T12:00:00Z"
# What a date in an answer and an id of a request can say, with room for what is repeated.
_LAST_MOMENT: Final = 32_503_680_000.0
_LONGEST_SECONDS: Final = 366 * 86400.0 * 100
# RFC 9110 §5.1.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}\Z")
_PLAIN_WORDS: Final = ("admit", "refuse", "answer")
_FIRST_STATUS, _LAST_STATUS = 100, 599


def _moment(value: object) -> float:
    text = text_of(value, _MOMENT_HINT)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise misfit("is no point in time", _MOMENT_HINT) from error
    if moment.tzinfo is None:
        raise misfit("has no time zone", _MOMENT_HINT)
    seconds = moment.timestamp()
    if not 0 <= seconds < _LAST_MOMENT:
        raise misfit("is not between 1970 and 2999", _MOMENT_HINT)
    return seconds


def _address(value: object) -> str:
    text = text_of(value, "192.0.2.7")
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise misfit("is no address", "192.0.2.7 or 2001:db8::7") from error


def _field(value: object) -> str:
    text = text_of(value, "X-Tenant-Id")
    if not _TOKEN.match(text):
        raise misfit("is no name of a field: no answer could have it", "such as X-Tenant-Id")
    return str(text)


def _cell(value: object) -> str | int:
    if type(value) is int and _FIRST_STATUS <= value <= _LAST_STATUS:
        return value
    if isinstance(value, str) and (value in _PLAIN_WORDS or value in RefusalCode.__members__):
        return str(value)
    raise misfit("is nothing to expect", "admit, refuse, answer, a status, or a refusal code")


def _line(value: object) -> str:
    text = text_of(value, "GET /orders")
    method, blank, target = text.partition(" ")
    if not blank or not method or not target:
        raise misfit("is no request", "a method, a blank and a path, such as GET /orders")
    return str(text)


def _status(value: object) -> int:
    if type(value) is int and _FIRST_STATUS <= value <= _LAST_STATUS:
        return value
    raise misfit("is no status", "three digits, such as 403")


Moment = Annotated[
    float,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Field(examples=[_MOMENT_HINT]),
]
Cell = Annotated[
    str | int,
    PlainValidator(_cell),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": _FIRST_STATUS, "maximum": _LAST_STATUS},
                {"enum": [*_PLAIN_WORDS, *RefusalCode.__members__]},
            ]
        }
    ),
]
Line = Annotated[
    str,
    PlainValidator(_line),
    WithJsonSchema({"type": "string", "pattern": "^\\S+ \\S+"}),
    Field(examples=["GET /orders"]),
]
Status = Annotated[
    int,
    PlainValidator(_status),
    WithJsonSchema({"type": "integer", "minimum": _FIRST_STATUS, "maximum": _LAST_STATUS}),
    Field(examples=["403"]),
]
Address = Annotated[
    str,
    PlainValidator(_address),
    WithJsonSchema({"type": "string"}),
    Field(examples=["192.0.2.7"]),
]
Token = Annotated[str, PlainValidator(_field), WithJsonSchema({"type": "string", "minLength": 1})]
Fields = Annotated[dict[Token, str | None], Field(examples=["{X-Tenant-Id: acme, X-Debug: null}"])]


class Request(Section):
    """A request.

    Attributes:
        method: its method.
        path: path and query, as a client writes them.
        host: value of Host.
        headers: further fields.
        body: its body, as text.
        json_body: its body, as a value that is written as JSON, with that content type.
        sender: address of the client.
        tls: whether it comes over TLS.
    """

    method: Annotated[str, Field(examples=["POST"])] = "GET"
    path: Annotated[str, Field(examples=["/orders/7?full=1"])] = "/"
    host: str = "localhost"
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    json_body: Annotated[object, Field(alias="json", examples=["{id: 7}"])] = None
    sender: Annotated[Address, Field(alias="from")] = "127.0.0.1"
    tls: Flag = False

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and "json_body" in self.model_fields_set:
            raise misfit("there are two bodies", "either body or json", is_quoted=False)
        return self

    @model_validator(mode="after")
    def _one_request(self) -> Self:
        parts = (self.method, self.path, self.host, *self.headers, *self.headers.values())
        if any("\r" in part or "\n" in part for part in parts):
            raise misfit(
                "a line break in a part of the request would make it two",
                "one line for method, path, host and each field",
                is_quoted=False,
            )
        return self


class Expect(Section):
    """What is expected; what is left out is not looked at.

    Attributes:
        outcome: whether it is admitted, refused, or answered by the sidecar (a preflight).
        status: status of the sidecar's own answer.
        code: code of the refusal.
        step: step that refuses or answers.
        reason: words that the reason in the audit must hold.
        upstream_headers: fields that the upstream gets; null for one that it must not get.
        response_headers: fields of the answer, those that the sidecar adds; null likewise.
    """

    outcome: Literal["admit", "refuse", "answer"] | None = None
    status: Status | None = None
    code: RefusalCode | None = None
    step: str | None = None
    reason: str | None = None
    upstream_headers: Fields = Field(default_factory=dict)
    response_headers: Fields = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise misfit("expects nothing", "outcome: admit", is_quoted=False)
        # Whatever the policy does would be as expected, and the test prove nothing.
        empty = [name for name in type(self).model_fields if name in self.model_fields_set]
        for name in [name for name in empty if not getattr(self, name)]:
            raise misfit(f"{name} expects nothing", "a value, or leave it out", is_quoted=False)
        if self.upstream_headers and self.outcome in ("refuse", "answer"):
            raise misfit(
                "what is not admitted has no upstream_headers",
                "outcome: admit, or no upstream_headers",
                is_quoted=False,
            )
        return self


class Case(Section):
    """One test.

    Attributes:
        name: what it proves, in words.
        request: the request.
        caller: who calls; nobody if left out.
        at: when; the file's time if left out.
        repeat: how often it is sent; `expect` is about the last time.
        every: time between two of them.
        before: what is expected of all but the last.
        expect: what is expected.
    """

    name: Annotated[str, Field(min_length=1, examples=["a viewer may not write"])]
    request: Request
    caller: Annotated[Caller, Field(alias="as", examples=["{tenant: acme, roles: [viewer]}"])] = (
        Caller()
    )
    at: Moment | None = None
    repeat: Annotated[Count, Field(le=MOST_REPEATS)] = 1
    every: Duration = 0.0
    before: Expect | None = None
    expect: Annotated[Expect, Field(examples=["{outcome: admit}"])]

    @model_validator(mode="after")
    def _several(self) -> Self:
        alone = ("before", "every") if self.repeat == 1 else ()
        for name in [name for name in alone if name in self.model_fields_set]:
            raise misfit(
                f"{name} is about a request that is sent several times",
                f"repeat: 2 or more, or no {name}",
                is_quoted=False,
            )
        if self.repeat * self.every > _LONGEST_SECONDS:
            raise misfit("takes more than a hundred years", "repeat less, or less apart")
        return self


class Matrix(Section):
    """Callers by requests: one test for each cell.

    Attributes:
        name: what it proves.
        callers: by name, who calls.
        requests: method and path, the columns.
        expect: by caller, what each request gets: `admit`, `refuse`, `answer`, a status or a code.
    """

    name: Annotated[str, Field(min_length=1, examples=["who may do what"])]
    callers: Annotated[
        dict[Word, Caller],
        Field(min_length=1, examples=["{nobody: {}, viewer: {tenant: acme, roles: [viewer]}}"]),
    ]
    requests: Annotated[tuple[Line, ...], Field(min_length=1, examples=["[GET /orders]"])]
    expect: Annotated[
        dict[Word, tuple[Cell, ...]], Field(examples=["{nobody: [401], viewer: [admit]}"])
    ]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in self.expect:
            if name not in self.callers:
                raise misfit(
                    f"expect has a row {name}, and callers have no such name",
                    f"one of {', '.join(self.callers)}",
                    is_quoted=False,
                )
        columns = len(self.requests)
        for name in self.callers:
            row = self.expect.get(name, ())
            if len(row) != columns:
                raise misfit(
                    f"the row {name} has {len(row)} cells for {columns} requests",
                    "one cell for each request",
                    is_quoted=False,
                )
        return self


class Cases(Section):
    """Tests of one policy.

    Attributes:
        policy: the policy, relative to this file.
        at: when tests take place that do not say when.
        variables: environment variables that the policy names.
        files: contents by name, for files that the policy names and that are not here.
        tenants: tenants that the policy itself does not know, as the state store would.
        tests: single tests.
        matrix: tests as tables.
    """

    policy: Annotated[str, Field(min_length=1, examples=["./policy.yaml"])]
    at: Moment = DAY_ONE
    variables: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    tenants: dict[TenantName, Tenant] = Field(default_factory=dict)
    tests: Annotated[
        tuple[Case, ...],
        Field(examples=["[{name: all are let in, request: {path: /}, expect: {outcome: admit}}]"]),
    ] = ()
    matrix: Annotated[
        tuple[Matrix, ...],
        Field(examples=["[{name: who may, callers: {nobody: {}}, …}]"]),
        LISTED,
        EITHER_FORM,
    ] = ()

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.tests and not self.matrix:
            raise misfit("there is no test", "tests or matrix", is_quoted=False)
        return self
