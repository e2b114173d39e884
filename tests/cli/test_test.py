"""`sidecar test`: what fails is named with its line, and what is not reached is counted."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sidecar.cli.exit_codes import DONE, NO, USAGE
from sidecar.cli.main import invoke
from tests.cli.acting import Said, said

POLICY = """\
version: 1
upstream: http://127.0.0.1:3000
secrets: {pepper: "file:/secrets/pepper"}
authentication:
  api_keys: {}
  jwt:
    - issuer: https://login.example
      audiences: [orders]
      algorithms: [HS256]
      secret: "file:/secrets/shared"
      claims: {tenant: tenants, roles: roles}
tenants: {acme: {}}
routes:
  - path: /${NAME}
    public: true
  - path: /orders
    role: viewer
"""
TESTS = """\
policy: policy.yaml
at: 2027-01-15T08:00:00Z
variables: {NAME: open}
files:
  /secrets/pepper: 0123456789abcdef0123456789abcdef
  /secrets/../secrets/shared: SHARED
tests:
  - name: everybody may look
    request: {path: /open}
    expect: {outcome: admit}
  - name: a stranger may not "order"
    request: {path: /orders}
    expect: {status: 401}
  - name: a token is enough
    request: {path: /orders}
    as: {jwt: TOKEN}
    expect: {outcome: admit}
