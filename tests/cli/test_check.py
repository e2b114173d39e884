"""`sidecar check`, `sidecar schema` and what all commands do with a user's mistake."""

import json
import os
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.cli.exit_codes import DONE, NO, USAGE
from sidecar.cli.main import invoke
from tests.policy.test_assertion import PEM

GOOD = """\
version: 1
upstream: http://127.0.0.1:3000
routes:
  - {path: /**, public: true, methods: [GET, POST]}
  - {path: /a, public: true, addresses: {allow: [10.0.0.0/8], deny: [10.1.0.0/16]}}
  - {path: /b, public: true, mode: shadow}
  - {host: api.example.com, path: "/{x}", public: true}
"""
WARNED = GOOD + "listen: {admin: '0.0.0.0:9901'}\n"
BAD = GOOD + "workers: none\nmode: observe\n"


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("policy.yaml")


def test_a_good_policy_is_ok_and_its_routes_are_listed_by_specificity(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(GOOD)
    assert invoke(["check", "policy.yaml"]) == DONE
    captured = capsys.readouterr()
    assert captured.err == ""
    assert (
        captured.out
        == """\
policy.yaml: ok
audit trail: chained, not signed (audit.signing_key signs it)
routes, the most specific first:
  api.example.com  /{x}  any method  public
  any host         /a    any method  public from 10.0.0.0/8 not from 10.1.0.0/16
  any host         /b    any method  public (shadow)
  any host         /**   GET,POST    public
"""
    )


def test_a_bad_policy_gives_every_problem_as_one_line(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(BAD)
    assert invoke(["check", "policy.yaml"]) == NO
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = captured.err.splitlines()
    assert first.startswith("policy.yaml:8:10: error: workers: a whole number is expected")
    assert second.startswith("policy.yaml:9:7: error: mode: 'observe' is not among")


def test_a_warning_fails_only_a_strict_check(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(WARNED)
    assert invoke(["check", "policy.yaml"]) == DONE
    assert invoke(["check", "--strict", "policy.yaml"]) == NO
    captured = capsys.readouterr()
    assert captured.err.count("policy.yaml:8:17: warning: listen.admin:") == 2
    assert captured.out.count("policy.yaml: ok") == 1


def test_json_holds_what_text_says(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy.write_text(WARNED)
    Path("bad.yaml").write_text(BAD)
    assert invoke(["check", "--json", "policy.yaml", "bad.yaml"]) == NO
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    good, bad = report["policies"]
    assert (good["file"], good["ok"], len(good["sha256"])) == ("policy.yaml", True, 64)
    assert [route["path"] for route in good["routes"]] == ["/{x}", "/a", "/b", "/**"]
    assert [problem["severity"] for problem in good["problems"]] == ["warning"]
    assert (bad["ok"], bad["sha256"], bad["routes"]) == (False, None, [])
    assert (good["audit_signed"], bad["audit_signed"]) == (False, False)
    assert [(p["line"], p["column"], p["path"]) for p in bad["problems"]] == [
        (8, 10, "workers"),
        (9, 7, "mode"),
    ]


def test_a_trail_that_is_signed_is_said_to_be(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("audit.pem").write_bytes(PEM)
    policy.write_text(GOOD + "audit: {signing_key: 'file:audit.pem', checkpoint: 5m}\n")
    assert invoke(["check", "--strict", "policy.yaml"]) == DONE
    assert "audit trail: chained, and signed every 5m\n" in capsys.readouterr().out
    assert invoke(["check", "--json", "policy.yaml"]) == DONE
    assert json.loads(capsys.readouterr().out)["policies"][0]["audit_signed"] is True


def test_secrets_and_files_come_from_beside_the_policy(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = policy.absolute().parent / "deep"
    folder.mkdir()
    (folder / "token").write_text("0123456789abcdef\n")
    monkeypatch.setenv("ROLE", "read")
    text = GOOD + "admin: {tokens: [{name: a, token: 'file:token', role: '${ROLE}'}]}\n"
    (folder / "policy.yaml").write_text(text)
    assert invoke(["check", "--strict", "deep/policy.yaml"]) == DONE


NO_FILE = [
    pytest.param("/dev/zero", "it is a device, not a file", id="a device without end"),
    pytest.param("large.bin", "it has more than 16 MiB", id="more than memory holds"),
]


@pytest.mark.parametrize(("name", "message"), NO_FILE)
@pytest.mark.parametrize("command", ["check", "run", "diff", "explain", "test", "keys list"])
def test_what_is_no_policy_but_without_end_is_one_line(
    policy: Path, command: str, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(GOOD)
    a_large_file()
    words = {"diff": [str(policy), name], "keys list": ["--policy", name]}.get(command, [name])
    assert invoke([*command.split(), *words]) == NO
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: error: cannot be read: {message} (hint: name a ")


@pytest.mark.parametrize(
    ("name", "message"),
    [*NO_FILE, pytest.param("pipe.bin", "it is a pipe, not a file", id="a pipe")],
)
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param('secrets: {pepper: "file:FILE"}\n', id="secret"),
        pytest.param("errors: {FORBIDDEN: {html: FILE}}\n", id="error page"),
        pytest.param("openapi: {file: FILE}\n", id="document"),
        pytest.param("listen: {tls: {certificate: FILE, key: FILE}}\n", id="certificate"),
        pytest.param("extends: FILE\n", id="policy that it extends"),
        pytest.param(
            "authentication: {jwt: [{issuer: https://idp.example, audiences: [a],"
            " algorithms: [RS256], jwks: 'file:FILE'}]}\n",
            id="key set",
        ),
    ],
)
def test_what_a_policy_names_is_a_file_of_bounded_size(
    policy: Path, lines: str, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    a_large_file()
    os.mkfifo("pipe.bin")
    policy.write_text(GOOD + lines.replace("FILE", name))
    assert invoke(["check", str(policy)]) == NO
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"policy.yaml:{GOOD.count(chr(10)) + 1}:")
    assert "cannot be read" in first
    assert message in first


def a_large_file() -> None:
    with Path("large.bin").open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["check"], id="no policy"),
        pytest.param(["check", "none.yaml"], id="a policy that is not there"),
        pytest.param(["check", "."], id="a folder"),
        pytest.param(["check", "--strictly", "none.yaml"], id="an unknown option"),
        pytest.param(["inspect"], id="an unknown command"),
        pytest.param(["schema", "--output", "none/schema.json"], id="a folder that is not there"),
    ],
)
def test_wrong_usage_is_one_line_and_code_two(
    policy: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not policy.exists()
    assert invoke(arguments) == USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("sidecar: ")


def test_nothing_at_all_shows_the_help_as_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([]) == USAGE
    captured = capsys.readouterr()
    for command in ("run", "check", "schema", "demo"):
        assert f"\n  {command} " in captured.err


def test_help_and_version_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert [invoke([word]) for word in ("--help", "-h", "--version")] == [DONE] * 3
    assert invoke(["check", "--help"]) == DONE
    captured = capsys.readouterr()
    assert f"sidecar {__version__}\n" in captured.out
    assert "Example: sidecar check policy.yaml" in captured.out


def test_the_schema_is_printed_or_written(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["schema"]) == DONE
    printed = capsys.readouterr().out
    assert json.loads(printed)["$id"] == "urn:tenant-sidecar:policy:1"
    output = policy.with_name("schema.json")
    assert invoke(["schema", "--output", str(output)]) == DONE
    assert capsys.readouterr().out == ""
    assert output.read_text(encoding="utf-8") == printed
