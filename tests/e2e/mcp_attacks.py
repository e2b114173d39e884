"""Requests of MCP that must reach no service, and the status that each gets."""

import json
from typing import Final

import pytest

LIST: Final = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def a_call(name: str = "search", **arguments: object) -> bytes:
    params = {"name": name, "arguments": arguments}
    return written({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


def written(document: object) -> bytes:
    return json.dumps(document).encode()


def raw(arguments: str) -> bytes:
    params = '{"name":"search","arguments":{' + arguments + "}}"
    return f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'.encode()


ATTACKS: Final = [
    pytest.param(raw('"q":"<|im_start|>"'), 422, id="a token"),
    pytest.param(raw('"q":"\\u003c|im_start|>"'), 422, id="an escape"),
    pytest.param(raw('"q":"\\uff1c\\uff5cim_start\\uff5c\\uff1e"'), 422, id="full width, escaped"),
    pytest.param(raw('"q":"\uff1c\uff5c\uff29m_start\uff5c\uff1e"'), 422, id="full width"),
    pytest.param(raw('"q":"<|im_\u200bstart|>"'), 422, id="a zero-width space"),
    pytest.param(raw('"q":"<|im_\\u00adstart|>"'), 422, id="a soft hyphen, escaped"),
    pytest.param(raw('"q":"hi\\udb40\\udc6f\\udb40\\udc62"'), 422, id="tags by surrogates"),
    pytest.param(raw('"q":"hi\U000e006f"'), 422, id="a tag"),
    pytest.param(raw('"q":"\\u202eevil"'), 422, id="an override"),
    pytest.param(raw('"q":"\U0001f600\U000e0101"'), 422, id="a variation selector"),
    pytest.param(raw('"q":[[["[\\u0049NST]"]]]'), 422, id="lists in lists"),
    pytest.param(raw('"<s>":1'), 422, id="a name"),
    pytest.param(raw('"q":{"a":{"\\u200b":1}}'), 422, id="an invisible name"),
    pytest.param(raw('"q":"<|IM_START|>"'), 422, id="capitals"),
    pytest.param(b"[" + raw('"q":"x"') + b"," + raw('"q":"</s>"') + b"]", 422, id="a batch"),
    pytest.param(raw('"q":"\\ud800"'), 400, id="half a pair"),
    pytest.param(raw('"q":"a","q":"<s>"'), 400, id="a member twice"),
    pytest.param(raw('"q":"a"').replace(b"params", b"Params"), 400, id="another spelling"),
    pytest.param(raw('"q":"a"').replace(b'"name"', b'"name":"delete","Name"'), 400, id="two names"),
    pytest.param(b"\xef\xbb\xbf" + a_call(), 400, id="a byte order mark"),
    pytest.param(a_call().decode().encode("utf-16"), 400, id="UTF-16"),
    pytest.param(b"[]", 400, id="an empty batch"),
    pytest.param(b"[" + b",".join([LIST] * 17) + b"]", 400, id="a large batch"),
    pytest.param(b"{}", 400, id="no message"),
    pytest.param(b'{"jsonrpc":"2.0","id":true,"method":"ping"}', 400, id="a flag as id"),
    pytest.param(a_call(q="x" * 70_000), 413, id="a message that is too large"),
    pytest.param(a_call("delete"), 200, id="a tool that is not listed"),
    pytest.param(a_call("SEARCH"), 200, id="a tool by another case"),
    pytest.param(a_call("search\u200b"), 200, id="a tool with an invisible end"),
    pytest.param(b"[" + LIST + b"," + a_call("delete") + b"]", 200, id="a tool in a batch"),
    pytest.param(a_call("delete").replace(b'"id": 1, ', b""), 403, id="a notification"),
]
