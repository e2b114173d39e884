"""Messages of JSON-RPC have one meaning, or are refused."""

import json
from typing import Any

import pytest

from sidecar.knowledge.mcp.messages import Message, messages_of
from sidecar.knowledge.validate.json_text import Bounds, UnfitError, read_json

pytestmark = pytest.mark.control("RQ-6")

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search"}}


def read(text: str, most: int = 3) -> list[Message]:
    return messages_of(read_json(text.encode(), Bounds()), most)


def having(**members: Any) -> str:
    return json.dumps({**CALL, **members})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("1", "a message is no object", id="a number"),
        pytest.param("[[]]", "a message is no object", id="a list in a batch"),
        pytest.param("[]", "the batch is empty", id="an empty batch"),
        pytest.param(f"[{','.join([having()] * 4)}]", "the batch has more than 3 messages", id="a long batch"),
        pytest.param("{}", "a message is not of JSON-RPC 2.0", id="nothing"),
        pytest.param(having(jsonrpc="1.0"), "a message is not of JSON-RPC 2.0", id="another version"),
        pytest.param(having(jsonrpc=2.0), "a message is not of JSON-RPC 2.0", id="a version as a number"),
        pytest.param(having(Method="tools/call"), "a message has a member that JSON-RPC does not know", id="a second method"),
        pytest.param(having(**{"param\u017f": {}}), "a message has a member that JSON-RPC does not know", id="a long s"),
        pytest.param(having(id=True), "a message has an id that is neither text nor number", id="a flag as id"),
        pytest.param(having(id=[1]), "a message has an id that is neither text nor number", id="a list as id"),
        pytest.param(having(id="x" * 257), "a message has an id that is too long", id="a long id"),
        pytest.param(having(method=1), "a message has a method that is no name", id="a number as method"),
        pytest.param(having(method=""), "a message has a method that is no name", id="no method"),
        pytest.param(having(method="x" * 129), "a message has a method that is no name", id="a long method"),
        pytest.param(having(result={}), "a message is a request and an answer", id="a request with a result"),
        pytest.param(having(error={}), "a message is a request and an answer", id="a request with an error"),
        pytest.param(having(params="x"), "a message has parameters that are no object", id="text as parameters"),
        pytest.param(having(params=None), "a message has parameters that are no object", id="null as parameters"),
        pytest.param(having(params=["search"]), "a message has parameters that are no object", id="a call by position"),
        pytest.param(having(params={}), "a call names nothing", id="no name"),
        pytest.param(having(params={"name": 1}), "a call names nothing", id="a number as name"),
        pytest.param(having(params={"name": "a", "Name": "b"}), "a message has a parameter under a second spelling", id="a second name"),
        pytest.param(having(params={"name": "a", "argument\u017f": {}}), "a message has a parameter under a second spelling", id="second arguments"),
        pytest.param(having(params={"name": "a", "name\x00": "b"}), "a message has a parameter under a second spelling", id="a name up to NUL"),
        pytest.param(having(params={"name": "a", "na\u200bme": "b"}), "a message has a parameter under a second spelling", id="a name that is split"),
        pytest.param(having(params={"name": "a", "arguments": "x"}), "a call has arguments that are no object", id="text as arguments"),
        pytest.param(having(params={"name": "a", "arguments": [1]}), "a call has arguments that are no object", id="a list as arguments"),
        pytest.param('{"jsonrpc":"2.0","id":1}', "a message is neither a request nor an answer", id="an answer of nothing"),
        pytest.param('{"jsonrpc":"2.0","id":1,"result":1,"error":1}', "a message is neither a request nor an answer", id="two answers"),
        pytest.param('{"jsonrpc":"2.0","result":1}', "a message is neither a request nor an answer", id="an answer to nobody"),
        pytest.param('{"jsonrpc":"2.0","id":1,"result":1,"params":{}}', "a message is neither a request nor an answer", id="an answer with parameters"),
        pytest.param('{"jsonrpc":"2.0","method":"a","method":"b"}', "an object of the JSON has a member twice", id="a method twice"),
        pytest.param('{"jsonrpc":"2.0","method":"a","\\u006dethod":"b"}', "an object of the JSON has a member twice", id="a method twice, once escaped"),
    ],
)  # fmt: skip
def test_two_meanings_are_none(text: str, reason: str) -> None:
    with pytest.raises(UnfitError, match=reason):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (having(), Message((), "tools/call", 1, is_request=True, params={"name": "search"})),
        (having(params={"name": "a", "arguments": None}),
         Message((), "tools/call", 1, is_request=True, params={"name": "a", "arguments": None})),
        ('{"jsonrpc":"2.0","method":"ping","id":"x"}', Message((), "ping", "x", is_request=True, params={})),
        ('{"jsonrpc":"2.0","method":"ping","id":null}', Message((), "ping", None, is_request=True, params={})),
        ('{"jsonrpc":"2.0","method":"notifications/x"}',
         Message((), "notifications/x", None, is_request=False, params={})),
        ('{"jsonrpc":"2.0","id":7,"result":{}}', Message((), "", 7, is_request=False, params={})),
        ('[{"jsonrpc":"2.0","id":1.5,"error":{}}]', Message((0,), "", 1.5, is_request=False, params={})),
        ('{"jsonrpc":"2.0","method":"own","params":["a"]}',
         Message((), "own", None, is_request=False, params={"arguments": ["a"]})),
    ],
)  # fmt: skip
def test_messages_are_read(text: str, message: Message) -> None:
    assert read(text) == [message]
