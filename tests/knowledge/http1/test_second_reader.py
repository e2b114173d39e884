"""aiohttp's C parser as the second reader of field lines; without it the sidecar does not start."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.handover import hand_over
from sidecar.knowledge.http1.lines import MalformedLineError, split_line
from sidecar.knowledge.http1.second_reader import SecondReader
from sidecar.policy.load import load_try

_MODULE = "sidecar.knowledge.http1.second_reader"

Ended = subprocess.CompletedProcess[str]


def test_lines_that_both_read_alike_are_confirmed_again_and_again() -> None:
    reader = SecondReader()
    for number in range(3):
        reader.confirm([b"Accept: */*", b"X-N:\t%d " % number, b"Cookie: a=b; c=\xff", b"X:"])
    reader.confirm([])


@pytest.mark.control("RQ-7")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"Content-Length: x"], id="it refuses one"),
        pytest.param([b"Connection: upgrade", b"Upgrade: websocket"], id="it would switch over"),
    ],
)
def test_lines_that_the_other_reads_otherwise_are_not(lines: list[bytes]) -> None:
    reader = SecondReader()
    with pytest.raises(MalformedLineError):
        reader.confirm(lines)
    reader.confirm([b"Accept: */*"])


@given(st.lists(st.binary(max_size=20).map(b"X: ".__add__), max_size=4))
def test_what_our_grammar_takes_the_other_reads_alike(lines: list[bytes]) -> None:
    try:
        for line in lines:
            split_line(line)
    except MalformedLineError:
        return
    SecondReader().confirm(lines)


# None in this table makes an import fail, as a missing extension does.
_WITHOUT = "import sys; sys.modules['aiohttp._http_parser'] = None;"


def _ended(code: str, *arguments: str, descriptors: Sequence[int] = ()) -> Ended:
    return subprocess.run(  # noqa: S603 -- our own interpreter and words
        [sys.executable, "-c", _WITHOUT + code, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        pass_fds=descriptors,
    )


def test_without_the_c_parser_nothing_is_read() -> None:
    ended = _ended(f"import {_MODULE}")
    assert "InstallationError: aiohttp's C parser is missing" in ended.stderr
    assert ended.returncode == 1


def test_whoever_runs_the_sidecar_without_it_reads_one_line() -> None:
    loaded = load_try("http://127.0.0.1:1", lambda name: Path(name).read_bytes(), {})
    code = "import runpy; runpy.run_module('sidecar.cli.serving', run_name='__main__')"
    policy = hand_over(loaded, is_whole=False)
    try:
        ended = _ended(code, str(policy), "upstream", descriptors=[policy])
    finally:
        os.close(policy)
    assert ended.stderr == (
        "sidecar: aiohttp's C parser is missing; reinstall aiohttp from a wheel\n"
    )
    assert ended.returncode == 3
