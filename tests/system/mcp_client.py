"""A client of MCP by the authors of MCP: it carries a plan out and says what came of each step.

A program of its own, for .venv-peers: it reads a plan from standard input and writes outcomes to
standard output, both as JSON.

    {"url": "...", "key": "...", "mode": "...", "calls": [["search", {"query": "x"}], ...],
     "prompts": [["greet", {"name": "x"}], ...]}
"""

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client


# A plan and its outcomes are trees of JSON, without fixed types.
async def outcome(asked: Awaitable[Any]) -> Any:  # noqa: ANN401 -- as above
    """Wait for an answer, and say what it was or how it failed."""
    try:
        answer = await asked
    except MCPError as error:
        return {"code": error.code, "message": error.message}
    content = answer.content if hasattr(answer, "content") else answer.messages[0].content
    return (content[0] if isinstance(content, list) else content).text


async def carried_out(plan: dict[str, Any]) -> dict[str, Any]:
    """Carry a plan out, in one session."""
    lines = {"X-API-Key": plan["key"]}
    async with httpx2.AsyncClient(headers=lines, timeout=10.0) as http:
        transport = streamable_http_client(plan["url"], http_client=http)
        async with Client(transport, mode=plan["mode"]) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
            calls = [await outcome(client.call_tool(*call)) for call in plan["calls"]]
            given = [await outcome(client.get_prompt(*prompt)) for prompt in plan["prompts"]]
            # The session goes on after what was refused.
            last = [tool.name for tool in (await client.list_tools()).tools]
    return {"tools": tools, "prompts": prompts, "calls": calls, "given": given, "last": last}


if __name__ == "__main__":
    json.dump(asyncio.run(carried_out(json.load(sys.stdin))), sys.stdout)
