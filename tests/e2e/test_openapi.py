"""A service behind its own OpenAPI document: what it describes passes, and nothing else."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import running
from tests.e2e.records import entries
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

EXAMPLE: Final = Path("docs/examples/api.yaml").read_text(encoding="utf-8")
JSON: Final = b"Content-Type: application/json"
GOOD: Final = b'{"name": "vice", "price": 60, "parts": [{"name": "jaw", "price": 1}]}'
ADD: Final = {"file": "api.yaml", "routes": "add", "guard": {"role": "viewer"}}

REFUSED: Final[list[tuple[str, bytes, int, list[str]]]] = [
    ("a member of the wrong type", post(b'{"name": "a", "price": "1"}', b"/api/items", JSON), 422,
     ["/price"]),
    ("members that are missing", post(b"{}", b"/api/items", JSON), 422, [""]),
    ("a member that is not described", post(b'{"name": "a", "price": 1, "x": 1}', b"/api/items",
     JSON), 422, [""]),
    ("a mistake deep in what refers to itself",
     post(b'{"name": "a", "price": 1, "parts": [{"name": "", "price": 1}]}', b"/api/items", JSON),
     422, ["/parts/0/name"]),
    ("a number of more than 32 bits", post(b'{"name": "a", "price": 2147483648}', b"/api/items",
     JSON), 422, ["/price"]),
    ("no JSON", post(b"{", b"/api/items", JSON), 400, []),
    ("another type", post(GOOD, b"/api/items", b"Content-Type: text/plain"), 415, []),
    ("no body where one is required", post(b"", b"/api/items", JSON), 400, []),
    ("an operation that is not described", get(b"/api/items", method=b"DELETE"), 405, []),
    ("a path that is not described", get(b"/internal/report"), 404, []),
    ("a caller without a key where the guard asks for one", get(b"/api/items/1"), 401, []),
    ("a picture that is none", get(b"/upload", b"Content-Length: 1", b"Content-Type: text/html",
     method=b"PUT"), 415, []),
]  # fmt: skip


def guarded(url: str, **sections: Any) -> str:  # noqa: ANN401 -- a section is a tree of JSON
    document = {**ADD, **sections.pop("openapi", {})}
    authentication = {"api_keys": {}, "failure": {"floor": "1ms"}}
    secrets = {"pepper": "0123456789abcdef0123456789abcdef"}
    policy = json.loads(
        a_policy(
            url,
            authentication=authentication,
            secrets=secrets,
            state="memory",
            openapi=document,
            **sections,
        )
    )
    if "routes" not in sections:
        del policy["routes"]
    return json.dumps(policy)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "api.yaml").write_text(EXAMPLE, encoding="utf-8")
    return tmp_path


@pytest.mark.control("RQ-3", "AZ-4")
@pytest.mark.parametrize(
    ("sent", "status", "pointers"), [pytest.param(*row, id=name) for name, *row in REFUSED]
)
async def test_what_the_document_does_not_describe_is_refused(
    sent: bytes, status: int, pointers: list[str], folder: Path
) -> None:
    document = EXAMPLE
    for method in ("post", "put"):
        document = document.replace(
            f"{method}:\n", f"{method}:\n      x-sidecar: {{public: true}}\n"
        )
    (folder / "api.yaml").write_text(document, encoding="utf-8")
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(guarded(service.url), beside=folder) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(sent)
        assert answer.status == status
        errors = json.loads(answer.body).get("errors", [])
        assert sorted({error["pointer"] for error in errors}) == pointers
        assert b"2147483648" not in answer.body
        assert echo.requests == []
        (entry,) = await entries(proxy)
        assert entry.outcome == "refused"


@pytest.mark.control("RQ-3")
async def test_what_the_document_describes_passes_byte_for_byte(folder: Path) -> None:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(guarded(service.url, openapi={"guard": {"public": True}}), beside=folder) as proxy,
        a_client(proxy.port) as client,
    ):
        passing = [
            get(b"/api/items"),
            get(b"/api/items", method=b"HEAD"),
            get(b"/api/items/7"),
            post(GOOD, b"/api/items", JSON),
            get(b"/upload", b"Content-Length: 0", method=b"PUT"),
        ]
        for request in passing:
            await client.send(request)
            assert (await client.response(request.split()[0])).status == 200
        assert [request.body for request in echo.requests] == [b"", b"", b"", GOOD, b""]


@pytest.mark.control("RQ-3")
async def test_routes_of_the_policy_get_their_bodies_judged(folder: Path) -> None:
    routes = [{"path": "/api/items", "methods": ["GET", "POST"], "public": True}]
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(
            a_policy(service.url, openapi={"file": "api.yaml"}, routes=routes), beside=folder
        ) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(post(b"{}", b"/api/items", JSON))).status == 422
        assert (await client.ask(post(GOOD, b"/api/items", JSON))).status == 200
        assert (await client.ask(get(b"/api/items"))).status == 200
        assert (await client.ask(get(b"/api/items/1"))).status == 404
        assert len(echo.requests) == 2


async def test_a_body_that_is_not_required_may_be_left_out(folder: Path) -> None:
    document = EXAMPLE.replace("        required: true\n", "")
    assert document != EXAMPLE
    (folder / "api.yaml").write_text(document, encoding="utf-8")
    async with (
        a_service(Echo.new()) as service,
        running(guarded(service.url, openapi={"guard": {"public": True}}), beside=folder) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(post(b"", b"/api/items"))).status == 200
        assert (await client.ask(post(b"[]", b"/api/items", JSON))).status == 422


async def checked(folder: Path, *options: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "sidecar", "check", *options, "policy.yaml"]
    ran = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.control("RQ-3", "AZ-4")
async def test_check_tells_what_stands_on_one_side_alone(folder: Path) -> None:
    (folder / "policy.yaml").write_text(
        "version: 1\nupstream: http://127.0.0.1:3000\nopenapi: {file: api.yaml}\nroutes:\n"
        "  - {path: /api/items, methods: [GET, POST], public: true}\n"
        "  - {path: /other, methods: [GET], public: true}\n"
    )
    code, shown, said = await checked(folder)
    assert code == 0
    assert "/api/items  GET,POST  public" in shown
    assert said.splitlines() == [
        (
            "policy.yaml:6:5: warning: routes[1]: is not in the OpenAPI document "
            "(hint: a path there, or no route)"
        ),
        (
            "api.yaml:20:7: warning: /paths/~1api~1items~1{id}/get: no route of the policy admits "
            "this operation (hint: path: /api/items/{id}, methods: [GET] under routes)"
        ),
        (
            "api.yaml:24:7: warning: /paths/~1upload/put: no route of the policy admits this "
            "operation (hint: path: /upload, methods: [PUT] under routes)"
        ),
    ]
    code, shown, _ = await checked(folder, "--strict", "--json")
    assert code == 1
    found = json.loads(shown)["policies"][0]["problems"]
    assert [(one["severity"], one["path"], one["line"]) for one in found] == [
        ("warning", "routes[1]", 6),
        ("warning", "/paths/~1api~1items~1{id}/get", 20),
        ("warning", "/paths/~1upload/put", 24),
    ]
