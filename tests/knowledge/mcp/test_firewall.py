"""What is judged in requests of MCP: who may call what, and the text of arguments."""

import hashlib
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.mcp.characters import REPLACEMENT
from sidecar.knowledge.mcp.firewall import Allowed, Firewall, Judgement, Mode
from sidecar.knowledge.mcp.names import NAME_CHARACTERS, Names
from sidecar.knowledge.mcp.tokens import DEFAULT_TOKENS, Reserved
from sidecar.knowledge.validate.json_text import Bounds
from sidecar.model.body import Fault
from sidecar.model.refusals import RefusalCode
from tests.knowledge.mcp.test_tokens import TEXTS

pytestmark = pytest.mark.control("RQ-6")

RESERVED = Reserved(DEFAULT_TOKENS)
ANYTHING = Allowed(None, None)
SOME = Allowed(Names(["search", "read_*"]), Names(["greet"]))
TOKEN = "holds a reserved control token"  # noqa: S105 -- no secret
UNSEEN = "holds characters that nobody sees"
NAMED = "has a member whose name "


def judged(
    body: object,
    mode: Mode = Mode.REFUSE,
    allowed: Allowed = ANYTHING,
    methods: Sequence[str] | None = None,
    reserved: Reserved | None = RESERVED,
) -> Judgement:
    names = None if methods is None else Names(methods)
    firewall = Firewall(Bounds(), 4, names, mode, reserved)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return firewall.judge(content, allowed)


def a_call(
    arguments: object = None, name: str = "search", at: object = 1, method: str = "tools/call"
) -> dict[str, object]:
    params = {"name": name, **({} if arguments is None else {"arguments": arguments})}
    return {"jsonrpc": "2.0", "id": at, "method": method, "params": params}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


FAULTS = [
    pytest.param(a_call({"q": "<|im_start|>"}), [("/params/arguments/q", TOKEN)], id="text"),
    pytest.param(a_call({"q": ["x", ["<s>"]]}), [("/params/arguments/q/1/0", TOKEN)], id="lists"),
    pytest.param(
        a_call({"a/b": {"~": "\u200b"}}), [("/params/arguments/a~1b/~0", UNSEEN)], id="odd names"
    ),
    pytest.param(a_call({"<s>": 1}), [("/params/arguments", NAMED + TOKEN)], id="a name"),
    pytest.param(
        a_call({"x": {"a\u202e": {"b": "</s>"}}}),
        [("/params/arguments/x", NAMED + UNSEEN), ("/params/arguments/x/b", TOKEN)],
        id="text below a name that is never shown",
    ),
    pytest.param(
        [a_call({"q": "x"}), a_call({"q": "[INST]"})],
        [("/1/params/arguments/q", TOKEN)],
        id="the second of a batch",
    ),
    pytest.param(
        a_call({"q": "<s>"}, "greet", method="prompts/get"),
        [("/params/arguments/q", TOKEN)],
        id="a prompt",
    ),
    pytest.param(
        {"jsonrpc": "2.0", "id": 1, "method": "own", "params": {"messages": [{"text": "<s>"}]}},
        [("/params/messages/0/text", TOKEN)],
        id="messages",
    ),
    pytest.param(
        {"jsonrpc": "2.0", "id": 1, "method": "own", "params": ["<s>"]},
        [("/params/arguments/0", TOKEN)],
        id="parameters by position",
    ),
    pytest.param(
        {"jsonrpc": "2.0", "method": "x", "params": {"argument": {"value": "<s>"}}},
        [("/params/argument/value", TOKEN)],
        id="a completion",
    ),
    pytest.param(
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":'
        b'{"q":"\\u003c|im_\\u0073tart|>"}}}',
        [("/params/arguments/q", TOKEN)],
        id="escapes",
    ),
    pytest.param(
        b'{"jsonrpc":"2.0","id":1,"method":"tools\\/call","params":{"name":"a","arguments":'
        b'{"q":"<\\u200B|im_start|\\uff1e"}}}',
        [("/params/arguments/q", TOKEN)],
        id="an escaped method, an escaped split",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "faults"), FAULTS)
