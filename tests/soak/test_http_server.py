"""Python's own http.server, direct and through the sidecar."""

import sys
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.soak.both_sides import both_sides
from tests.soak.programs import LOOPBACK, Program, free_port, running
from tests.soak.transcript import Call

# http.server knows no ranges: it answers 200 with the whole file, and so must the sidecar.
RANGES = ("bytes=0-9", "bytes=-5", "bytes=5-", "bytes=0-0,3-4", "bytes=999999999-")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "site").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "plain.txt").write_text("one line\n" * 1000)
    (folder / "nothing.bin").write_bytes(b"")
    (folder / "large.bin").write_bytes(bytes(range(256)) * 16384)
    (folder / "with space.txt").write_text("space\n")
    (folder / "größe.txt").write_text("größe\n", "utf-8")
    (folder / "site" / "index.html").write_text("<!doctype html><title>site</title>")
    (folder / "site" / "style.css").write_text("p { color: red }")
    return folder


@pytest.fixture(params=["HTTP/1.0", "HTTP/1.1"])
def server(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[Program]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK]
    command += ["--directory", str(folder), "--protocol", str(request.param)]
    with running(command, port, tmp_path / "server.log") as program:
        yield program


@pytest.mark.timeout(300)
def test_http_server_answers_the_same_through_the_sidecar(
    server: Program, folder: Path, tmp_path: Path
) -> None:
    changed = formatdate((folder / "plain.txt").stat().st_mtime, usegmt=True)
    with both_sides(server, tmp_path) as pair:
        for method in ("GET", "HEAD"):
            pair.walk(
                Call(method, "/"),
                Call(method, "/plain.txt"),
                Call(method, "/plain.txt?version=1&version=2"),
                Call(method, "/nothing.bin"),
                Call(method, "/large.bin"),
                Call(method, "/with%20space.txt"),
                Call(method, "/gr%C3%B6%C3%9Fe.txt"),
                Call(method, "/site/"),
                Call(method, "/site/style.css"),
                Call(method, "/empty/"),
            )
            pair.compare(Call(method, "/site"), 301)
            pair.compare(Call(method, "/missing"), 404)
            pair.compare(Call(method, "/plain.txt", (("If-Modified-Since", changed),)), 304)
            long_ago = (("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"),)
            pair.compare(Call(method, "/plain.txt", long_ago), 200)
            tagged = (("If-Modified-Since", changed), ("If-None-Match", '"other"'))
            pair.compare(Call(method, "/plain.txt", tagged), 200)
        for wanted in RANGES:
            pair.compare(Call("GET", "/plain.txt", (("Range", wanted),)), 200)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            pair.compare(Call(method, "/plain.txt"), 501)
        pair.compare(Call("POST", "/plain.txt", body=b"x" * 1000), 501)
