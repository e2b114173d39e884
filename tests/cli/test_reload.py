"""`sidecar reload` acts on a running sidecar alone."""

from pathlib import Path

import pytest

from sidecar.cli.main import invoke


def test_a_policy_file_is_no_place_to_reload(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["reload", "--policy", "policy.yaml"]) == 2
    assert "by the sidecar that serves it" in capsys.readouterr().err


def test_a_sidecar_that_is_not_there_cannot_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    place = ["--admin", "http://127.0.0.1:1", "--token-file", str(token)]
    assert invoke(["reload", "--dry-run", *place]) == 3
    assert "cannot be asked" in capsys.readouterr().err


def test_a_look_acknowledges_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--admin", "http://127.0.0.1:1", "--token-file", "absent"]
    assert invoke(["reload", "--dry-run", "--acknowledge", "0" * 64, *place]) == 2
    assert "--dry-run acknowledges nothing" in capsys.readouterr().err