"""


@pytest.fixture
def capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> pytest.CaptureFixture[str]:
    from tests.e2e.callers import SHARED_ISSUER, a_token
    from tests.knowledge.auth.minting import SECRET

    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(POLICY)
    times = {"iat": 1_800_000_000, "exp": 1_800_000_300}
    token = a_token(SHARED_ISSUER, roles=["viewer"], **times).decode()
    written = TESTS.replace("SHARED", json.dumps(SECRET.decode("latin-1")))
    Path("good.yaml").write_text(written.replace("TOKEN", token))
    return capfd


def ran(capture: pytest.CaptureFixture[str], *words: str) -> Said:
    return said(invoke(["test", *words]), capture)


def test_tests_that_pass_say_what_they_reach(capture: pytest.CaptureFixture[str]) -> None:
    answer = ran(capture, "good.yaml")
    assert answer.err == ""
    assert answer.out[0] == "good.yaml: reached 3 of 8 points of the policy, 37 %"
    assert answer.out[1].startswith("3 passed, 0 failed in ")
    assert answer.code == DONE


def test_a_test_that_fails_is_named_with_its_line(capture: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(Path("good.yaml").read_text().replace("status: 401", "status: 200"))
    answer = ran(capture, "good.yaml", "bad.yaml", "--junit", "report.xml")
    assert answer.code == NO
    assert answer.out[1:4] == [
        'FAILED bad.yaml:11 a stranger may not "order"',
        "  status: expected 200, got 401",
        "  authenticate: no credential (policy.yaml:4 authentication)",
    ]
    report = ET.fromstring(Path("report.xml").read_text())  # noqa: S314 -- our own
    cases = report.findall("testsuite/testcase")
    assert len(cases) == 6
    failures = report.findall("testsuite/testcase/failure")
    assert [one.get("message") for one in failures] == [
        "status: expected 200, got 401; authenticate: no credential (policy.yaml:4 authentication)"
    ]


def test_too_little_reach_fails_and_names_what_is_missed(
    capture: pytest.CaptureFixture[str],
) -> None:
    answer = ran(capture, "good.yaml", "--fail-under", "90")
    assert answer.code == NO
    assert "  less than --fail-under 90" in answer.out
    assert "  missed: /orders refuses by role (policy.yaml:17 routes[1].role)" in answer.out
    assert "  missed: role owner calls (roles)" in ran(capture, "good.yaml", "--missed").out


def test_tests_are_chosen_by_their_names(capture: pytest.CaptureFixture[str]) -> None:
    answer = ran(capture, "good.yaml", "-k", "stranger")
    assert answer.out[-1].startswith("1 passed, 0 failed")


def test_a_choice_that_no_test_meets_is_no_success(capture: pytest.CaptureFixture[str]) -> None:
    answer = ran(capture, "good.yaml", "-k", "strnager")
    assert (answer.code, answer.out) == (NO, [])
    assert answer.err.strip() == "sidecar: no test has 'strnager' in its name"


def test_names_with_control_characters_break_no_report_and_no_terminal(
    capture: pytest.CaptureFixture[str],
) -> None:
    written = Path("good.yaml").read_text().replace("status: 401", "status: 200")
    Path("bad.yaml").write_text(
        written.replace("a stranger may not", r'"a \x1b[31m\0\uFFFE may not"#')
    )
    answer = ran(capture, "bad.yaml", "--junit", "report.xml")
    assert answer.out[0] == r"FAILED bad.yaml:11 a \x1b[31m\x00\ufffe may not"
    report = ET.fromstring(Path("report.xml").read_text())  # noqa: S314 -- our own
    names = [one.get("name") for one in report.findall("testsuite/testcase")]
    assert names[1] == r"a \x1b[31m\x00\ufffe may not"


def test_what_is_not_all_is_never_rounded_to_it(capture: pytest.CaptureFixture[str]) -> None:
    routes = "".join(f"  - {{path: /r{at}, public: true}}\n" for at in range(300))
    Path("policy.yaml").write_text(
        f"version: 1\nupstream: http://127.0.0.1:3000\nroutes:\n{routes}"
    )
    test = "{{name: t, request: {{path: /r{at}}}, expect: {{outcome: admit}}}}"
    tests = ", ".join(test.format(at=at) for at in range(299))
    Path("most.yaml").write_text(f"policy: policy.yaml\ntests: [{tests}]\n")
    answer = ran(capture, "most.yaml", "--fail-under", "100")
    assert answer.code == NO
    assert answer.out[0] == "most.yaml: reached 299 of 300 points of the policy, 99 %"


def test_programs_get_json(capture: pytest.CaptureFixture[str]) -> None:
    answer = ran(capture, "good.yaml", "--json")
    found = json.loads("\n".join(answer.out))
    assert found["ok"] is True
    [file] = found["files"]
    assert file["tests"][1] == {
        "name": 'a stranger may not "order"',
        "line": 11,
        "ok": True,
        "wrong": [],
        "cause": "authenticate: no credential (policy.yaml:4 authentication)",
    }
    assert file["reach"]["percent"] == 37.5


@pytest.mark.parametrize(
    ("old", "new", "message", "code"),
    [
        ("policy: policy.yaml", "policy: gone.yaml", "gone.yaml", NO),
        ("outcome: admit", "outcom: admit", "good.yaml:10:14: error: tests[0].expect.outcom", NO),
        ("policy: policy.yaml", 'policy: "a\\0b"', "cannot be read", NO),
        ("policy: policy.yaml", "policy: /dev/zero", "it is a device, not a file", NO),
        ("/secrets/pepper", "/secrets/other", "cannot be read as a file", NO),
        (
            "variables:",
            "tenants: {acme: {status: suspended}}\nvariables:",
            "good.yaml:3:17: error: tenants.acme: stands in the policy, which comes first",
            NO,
        ),
        (
            "expect: {status: 401}",
            "as: {tenant: acme, roles: [viewr]}\n    expect: {status: 401}",
            "tests[1].as.roles[0]: no key has the role viewr",
            NO,
        ),
    ],
)
def test_a_mistake_is_said_as_in_a_policy(
    capture: pytest.CaptureFixture[str], old: str, new: str, message: str, code: int
) -> None:
    Path("good.yaml").write_text(Path("good.yaml").read_text().replace(old, new))
    answer = ran(capture, "good.yaml")
    assert answer.code == code
    assert message in answer.err


def test_a_file_that_is_broken_is_an_error_in_every_report(
    capture: pytest.CaptureFixture[str],
) -> None:
    broken = Path("good.yaml").read_text().replace("outcome: admit", "outcom: admit")
    Path("broken.yaml").write_text(broken.replace("status: 401", "states\\0: 401"))
    Path("lost.yaml").write_text(Path("good.yaml").read_text().replace("policy.yaml", "gone.yaml"))
    files = ("broken.yaml", "good.yaml", "lost.yaml")
    answer = ran(capture, *files, "--junit", "report.xml")
    assert answer.code == NO
    mistakes = answer.err.splitlines()
    assert mistakes[0].startswith("broken.yaml:10:14: error: tests[0].expect.outcom: unknown key")
    assert mistakes[-1].startswith("gone.yaml: error: cannot be read")
    assert answer.out[0].startswith("good.yaml: reached")
    assert answer.out[-1].startswith("3 passed, 0 failed, 2 files broken in ")
    report = ET.fromstring(Path("report.xml").read_text())  # noqa: S314 -- our own
    suites = report.findall("testsuite")
    assert [one.get("name") for one in suites] == list(files)
    assert [one.get("errors") for one in suites] == ["1", "0", "1"]
    assert [len(one.findall("testcase")) for one in suites] == [1, 3, 1]
    errors = report.findall("testsuite/testcase/error")
    assert [one.get("message") for one in errors] == ["\n".join(mistakes[:-1]), mistakes[-1]]
    found = json.loads("\n".join(ran(capture, *files, "--json").out))
    assert found["ok"] is False
    assert [bool(one["problems"]) for one in found["files"]] == [True, False, True]
    assert found["files"][0]["problems"][0]["path"] == "tests[0].expect.outcom"
    assert (found["files"][0]["tests"], found["files"][0]["reach"]) == ([], None)


def test_a_choice_among_files_of_which_one_is_broken_fails_by_that_one(
    capture: pytest.CaptureFixture[str],
) -> None:
    Path("broken.yaml").write_text("policy: policy.yaml\n")
    answer = ran(capture, "good.yaml", "broken.yaml", "-k", "stranger", "--junit", "report.xml")
    assert (answer.code, Path("report.xml").exists()) == (NO, True)
    answer = ran(capture, "good.yaml", "broken.yaml", "-k", "strnager")
    assert answer.code == NO
    assert "broken.yaml:1:1: error" in answer.err


def test_a_file_that_is_not_there_is_wrong_usage(capture: pytest.CaptureFixture[str]) -> None:
    assert ran(capture, "nowhere.yaml").code == USAGE


def test_the_schema_of_tests_is_printed(capture: pytest.CaptureFixture[str]) -> None:
    answer = said(invoke(["schema", "--tests"]), capture)
    assert json.loads("\n".join(answer.out))["title"] == "Sidecar policy tests"


HOUSE = Path(__file__).parents[2]
SHIPPED = sorted(path.name for path in (HOUSE / "config" / "profiles").glob("*.test.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_tests_of_a_profile_pass_and_reach_it(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = str(HOUSE / "config" / "profiles" / name)
    answer = ran(capfd, file, "--fail-under", "95", "--missed")
    assert (answer.code, answer.err) == (DONE, ""), answer.out
