"""A policy on its way from the process that decoded it to one that serves it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.adapters.handover import Handover, hand_over
from sidecar.knowledge.rules import RULES
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.declaring import be_plain
from tests.adapters.plain_reader import told
from tests.policy.reading import GOOD
from tests.policy.reading import loaded as loaded_of

EVERY_SECTION = """
version: 1
listen: {proxy: 127.0.0.1:0, admin: 127.0.0.1:0}
admin: {tokens: [{name: ops, token: 0123456789abcdef0123456789abcdef, role: admin}]}
upstream: {url: "https://127.0.0.1:1", tls: {server_name: app.internal}, keepalive: {idle: 5s}}
state: memory
secrets: {pepper: 0123456789abcdef0123456789abcdef}
authentication: {api_keys: {}, failure: {floor: 5ms}}
tenants: {acme: {domains: [acme.example], projects: {p1: {domains: [acme.example]}}}}
permissions: {orders: {read: viewer, write: [owner, admin]}}
headers: {preset: web, set: {X-One: "1"}, remove: [Server]}
errors: {FORBIDDEN: {json: body.json}}
audit: {sinks: [stdout, {file: audit.jsonl}]}
routes:
  - {path: "/orders/{order}", permission: orders.read, headers: {set: {X-Two: "2"}}}
  - {path: /big, public: true, body: {max: 2MB}, timeouts: {response: 3s}}
"""


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    opened: list[int] = []
    yield opened
    for descriptor in opened:
        os.close(descriptor)


def a_policy() -> Loaded:
    return loaded_of(GOOD)


def read_by_another(loaded: Loaded, descriptors: list[int], *, is_whole: bool) -> object:
    """Have another process open a policy and tell what it holds."""
    descriptors.append(policy := hand_over(loaded, is_whole=is_whole))
    ended = subprocess.run(  # noqa: S603 -- our own interpreter and words
        [sys.executable, "-m", "tests.adapters.plain_reader", str(policy)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        pass_fds=[policy],
    )
    assert ended.returncode == 0, ended.stderr
    found: object = json.loads(ended.stdout)
    return found


def test_a_policy_can_be_read_again_and_again(descriptors: list[int]) -> None:
    loaded = a_policy()
    descriptors.append(policy := hand_over(loaded, is_whole=True))
    for _ in range(2):
        assert Handover.of(policy).open() == loaded


def test_a_policy_comes_over_without_files_in_memory(
    descriptors: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.memfd_create")
    descriptors.append(policy := hand_over(a_policy(), is_whole=True))
    assert Handover.of(policy).open() == a_policy()
    assert not os.fstat(policy).st_nlink


@pytest.mark.parametrize("content", [b"", b"x", b"version: 1"])
def test_what_is_no_policy_is_not_opened(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with file.open("rb") as opened, pytest.raises(ValueError, match="no policy was handed over"):
        Handover.of(opened.fileno())


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_process_that_serves_finds_what_was_decoded(
    tmp_path: Path, descriptors: list[int], *, is_whole: bool
) -> None:
    (tmp_path / "body.json").write_text("{}")
    file = tmp_path / "policy.yaml"
    file.write_text(EVERY_SECTION)
    loaded = load(str(file), lambda name: Path(name).read_bytes(), {}, RULES)
    found = read_by_another(loaded, descriptors, is_whole=is_whole)
    assert found == {"pydantic": is_whole, "told": json.loads(json.dumps(told(loaded)))}


def test_sections_that_are_declared_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="declared already"):
        be_plain()


@pytest.mark.parametrize("arguments", [[], ["9"], ["x", "policy"], ["250", "policy"]])
def test_who_starts_it_by_hand_reads_what_to_start_instead(arguments: list[str]) -> None:
    ended = subprocess.run(  # noqa: S603 -- our own interpreter and words
        [sys.executable, "-m", "sidecar.cli.serving", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == "sidecar: this starts from `sidecar run`, with the policy that it read\n"
