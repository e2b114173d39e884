"""Messages of JSON-RPC have one meaning, or are refused."""

import json

import pytest

from sidecar.knowledge.mcp.messages import Message, messages_of
from sidecar.knowledge.validate.json_text import Bounds, UnfitError, read_json

pytestmark = pytest.mark.control("RQ-6")

RESPELT = "a message has a method under a second spelling"
MEMBER = "a message has a member that JSON-RPC does not know"
ID = "a message has an id that is neither text nor number"
METHOD = "a message has a method that is no name"
BOTH = "a message is a request and an answer"
PARAMS = "a message has parameters that are no object"
SPELLING = "a message has a parameter under a second spelling"
ARGUMENTS = "a call has arguments that are no object"
NEITHER = "a message is neither a request nor an answer"
TWICE = "an object of the JSON has a member twice"
VERSION = "a message is not of JSON-RPC 2.0"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search"}}


def read(text: str, most: int = 3) -> list[Message]:
    return messages_of(read_json(text.encode(), Bounds()), most)


def a_ping(identity: str | None) -> Message:
    return Message((), "ping", identity, is_request=True, params={})


def having(**members: object) -> str:
    return json.dumps({**CALL, **members})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("1", "a message is no object", id="a number"),
        pytest.param("[[]]", "a message is no object", id="a list in a batch"),
        pytest.param("[]", "the batch is empty", id="an empty batch"),
        pytest.param(
            f"[{','.join([having()] * 4)}]", "the batch has more than 3 messages", id="a long batch"
        ),
        pytest.param("{}", VERSION, id="nothing"),
        pytest.param(having(jsonrpc="1.0"), VERSION, id="another version"),
        pytest.param(having(jsonrpc=2.0), VERSION, id="a version as a number"),
        pytest.param(having(Method="tools/call"), MEMBER, id="a second method"),
        pytest.param(having().replace('"params"', '"param\u017f"'), MEMBER, id="a long s"),
        pytest.param(having(id=True), ID, id="a flag as id"),
        pytest.param(having(id=[1]), ID, id="a list as id"),
        pytest.param(having(id="x" * 257), "a message has an id that is too long", id="a long id"),
        pytest.param(having(method=1), METHOD, id="a number as method"),
        pytest.param(having(method=""), METHOD, id="no method"),
        pytest.param(having(method="x" * 129), METHOD, id="a long method"),
        pytest.param(having(method="Tools/Call"), RESPELT, id="a method in capitals"),
        pytest.param(having(method="tools/list "), RESPELT, id="a method and a blank"),
        pytest.param(having(method="prompts/get\x00x"), RESPELT, id="a method up to NUL"),
        pytest.param(having(method="tools/\u200bcall"), RESPELT, id="a method that is split"),
        pytest.param(having(result={}), BOTH, id="a request with a result"),
        pytest.param(having(error={}), BOTH, id="a request with an error"),
        pytest.param(having(params="x"), PARAMS, id="text as parameters"),
        pytest.param(having(params=None), PARAMS, id="null as parameters"),
        pytest.param(having(params=["search"]), PARAMS, id="a call by position"),
        pytest.param(having(params={}), "a call names nothing", id="no name"),
        pytest.param(having(params={"name": 1}), "a call names nothing", id="a number as name"),
        pytest.param(having(params={"name": "a", "Name": "b"}), SPELLING, id="a second name"),
        pytest.param(
            having(params={"name": "a", "argument\u017f": {}}), SPELLING, id="second arguments"
        ),
        pytest.param(
            having(params={"name": "a", "name\x00": "b"}), SPELLING, id="a name up to NUL"
        ),
        pytest.param(
            having(params={"name": "a", "na\u200bme": "b"}), SPELLING, id="a name that is split"
        ),
        pytest.param(
            having(method="completion/complete", params={"ref": {"type": "x", "Name": "a"}}),
            SPELLING,
            id="a prompt under a second spelling",
        ),
        pytest.param(
            having(params={"name": "a", "arguments": "x"}), ARGUMENTS, id="text as arguments"
        ),
        pytest.param(
            having(params={"name": "a", "arguments": [1]}), ARGUMENTS, id="a list as arguments"
        ),
        pytest.param('{"jsonrpc":"2.0","id":1}', NEITHER, id="an answer of nothing"),
        pytest.param('{"jsonrpc":"2.0","id":1,"result":1,"error":1}', NEITHER, id="two answers"),
        pytest.param('{"jsonrpc":"2.0","result":1}', NEITHER, id="an answer to nobody"),
        pytest.param(
            '{"jsonrpc":"2.0","id":1,"result":1,"params":{}}',
            NEITHER,
            id="an answer with parameters",
        ),
        pytest.param('{"jsonrpc":"2.0","method":"a","method":"b"}', TWICE, id="a method twice"),
        pytest.param(
            '{"jsonrpc":"2.0","method":"a","\\u006dethod":"b"}',
            TWICE,
            id="a method twice, once escaped",
        ),
    ],
)
def test_two_meanings_are_none(text: str, reason: str) -> None:
    with pytest.raises(UnfitError, match=reason):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (having(), Message((), "tools/call", 1, is_request=True, params={"name": "search"})),
        (having(params={"name": "a", "arguments": None}),
         Message((), "tools/call", 1, is_request=True, params={"name": "a", "arguments": None})),
        ('{"jsonrpc":"2.0","method":"ping","id":"x"}', a_ping("x")),
        ('{"jsonrpc":"2.0","method":"ping","id":null}', a_ping(None)),
        ('{"jsonrpc":"2.0","method":"notifications/x"}',
         Message((), "notifications/x", None, is_request=False, params={})),
        ('{"jsonrpc":"2.0","id":7,"result":{}}', Message((), "", 7, is_request=False, params={})),
        ('[{"jsonrpc":"2.0","id":1.5,"error":{}}]',
         Message((0,), "", 1.5, is_request=False, params={})),
        ('{"jsonrpc":"2.0","method":"own","params":["a"]}',
         Message((), "own", None, is_request=False, params={"arguments": ["a"]})),
    ],
)  # fmt: skip
def test_messages_are_read(text: str, message: Message) -> None:
    assert read(text) == [message]
