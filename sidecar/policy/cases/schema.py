"""The file of tests, section by section."""

from datetime import datetime
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
    return moment.timestamp()


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
    sender: Annotated[str, Field(alias="from", examples=["192.0.2.7"])] = "127.0.0.1"
    tls: Flag = False

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and "json_body" in self.model_fields_set:
            raise misfit("there are two bodies", "either body or json", is_quoted=False)
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
    upstream_headers: dict[str, str | None] = Field(default_factory=dict)
    response_headers: dict[str, str | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise misfit("expects nothing", "outcome: admit", is_quoted=False)
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
