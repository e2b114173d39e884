"""JupyterLab, direct and through the sidecar: pages, REST, and a kernel over its WebSocket."""

import asyncio
import json
import re
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType
from yarl import URL

from tests.soak.both_sides import both_sides
from tests.soak.programs import LOOPBACK, Program, free_port, peer, running
from tests.soak.transcript import Call, Pair, Side

MOMENTS = re.compile(
    rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"  # ids of kernels, sessions, messages
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.0-9]*(?:Z|\+00:00)"
    rb'|"store_id": \d+'  # a page counts the pages
    rb'|(?<==)"?2\|[^;]*|(?<=expires=)[^;]*'  # signed cookies
)
# The entity tag of what is made for each request is a digest of it, ids and times included.
OF_THE_BODY = frozenset({"etag", "last-modified"})
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "soak",
            "metadata": {},
            "outputs": [],
            "source": "x" * 2_000_000,
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
CODE = """
import sys
print("y" * 300_000)
print("error line", file=sys.stderr)
6 * 7
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Program]:
    port = free_port()
    for name in ("files", "settings"):
        (tmp_path / name).mkdir()
    environment = {
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    command = [peer("jupyter-lab"), "--no-browser", "--allow-root", "--ip", LOOPBACK]
    command += ["--port", str(port), "--ServerApp.port_retries=0"]
    command += ["--IdentityProvider.token=soak", f"--ServerApp.root_dir={tmp_path / 'files'}"]
    with running(command, port, tmp_path / "lab.log", environment) as program:
        yield program


@pytest.mark.timeout(600)
def test_jupyterlab_answers_the_same_through_the_sidecar(lab: Program, tmp_path: Path) -> None:
    with both_sides(lab, tmp_path, moments=MOMENTS) as pair:
        pair.differs = OF_THE_BODY
        script = _sign_in(pair)
        pair.differs = frozenset()
        _read(pair, script)
        pair.differs = OF_THE_BODY
        _write(pair)
        _compute(pair)


def _sign_in(pair: Pair) -> str:
    """Show the token, keep one cookie for both sides, so that both are the same person.

    Returns the path of the page's script.
    """
    pair.compare(Call("GET", "/api/contents"), 403)
    pair.compare(Call("GET", "/lab"), 302)
    token = ("Authorization", "token soak")
    direct, _ = pair.compare(Call("GET", "/lab", (token,)), 200)
    cookies = [value.split(";")[0] for key, value in direct.fields if key == "Set-Cookie"]
    assert len(cookies) == 2
    for side in pair.sides:
        side.fields = {"Authorization": "token soak", "Cookie": "; ".join(cookies)}
    page, _ = pair.compare(Call("GET", "/lab"), 200)
    pair.compare(Call("GET", "/lab/tree/missing.txt"), 200)
    script = re.search(rb'src="(/static/lab/main[^"]*)"', page.body)
    assert script
    return script[1].decode()


def _read(pair: Pair, static: str) -> None:
    gzip = ("Accept-Encoding", "gzip")
    whole, _ = pair.compare(Call("GET", static), 200)
    pair.compare(Call("GET", static, (gzip,)), 200)
    pair.compare(Call("HEAD", static), 200)
    pair.compare(Call("GET", static, (("Range", "bytes=100-199"),)), 206)
    pair.compare(Call("GET", static, (("Range", f"bytes={len(whole.body)}-"),)), 416)
    icon = "/static/favicons/favicon.ico"
    head, _ = pair.compare(Call("GET", icon), 200)
    since = ("If-Modified-Since", head.get("last-modified"))
    pair.compare(Call("GET", icon, (since,)), 304)
    for target in ("/api", "/api/me", "/api/kernelspecs", "/api/kernels", "/api/sessions"):
        pair.compare(Call("GET", target), 200)
    pair.compare(Call("GET", "/"), 302)
    pair.compare(Call("GET", "/lab/api/settings"), 200)
    pair.compare(Call("GET", "/lab/api/translations/"), 200)
    pair.compare(Call("GET", "/lab/api/workspaces/default"), 200)
    pair.compare(Call("GET", "/api/contents/missing.txt"), 404)
    pair.compare(Call("GET", "/kernelspecs/python3/logo-svg.svg"), 200)
    # JupyterLab names settings by package and plug-in, with the slash between them encoded.
    themes = "/lab/api/settings/%40jupyterlab%2Fapputils-extension%3Athemes"
    pair.compare(Call("GET", themes), 200)
    pair.compare(_json("PUT", themes, {"raw": '{"theme": "JupyterLab Dark"}'}), 204)


def _write(pair: Pair) -> None:
    text = {"type": "file", "format": "text", "content": "one\ntwo\n"}
    folder = "/api/contents/SIDE"
    pair.compare(Call("GET", "/api/status"), 200)
    pair.compare(_json("PUT", folder, {"type": "directory"}), 201)
    pair.compare(_json("PUT", f"{folder}/a%20file.txt", text), 201)
    pair.compare(Call("GET", f"{folder}/a%20file.txt"), 200)
    pair.compare(Call("GET", f"{folder}/a%20file.txt?content=0"), 200)
    pair.compare(Call("GET", "/files/SIDE/a%20file.txt"), 200)
    pair.compare(Call("POST", f"{folder}/a%20file.txt/checkpoints"), 201)
    pair.compare(
        _json("PATCH", f"{folder}/a%20file.txt", {"path": "SIDE/gr\u00f6\u00dfe.txt"}), 200
    )
    pair.compare(Call("GET", f"{folder}/gr%C3%B6%C3%9Fe.txt"), 200)
    notebook = {"type": "notebook", "format": "json", "content": NOTEBOOK}
    pair.compare(_json("PUT", f"{folder}/large.ipynb", notebook), 201)
    pair.compare(Call("GET", f"{folder}/large.ipynb"), 200)
    pair.compare(Call("GET", folder), 200)
    pair.compare(_json("POST", "/api/contents/SIDE", {"type": "notebook"}), 201)
    pair.compare(Call("DELETE", f"{folder}/gr%C3%B6%C3%9Fe.txt"), 204)
    pair.compare(Call("GET", f"{folder}/gr%C3%B6%C3%9Fe.txt"), 404)


def _compute(pair: Pair) -> None:
    replies = pair.compare(_json("POST", "/api/kernels", {"name": "python3"}), 201)
    for side, reply in zip(pair.sides, replies, strict=True):
        side.words["KERNEL"] = reply.json()["id"]
    direct, through = (asyncio.run(_execute(side)) for side in pair.sides)
    pair.count += 2
    assert direct == through
    assert direct["shell"][-1][1]["status"] == "ok"
    printed = "".join(c["text"] for k, c in through["iopub"] if k == "stream")
    assert printed == "y" * 300_000 + "\nerror line\n"
    assert {"text/plain": "42"} in [c["data"] for k, c in through["iopub"] if k == "execute_result"]
    pair.compare(Call("GET", "/api/kernels/KERNEL"), 200)
    pair.compare(Call("POST", "/api/kernels/KERNEL/interrupt"), 204)
    pair.compare(Call("POST", "/api/kernels/KERNEL/restart"), 200)
    pair.compare(Call("DELETE", "/api/kernels/KERNEL"), 204)
    pair.compare(Call("GET", "/api/kernels/KERNEL"), 404)


Heard = dict[str, list[tuple[str, dict[str, Any]]]]


async def _execute(side: Side) -> Heard:
    """Run CODE in the side's kernel; what it said, by channel, in order."""
    heard: Heard = defaultdict(list)
    message_id = uuid.uuid4().hex
    target = f"/api/kernels/{side.words['KERNEL']}/channels"
    url = URL.build(scheme="http", host=side.origin[0], port=side.origin[1], path=target)
    # A browser sends Origin, and JupyterLab compares it with Host.
    fields = {**side.fields, "Host": side.host, "Origin": f"http://{side.host}"}
    async with (
        asyncio.timeout(60),
        ClientSession() as session,
        session.ws_connect(url, headers=fields, max_msg_size=0) as socket,
    ):
        await socket.send_str(json.dumps(_execute_request(message_id)))
        ends = 0
        while ends < 2:
            message = await socket.receive()
            assert message.type is WSMsgType.TEXT, message
            said = json.loads(message.data)
            if said["parent_header"].get("msg_id") != message_id:
                continue
            heard[said["channel"]].append((said["msg_type"], said["content"]))
            # The kernel is done when it replied on one channel and is idle on the other.
            ends += said["msg_type"] == "execute_reply"
            ends += said["content"].get("execution_state") == "idle"
    return _joined(heard)


def _joined(heard: Heard) -> Heard:
    """Join what was printed, since the kernel flushes its output at moments of its own."""
    printed: dict[str, str] = defaultdict(str)
    for kind, content in heard["iopub"]:
        if kind == "stream":
            printed[content["name"]] += content["text"]
    rest = [(kind, content) for kind, content in heard["iopub"] if kind != "stream"]
    streams = [("stream", {"name": name, "text": text}) for name, text in sorted(printed.items())]
    return {"shell": heard["shell"], "iopub": rest + sorted(streams, key=str, reverse=True)}


def _execute_request(message_id: str) -> dict[str, object]:
    content = {"code": CODE, "silent": False, "store_history": True, "user_expressions": {}}
    header = {"msg_id": message_id, "msg_type": "execute_request", "username": "", "session": "s"}
    header |= {"version": "5.3", "date": "2024-01-01T00:00:00Z"}
    return {
        "channel": "shell",
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": {**content, "allow_stdin": False, "stop_on_error": True},
        "buffers": [],
    }


def _json(method: str, target: str, document: object) -> Call:
    body = json.dumps(document).encode()
    return Call(method, target, (("Content-Type", "application/json"),), body)
