"""The image's recipe holds to what is promised of it, and its script finds a builder or says so."""

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from sidecar import __version__
from sidecar.cli.main import group

HOUSE: Final = Path(__file__).parents[2]
LINES: Final = re.sub(r"\\\n", " ", (HOUSE / "Dockerfile").read_text("utf-8")).splitlines()
BUILD: Final = [line.strip() for line in LINES if not line.startswith("#")]
FINAL: Final = BUILD[max(i for i, line in enumerate(BUILD) if line.startswith("FROM")) :]
# The words it is called with, one a line.
RECORDER: Final = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"
SYSTEM: Final = "sed git dirname"


def given(word: str, lines: list[str]) -> list[str]:
    """List what an instruction is given."""
    return [line.partition(" ")[2].strip() for line in lines if line.startswith(f"{word} ")]


def test_it_does_not_run_as_root() -> None:
    assert given("USER", FINAL) == ["65532:65532"]


@pytest.mark.parametrize("word", ["ENTRYPOINT", "CMD"])
def test_it_needs_no_shell_to_run(word: str) -> None:
    assert all(json.loads(words) for words in given(word, FINAL))


def test_its_health_check_and_its_command_are_commands_of_the_sidecar() -> None:
    (check,) = given("HEALTHCHECK", FINAL)
    program, *words = json.loads(check.partition("CMD ")[2])
    assert given("ENTRYPOINT", FINAL) == [json.dumps([program])]
    assert words == ["health"]
    assert {*words, *json.loads(given("CMD", FINAL)[0])} <= set(group.commands or ()) | set(
        group.list_commands(group.make_context("sidecar", [], resilient_parsing=True))
    )


@pytest.mark.control("RT-2")
def test_all_that_is_installed_has_a_digest_or_was_built_here() -> None:
    runs = " && ".join(given("RUN", BUILD)).split(" && ")
    installs = [run.split() for run in runs if "pip" in run.split() and "install" in run.split()]
    assert len(installs) == 3
    for words in installs:
        assert "--no-deps" in words
        if "--no-index" not in words:
            assert {"--require-hashes", "--only-binary"} <= set(words)
            lock = (HOUSE / words[words.index("-r") + 1]).read_text("utf-8")
            pinned = re.findall(
                r"^[a-z0-9-]+(?:\[[a-z,]+\])?==.*\\\n    --hash=sha256:", lock, re.MULTILINE
            )
            assert len(pinned) == len(re.findall(r"^[a-z]", lock, re.MULTILINE)) > 10


def test_nothing_is_copied_that_the_context_does_not_let_in() -> None:
    ignore = (HOUSE / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    copied = {
        word
        for words in given("COPY", BUILD)
        if not words.startswith("--from")
        for word in words.split()[:-1]
    }
    assert copied == let_in
    assert all((HOUSE / name).exists() for name in copied)


def test_every_extra_is_in_the_image() -> None:
    lock = (HOUSE / "requirements/image.txt").read_text("utf-8")
    for name in ("common-expression-language", "jsonschema-rs", "opentelemetry-sdk"):
        assert f"\n{name}==" in lock


@pytest.mark.control("RT-2")
def test_the_image_is_locked_to_what_is_tested() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (HOUSE / "requirements" / name).read_text("utf-8")
        return dict(re.findall(r"^([a-z0-9-]+)(?:\[\S+\])?==(\S+)", text, re.MULTILINE))

    tested = pins("dev.txt")
    assert {name: tested.get(name) for name in pins("image.txt")} == pins("image.txt")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs with what the script itself needs, and no builder."""
    for name in SYSTEM.split():
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    return tmp_path


def built(programs: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own script
        ["/bin/sh", "ci/image.sh", *words],
        cwd=HOUSE, env={"PATH": str(programs), **variables},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def a_builder(programs: Path, name: str) -> None:
    (programs / name).write_text(RECORDER)
    (programs / name).chmod(0o755)


def test_without_a_builder_it_says_what_to_install(programs: Path) -> None:
    done = built(programs)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("image: no builder on PATH: install buildah, podman or docker")


def test_a_builder_that_is_named_must_be_there(programs: Path) -> None:
    done = built(programs, BUILDER="kaniko")
    assert (done.returncode, done.stderr) == (3, "image: BUILDER=kaniko is not on PATH\n")


@pytest.mark.parametrize("name", ["buildah", "podman", "docker"])
def test_each_builder_is_called_with_tag_and_labels(name: str, programs: Path) -> None:
    a_builder(programs, name)
    words = built(programs, BUILD_ARGS="--pull-never").stdout.splitlines()
    assert words[0] == "build"
    assert ("--format=docker" in words) is (name != "docker")
    assert words[words.index("--tag") + 1] == f"tenant-sidecar:{__version__}"
    assert f"VERSION={__version__}" in words
    assert words[-2:] == ["--pull-never", "."]


def test_the_image_may_have_another_name(programs: Path) -> None:
    a_builder(programs, "docker")
    words = built(programs, "registry.example/sidecar:1").stdout.splitlines()
    assert words[words.index("--tag") + 1] == "registry.example/sidecar:1"
