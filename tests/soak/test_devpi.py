"""A devpi package index, direct and through the sidecar: upload, browse, install."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.both_sides import both_sides
from tests.soak.programs import LOOPBACK, Program, free_port, peer, running
from tests.soak.transcript import Call, Pair, Side

# The state of the whole server counts up with every write, from whichever side.
DIFFERS = frozenset({"x-devpi-serial"})
MOMENTS = re.compile(
    rb'"password": "(?:\\.|[^"\\])*"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d|[0-9.]+ (?=seconds)'
)
BOUNDARY = "soak-boundary-0123456789"


@pytest.fixture
def devpi(tmp_path: Path) -> Iterator[Program]:
    folder, port = tmp_path / "devpi", free_port()
    where = ["--serverdir", str(folder)]
    subprocess.run(  # noqa: S603 - a program that the test names itself
        [peer("devpi-init"), *where, "--no-root-pypi", "--root-passwd", "soak"],
        check=True,
        capture_output=True,
    )
    command = [peer("devpi-server"), *where, "--host", LOOPBACK, "--port", str(port)]
    with running(command, port, tmp_path / "devpi.log") as program:
        yield program


@pytest.mark.timeout(600)
def test_devpi_answers_the_same_through_the_sidecar(devpi: Program, tmp_path: Path) -> None:
    with both_sides(devpi, tmp_path, differs=DIFFERS, moments=MOMENTS) as pair:
        _make_index(pair)
        _upload(pair)
        _browse(pair)
        for side in pair.sides:
            assert _install(side, tmp_path) == "soaked 2.0\n"
        _remove(pair)


def _make_index(pair: Pair) -> None:
    pair.walk(Call("GET", "/"), Call("GET", "/+api"), Call("GET", "/root"))
    pair.compare(_json("POST", "/+login", {"user": "root", "password": "wrong"}), 401)
    pair.compare(_json("PUT", "/SIDE", {"password": "soak", "email": "SIDE@soak.test"}), 201)
    # The token in the answer is signed and differs: MOMENTS leaves it out of the comparison.
    login = _json("POST", "/+login", {"user": "SIDE", "password": "soak"})
    for side, reply in zip(pair.sides, pair.compare(login, 200), strict=True):
        token = reply.json()["result"]["password"]
        credential = base64.b64encode(f"{side.words['SIDE']}:{token}".encode()).decode()
        side.fields["X-Devpi-Auth"] = credential
    index = {"type": "stage", "bases": [], "volatile": True}
    pair.compare(_json("PUT", "/SIDE/dev", index), 200)
    pair.compare(_json("PUT", "/SIDE/dev", index), 409)
    pair.compare(_json("PATCH", "/SIDE/dev", ["title=soaked"]), 200)


def _upload(pair: Pair) -> None:
    for version in ("1.0", "2.0"):
        pair.compare(_file_upload(version, padding_bytes=10_000), 200)
    # A real wheel may well be larger than a megabyte.
    pair.compare(_file_upload("3.0.dev1", padding_bytes=3_000_000), 200)


def _browse(pair: Pair) -> None:
    simple = "application/vnd.pypi.simple.v1+json"
    pair.walk(
        Call("GET", "/SIDE"),
        Call("GET", "/SIDE/dev"),
        Call("GET", "/SIDE/dev", (("Accept", "application/json"),)),
        Call("GET", "/SIDE/dev/soaked", (("Accept", "application/json"),)),
        Call("GET", "/SIDE/dev/soaked/2.0", (("Accept", "application/json"),)),
        Call("GET", "/SIDE/dev/+simple"),
        Call("GET", "/SIDE/dev/+simple/"),
        Call("GET", "/SIDE/dev/+simple/", (("Accept", simple),)),
        Call("HEAD", "/SIDE/dev/+simple/"),
        Call("GET", "/SIDE/dev/+simple/soaked"),
        Call("GET", "/SIDE/dev/+simple/Soaked/"),
        Call("GET", "/SIDE/dev/+simple/missing/"),
    )
    page, _ = pair.compare(Call("GET", "/SIDE/dev/+simple/soaked/"), 200)
    pair.compare(Call("GET", "/SIDE/dev/+simple/soaked/", (("Accept", simple),)), 200)
    for link in re.findall(r'href="\.\./\.\./([^"#]+)', page.body.decode()):
        target = f"/SIDE/dev/{link}"
        head, _ = pair.compare(Call("GET", target), 200)
        pair.compare(Call("HEAD", target), 200)
        pair.compare(Call("GET", target, (("Range", "bytes=0-99"),)))
        pair.compare(Call("GET", target, (("If-None-Match", '"other"'),)))
        pair.compare(Call("GET", target, (("If-Modified-Since", head.get("last-modified")),)))


def _remove(pair: Pair) -> None:
    pair.compare(Call("DELETE", "/SIDE/dev/soaked/1.0"), 200)
    pair.compare(Call("GET", "/SIDE/dev/soaked/1.0", (("Accept", "application/json"),)), 404)
    pair.compare(Call("DELETE", "/SIDE/dev"), 201)
    pair.compare(Call("GET", "/SIDE/dev/+simple/soaked/"), 404)


def _install(side: Side, folder: Path) -> str:
    """Install with pip from the side's index into a folder, and run what was installed."""
    target = folder / side.words["SIDE"]
    origin = f"{side.origin[0]}:{side.origin[1]}"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-cache-dir", "--isolated"]
    command += ["--disable-pip-version-check", "--target", str(target)]
    command += ["--index-url", f"http://{origin}/{target.name}/dev/+simple/", "soaked"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    plain["PIP_CONFIG_FILE"] = os.devnull
    _output(command, target.parent, plain)
    run = [sys.executable, "-c", "import soaked; print('soaked', soaked.VERSION)"]
    return _output(run, target, plain)


def _output(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - a command that the test names itself
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _json(method: str, target: str, document: object) -> Call:
    body = json.dumps(document).encode()
    return Call(method, target, (("Content-Type", "application/json"),), body)


def _file_upload(version: str, padding_bytes: int) -> Call:
    """What twine and `setup.py upload` send: a multipart form with the file (PyPI's legacy API)."""
    name = f"soaked-{version}-py3-none-any.whl"
    form = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": "soaked",
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
    }
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in form.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    parts.append(_wheel(version, padding_bytes))
    parts.append(f"\r\n--{BOUNDARY}--\r\n".encode())
    kind = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    return Call("POST", "/SIDE/dev/", (kind,), b"".join(parts))


def _wheel(version: str, padding_bytes: int) -> bytes:
    folder, content = f"soaked-{version}.dist-info", io.BytesIO()
    files = {
        "soaked/__init__.py": f"VERSION = {version!r}\n",
        "soaked/padding.txt": "x" * padding_bytes,
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: soaked\nVersion: {version}\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{folder}/RECORD"
    files[record] = "".join(f"{name},,\n" for name in (*files, record))
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            # A fixed time, so that both sides upload the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text)
    return content.getvalue()