def test_the_places_are_named_and_never_what_stands_there(
    body: object, faults: list[tuple[str, str]]
) -> None:
    finding = judged(body).finding
    assert finding is not None
    assert finding.code is RefusalCode.UNPROCESSABLE
    assert finding.faults == tuple(Fault(*fault) for fault in faults)


@pytest.mark.parametrize(("body", "faults"), FAULTS)
def test_what_is_cleaned_is_clean(body: object, faults: list[tuple[str, str]]) -> None:
    cleaned = judged(body, Mode.CLEAN)
    assert faults
    assert cleaned.finding is None
    assert cleaned.content is not None
    again = judged(cleaned.content, Mode.CLEAN)
    assert (again.content, again.finding, again.reported) == (None, None, None)


@pytest.mark.parametrize(("body", "faults"), FAULTS)
def test_what_is_reported_goes_on_as_it_came(body: object, faults: list[tuple[str, str]]) -> None:
    reported = judged(body, Mode.REPORT)
    assert reported.reported is not None
    assert [fault.pointer for fault in reported.reported.faults] == [place for place, _ in faults]
    assert (reported.finding, reported.content) == (None, None)


@pytest.mark.parametrize(("body", "faults"), FAULTS)
def test_where_nobody_asks_everything_passes(body: object, faults: object) -> None:
    del faults
    passed = judged(body, reserved=None)
    assert (passed.finding, passed.reported, passed.content) == (None, None, None)


def test_not_every_place_is_named() -> None:
    finding = judged(a_call({"q": ["<s>"] * 100})).finding
    assert finding is not None
    assert len(finding.faults) == 10


def test_cleaning_changes_nothing_but_the_texts() -> None:
    message = a_call({"q": "<s>", "n": 1.5, "big": 2**63, "s": 'é😀\\"', "none": None, "l": [True]})
    body = [message, {"jsonrpc": "2.0", "method": "ping"}, {"jsonrpc": "2.0", "id": 3, "result": 1}]
    content = judged(body, Mode.CLEAN).content
    assert content is not None
    message["params"]["arguments"]["q"] = REPLACEMENT  # type: ignore[index]  # a literal of above
    assert json.loads(content) == body


@pytest.mark.parametrize("names", [("a", "a\u200b"), ("<s>", "</s>")])
def test_names_that_would_become_one_are_refused(names: tuple[str, str]) -> None:
    body = a_call(dict.fromkeys(names, 1))
    finding = judged(body, Mode.CLEAN).finding
    assert finding is not None
    assert finding.reason == "two names of an object are the same once they are cleaned"
    assert judged(body, Mode.REPORT).finding is None


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_cleaning_twice_is_cleaning_once(value: object) -> None:
    once = judged(a_call({"v": value}), Mode.CLEAN)
    if once.content is not None:
        again = judged(once.content, Mode.CLEAN)
        assert (again.finding, again.content) == (None, None)


UNKNOWN = {"code": "TOOL_NOT_ALLOWED"}
NOT_ALLOWED = {"code": -32602, "message": "Not allowed", "data": UNKNOWN}
NOT_SENT = {
    "code": -32600,
    "message": "Not sent: another message of the batch was refused",
    "data": UNKNOWN,
}


