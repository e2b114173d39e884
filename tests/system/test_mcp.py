"""MCP as its authors speak it: their client, a real sidecar with the firewall on, their server."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.callers import a_key, a_record, sections
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import MEMORY, merged
from tests.e2e.wire import a_policy

pytestmark = pytest.mark.control("RQ-6")

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = str(ROOT / ".venv-peers/bin/python")
SERVER: Final = str(Path(__file__).with_name("mcp_server.py"))
CLIENT: Final = str(Path(__file__).with_name("mcp_client.py"))
SECONDS: Final = 60.0

TOOLS: Final = {"viewer": ["search", "read_*"], "admin": ["*"]}
PROMPTS: Final = {"viewer": ["greet"], "admin": ["*"]}
NOT_ALLOWED: Final = {"code": -32602, "message": "Not allowed"}
CALLS: Final = [
    ["search", {"query": "x"}],
    ["delete", {"name": "all"}],
    ["search", {"query": "a <|im_\u200bstart|> b"}],
    ["read_page", {"page": 3}],
]
GIVEN: Final = [["greet", {"name": "Ada"}], ["obey", {"order": "x"}]]
PIPE: Final = asyncio.subprocess.PIPE


@asynccontextmanager
async def a_server(*words: str) -> AsyncIterator[int]:
    """Run a server of MCP; its port."""
    server = await asyncio.create_subprocess_exec(PYTHON, SERVER, *words, stdout=PIPE)
    assert server.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            port = int(await server.stdout.readline())
        yield port
    finally:
        server.kill()
        await server.wait()


async def said(plan: Mapping[str, object]) -> dict[str, Any]:
    """Have the client carry out a plan."""
    client = await asyncio.create_subprocess_exec(
        PYTHON, CLIENT, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(SECONDS):
        out, err = await client.communicate(json.dumps(plan).encode())
    assert client.returncode == 0, err.decode()[-4000:]
    found: dict[str, Any] = json.loads(out)
    return found


def firewalled(port: int, folder: Path, arguments: str) -> str:
    mcp = {"tools": TOOLS, "prompts": PROMPTS, "arguments": arguments}
    own = {"routes": [{"path": "/mcp", "role": "viewer", "mcp": mcp}]}
    return a_policy(f"http://127.0.0.1:{port}", **merged(sections(folder, MEMORY), own))


async def a_caller(proxy: Running, role: str) -> str:
    key = a_key(role)
    assert await proxy.store.add_key(a_record(role, key, role))
    return key


@pytest.mark.timeout(4 * SECONDS)
@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("words", [(), ("json",)])
async def test_a_client_sees_and_calls_what_it_may(
    tmp_path: Path, words: tuple[str, ...], mode: str
) -> None:
    async with (
        a_server(*words) as port,
        running(firewalled(port, tmp_path, "clean"), tmp_path) as proxy,
    ):
        plan: dict[str, object] = {"url": f"http://127.0.0.1:{proxy.port}/mcp", "mode": mode}
        plan |= {"calls": CALLS, "prompts": GIVEN}
        viewer = await said({**plan, "key": await a_caller(proxy, "viewer")})
        admin = await said({**plan, "key": await a_caller(proxy, "admin")})
        records = await proxy.records()
    assert viewer == {
        "tools": ["search", "read_page"],
        "prompts": ["greet"],
        "calls": ["found x", NOT_ALLOWED, "found a \ufffd b", "page 3"],
        "given": ["Say hello to Ada.", NOT_ALLOWED],
        "last": ["search", "read_page"],
    }
    assert admin == {
        "tools": ["search", "read_page", "delete"],
        "prompts": ["greet", "obey"],
        "calls": ["found x", "deleted all", "found a \ufffd b", "page 3"],
        "given": ["Say hello to Ada.", "x"],
        "last": ["search", "read_page", "delete"],
    }
    calls = [record for record in records if record["action"] == "tool.call"]
    names = [tool["name"] for call in calls for tool in call["metadata"]["tools"]]  # type: ignore[index]  # JSON
    assert names == [name for name, _ in CALLS] * 2
    assert [record["reason"] for record in records if record["outcome"] == "refused"] == [
        "tool not allowed", "prompt not allowed",
    ]  # fmt: skip


@pytest.mark.timeout(2 * SECONDS)
async def test_text_that_is_refused_is_an_error_of_its_call_alone(tmp_path: Path) -> None:
    async with (
        a_server() as port,
        running(firewalled(port, tmp_path, "refuse"), tmp_path) as proxy,
    ):
        key = await a_caller(proxy, "admin")
        url = f"http://127.0.0.1:{proxy.port}/mcp"
        plan = {"url": url, "mode": "legacy", "key": key, "calls": CALLS, "prompts": []}
        found = await said(plan)
    assert [found["calls"][at] for at in (0, 1, 3)] == ["found x", "deleted all", "page 3"]
    assert found["calls"][2]["code"] < 0
    assert found["last"] == ["search", "read_page", "delete"]
