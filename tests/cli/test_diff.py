"""`sidecar diff`: what people and programs are told, and how it ends."""

import json
from pathlib import Path

import pytest

from sidecar.cli.main import invoke

OLD = """\
version: 1
upstream: http://127.0.0.1:3000
body: {max: 1MB}
routes:
  - {path: /a, public: true}
  - {path: /b, public: true}
"""
NEW = """\
version: 1
upstream: http://127.0.0.1:3000
body: {max: 2MB}
metrics: {step_sample: 0}
headers: none
routes:
  - {path: /a, public: true}
  - {path: /c, methods: [GET], public: true}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    names = tmp_path / "old.yaml", tmp_path / "new.yaml"
    for name, text in zip(names, (OLD, NEW), strict=True):
        name.write_text(text)
    return str(names[0]), str(names[1])


def test_changes_are_told_by_what_they_do_with_their_lines(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = files
    assert invoke(["diff", old, new]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert titles == ["gains", "changes", "loses", "else", "digest"]
    assert any(f"{new}:3 body.max" in line and "1000000 → 2000000" in line for line in lines)
    assert any(f"{new}:8 routes[1]" in line and "GET,HEAD /c" in line for line in lines)
    assert any(f"{old}:6 routes[1] (old)" in line and "/b" in line for line in lines)


def test_programs_get_the_same_as_json(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = files
    assert invoke(["diff", old, new, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["widens"], told["counts"]["widens"], len(told["digest"])) == (True, 2, 64)
    body = next(one for one in told["changes"] if one["key"] == "body.max")
    assert body["old"] == f"{old}:3 body.max"
    assert body["new"] == f"{new}:3 body.max"


@pytest.mark.parametrize(
    ("names", "status"), [((0, 1), 1), ((0, 0), 0), ((1, 0), 1), ((0, "absent.yaml"), 2)]
)
def test_a_widening_fails_where_it_is_asked_for(
    files: tuple[str, str], names: tuple[int, int | str], status: int
) -> None:
    words = [files[one] if isinstance(one, int) else one for one in names]
    assert invoke(["diff", *words, "--exit-code"]) == status


def test_a_policy_with_mistakes_is_not_compared(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[1]).write_text(NEW + "nothing: 1\n")
    assert invoke(["diff", *files]) == 1
    assert "unknown key" in capsys.readouterr().err


def test_the_same_policy_in_another_spelling_is_the_same(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[1]).write_text(
        "routes: [{path: /b, public: true}, {public: true, path: /a}]\n"
        "body: {max: 1000KB}\nmode: enforce\n"
        "upstream: {url: 'http://127.0.0.1:3000'}\nversion: 1\n"
    )
    assert invoke(["diff", *files, "--exit-code"]) == 0
    assert capsys.readouterr().out.startswith("same:")
