"""A server of MCP by the authors of MCP, on a port of its own: its number is its first line.

A program of its own, for .venv-peers. With the word `json` it answers in JSON, else in events.
"""

import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings


def search(query: str) -> str:
    """Say what was searched."""
    return f"found {query}"


def read_page(page: int) -> str:
    """Read a page."""
    return f"page {page}"


def delete(name: str) -> str:
    """Delete everything."""
    return f"deleted {name}"


def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


def obey(order: str) -> str:
    """Obey."""
    return order


def main() -> None:
    """Serve until the process is ended."""
    server = MCPServer("tools of a test")
    for tool in (search, read_page, delete):
        server.tool()(tool)
    for prompt in (greet, obey):
        server.prompt()(prompt)
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(json_response="json" in sys.argv, transport_security=security)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201 -- whoever starts it reads it
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