def an_error(at: object, error: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": at, "error": error}


REFUSED = ("tool not allowed", an_error(1, NOT_ALLOWED))
COMPLETION = {"ref": {"type": "ref/prompt", "name": "x"}}
NO_PROMPT = "prompt not allowed"


@pytest.mark.parametrize(
    ("body", "reason", "answer"),
    [
        pytest.param(
            a_call(name="delete", at="x"), REFUSED[0], an_error("x", NOT_ALLOWED), id="a tool"),
        pytest.param(a_call(name="Search"), *REFUSED, id="another case"),
        pytest.param(a_call(name="search "), *REFUSED, id="a blank more"),
        pytest.param(a_call(name="sear\u200bch"), *REFUSED, id="split"),
        pytest.param(a_call(name=""), *REFUSED, id="no name"),
        pytest.param(a_call(name="read"), *REFUSED, id="less than a beginning"),
        pytest.param(a_call(name="read_" + "x" * NAME_CHARACTERS), *REFUSED, id="long"),
        pytest.param(
            a_call(method="prompts/get", at=None),
            NO_PROMPT, an_error(None, NOT_ALLOWED), id="a prompt"),
        pytest.param(
            {"jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": COMPLETION},
            NO_PROMPT, an_error(1, NOT_ALLOWED), id="completion of a prompt"),
        pytest.param([a_call(name="delete")], REFUSED[0], [REFUSED[1]], id="a batch of one"),
        pytest.param(
            [a_call(at=1), a_call(name="delete", at=2), {"jsonrpc": "2.0", "method": "ping"}],
            "tool not allowed",
            [an_error(1, NOT_SENT), an_error(2, NOT_ALLOWED)],
            id="one of a batch"),
    ],
)  # fmt: skip
def test_what_is_not_listed_is_answered_here(body: object, reason: str, answer: object) -> None:
    judgement = judged(body, allowed=SOME)
    assert judgement.finding is not None
    assert (judgement.finding.code, judgement.finding.reason) == ("TOOL_NOT_ALLOWED", reason)
    assert json.loads(judgement.rpc) == answer


def test_a_notification_that_is_not_listed_gets_no_answer_of_json_rpc() -> None:
    notification = a_call(name="delete")
    del notification["id"]
    judgement = judged(notification, allowed=SOME)
    assert judgement.finding is not None
    assert judgement.rpc == b""


@pytest.mark.parametrize(
    "body",
    [
        a_call(name="search"),
        a_call(name="read_all"),
        a_call(name="greet", method="prompts/get"),
        a_call(name="other", method="resources/read"),
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "method": "completion/complete",
         "params": {"ref": {"type": "ref/resource", "uri": "x:"}}},
        {"jsonrpc": "2.0", "id": 1, "method": "completion/complete",
         "params": {"ref": {"type": "ref/prompt", "name": "greet"}}},
        {"jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": {}},
    ],
)  # fmt: skip
def test_what_is_listed_or_is_no_tool_passes(body: object) -> None:
    assert judged(body, allowed=SOME).finding is None


@pytest.mark.parametrize(
    ("method", "passes"), [("ping", True), ("tools/list", True), ("resources/read", False)]
)
def test_methods_may_be_listed(method: str, passes: bool) -> None:
    judgement = judged({"jsonrpc": "2.0", "id": 1, "method": method}, methods=["ping", "tools/*"])
    assert (judgement.finding is None) is passes
    assert passes or (
        judgement.finding is not None and judgement.finding.reason == "method not allowed"
    )


def test_answers_to_the_server_are_no_method() -> None:
    assert judged({"jsonrpc": "2.0", "id": 1, "result": {}}, methods=["ping"]).finding is None


def test_all_tools_may_be_listed() -> None:
    assert Names(["*"]).allows("anything")
    assert not Names(["*"]).allows(7)
    assert not Names([]).allows("anything")


def test_calls_are_noted_with_a_digest_of_their_arguments() -> None:
    [call, other] = judged([a_call({"b": "é", "a": [1, {}]}), a_call(name="x")]).calls
    assert (call.tool, call.digest, call.cleaned) == (
        "search", digest('{"a":[1,{}],"b":"é"}'), None,
    )  # fmt: skip
    assert (other.tool, other.digest) == ("x", digest("{}"))


def test_what_was_cleaned_has_two_digests() -> None:
    [call] = judged(a_call({"q": "<s>"}), Mode.CLEAN).calls
    assert call.digest == digest('{"q":"<s>"}')
    assert call.cleaned == digest('{"q":"' + REPLACEMENT + '"}')
    [reported] = judged(a_call({"q": "<s>"}), Mode.REPORT).calls
    assert reported.cleaned is None


@pytest.mark.parametrize(
    ("method", "lists"), [("tools/list", True), ("prompts/list", True), ("ping", False)]
)
def test_lists_are_known(method: str, lists: bool) -> None:
    assert judged([{"jsonrpc": "2.0", "id": 1, "method": method}]).lists is lists


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a":1,"a":1}', b"[]", b"1"])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    finding = judged(body).finding
    assert finding is not None
    assert finding.code is RefusalCode.BAD_REQUEST
