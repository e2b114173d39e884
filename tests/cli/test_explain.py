"""`sidecar explain`: why a request is admitted or refused, from the policy and its store."""

import json
import sqlite3
from pathlib import Path

import pytest

from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE
from sidecar.cli.main import invoke
from tests.cli.acting import POLICY, Said, a_folder, said

ROLES = POLICY + "  - {path: /admin, role: admin}\n"
SPLIT = ROLES.replace(
    "routes: [{path: /**, role: viewer}]", "routes:\n  - {path: /**, role: viewer}"
)
EXPLAIN = ["explain", "policy.yaml"]
RUNNING = ["explain", "--admin", "http://127.0.0.1:1", "--token-file", "token"]


@pytest.fixture
def capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> pytest.CaptureFixture[str]:
    monkeypatch.chdir(tmp_path)
    a_folder(tmp_path, SPLIT)
    return capfd


def explained(capture: pytest.CaptureFixture[str], *words: str) -> Said:
    return said(invoke([*EXPLAIN, *words]), capture)


def document(capture: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    answer = explained(capture, *words, "--json")
    assert answer.code == DONE, answer.err
    found = json.loads("\n".join(answer.out))
    assert isinstance(found, dict)
    return found


def a_key(capture: pytest.CaptureFixture[str], role: str) -> str:
    words = ["keys", "create", "--policy", "policy.yaml", "--tenant", "acme", "--role", role]
    answer = said(invoke(words), capture)
    assert answer.code == DONE, answer.err
    return answer.out[0]


def rows_of(path: str) -> list[str]:
    """Dump every table of the state file."""
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_a_key_of_the_store_is_judged_and_nothing_is_changed(
    capture: pytest.CaptureFixture[str],
) -> None:
    key = a_key(capture, "viewer")
    before = rows_of("state.db")
    found = document(capture, "--path", "/orders", "--as", key)
    assert found["outcome"] == "admitted"
    answer = explained(capture, "--path", "/admin", "--as", key)
    assert answer.code == DONE
    assert "refused: 403 FORBIDDEN by authorize (policy.yaml:11 routes[1].role)" in answer.out
    assert "mend: send a key with role admin or higher (has viewer) [tried: admitted]" in answer.out
    assert key not in "\n".join(answer.out)
    assert rows_of("state.db") == before


def test_a_change_is_judged_by_the_tenants_of_the_store(
    capture: pytest.CaptureFixture[str],
) -> None:
    policy = SPLIT.replace("globex: {}", "globex: {status: suspended}")
    Path("policy.yaml").write_text(policy + "  - {path: '/t/{tenant}', role: viewer}\n")
    key = a_key(capture, "viewer")
    answer = explained(capture, "--path", "/t/nobody", "--as", key)
    assert answer.out[-1] == (
        "mend: send a credential of tenant nobody, or name acme in the request"
        " [tried: not enough, then tenant: unknown tenant]"
    )
    words = ["keys", "create", "--policy", "policy.yaml", "--tenant", "globex", "--role", "viewer"]
    (suspended,) = said(invoke(words), capture).out
    answer = explained(capture, "--path", "/t/globex", "--as", suspended)
    assert answer.out[-1] == (
        "mend: tenants.globex.status: active at policy.yaml:7 tenants.globex.status"
        " [tried: admitted]"
    )


def test_a_terminal_shows_a_method_and_does_not_obey_it(
    capture: pytest.CaptureFixture[str],
) -> None:
    answer = explained(capture, "--method", "\x07GET")
    assert answer.out[0].startswith("\\x07GET / from 127.0.0.1")


def test_a_store_that_is_not_there_is_not_made(capture: pytest.CaptureFixture[str]) -> None:
    found = document(capture, "--as", "sk_live_0123456789ABCDEFGHJKMNPQRS")
    assert found["outcome"] == "unknown"
    assert "there is no state file yet" in str(found["unknown"])
    assert not Path("state.db").exists()


def test_nothing_is_asked_offline(capture: pytest.CaptureFixture[str]) -> None:
    key = a_key(capture, "viewer")
    assert document(capture, "--as", key, "--offline")["outcome"] == "unknown"


@pytest.mark.parametrize(
    ("expected", "path", "code"),
    [
        ("admit", "/orders", DONE),
        ("refuse", "/orders", NO),
        ("admit", "/admin", NO),
        ("refuse", "/admin", DONE),
    ],
)
def test_what_was_expected_decides_the_exit_code(
    capture: pytest.CaptureFixture[str], expected: str, path: str, code: int
) -> None:
    caller = '{"tenant": "acme", "roles": ["viewer"]}'
    answer = explained(capture, "--path", path, "--principal", caller, "--expect", expected)
    assert answer.code == code


def test_a_whole_request_is_taken(capture: pytest.CaptureFixture[str]) -> None:
    Path("body.json").write_text("{}")
    found = document(
        capture,
        "--method", "POST", "--path", "/orders?a=b", "--host", "api.example",
        "--header", "Content-Type: application/json", "--body", "body.json",
        "--from", "192.0.2.7", "--tls", "--at", "2027-03-01T12:00:00Z",
        "--principal", '{"tenant": "acme", "roles": ["viewer"]}',
    )  # fmt: skip
    upstream = found["upstream"]
    assert isinstance(upstream, dict)
    assert upstream["added"]["X-Forwarded-For"] == "192.0.2.7"
    assert upstream["added"]["X-Forwarded-Proto"] == "https"
    steps = found["steps"]
    assert isinstance(steps, list)
    assert steps[0]["key"] == {"path": "listen.trusted_proxies", "file": None, "line": None}


def test_a_store_that_cannot_be_used_is_a_failure(capture: pytest.CaptureFixture[str]) -> None:
    Path("state.db").write_text("no database at all, but long enough to be read as one" * 50)
    answer = explained(capture, "--as", "sk_live_0123456789ABCDEFGHJKMNPQRS")
    assert answer.code == FAILED
    assert "--offline asks no store" in answer.err


def test_a_state_in_memory_is_asked_of_the_running_sidecar(
    capture: pytest.CaptureFixture[str],
) -> None:
    written = Path("policy.yaml").read_text().replace('"sqlite:state.db"', "memory")
    Path("policy.yaml").write_text(written)
    found = document(capture, "--as", "sk_live_0123456789ABCDEFGHJKMNPQRS")
    assert "in the memory of the running sidecar" in str(found["unknown"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--header", "nonsense"], "write 'Name: value'"),
        (["--from", "somewhere"], "no address"),
        (["--at", "soon"], "no point in time"),
        (["--path", "/a\r\nX: y"], "two"),
        (["--as", "k", "--principal", "{}"], "either --as or --principal"),
        (["--principal", "{}"], "says nothing of the caller"),
        (["--jwks", "keys.json"], "--jwks ISSUER=FILE"),
        (["--body", "/dev/zero"], "/dev/zero: it is a device, not a file"),
        (["--body", "large"], "large: it has more than 64 MiB"),
    ],
)
def test_wrong_usage_is_one_line(
    capture: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with Path("large").open("wb") as file:
        file.truncate((64 << 20) + 1)
    answer = explained(capture, *words)
    assert answer.code == USAGE
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_a_caller_with_a_mistake_is_named_with_its_key(
    capture: pytest.CaptureFixture[str],
) -> None:
    answer = explained(capture, "--principal", '{"tenant": "acme", "rolls": ["viewer"]}')
    assert answer.code == NO
    assert "unknown key 'rolls' (hint: did you mean roles?" in answer.err


JWT = """\
version: 1
upstream: http://127.0.0.1:3000
state: memory
authentication:
  jwt:
    - issuer: https://idp.example
      audiences: [orders]
      jwks: https://idp.example/keys.json
      algorithms: [RS256]
      claims: {tenant: tenant_id, roles: roles}
tenants: {acme: {}}
routes: [{path: /**, role: viewer}]
"""


def test_a_token_is_verified_with_a_key_set_from_a_file(
    capture: pytest.CaptureFixture[str],
) -> None:
    import time

    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa

    Path("policy.yaml").write_text(JWT)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    Path("keys.json").write_text(json.dumps({"keys": [{**public, "kid": "k1", "alg": "RS256"}]}))
    now = int(time.time())
    claims = {
        "iss": "https://idp.example", "aud": "orders", "sub": "ada", "iat": now, "exp": now + 300,
        "tenant_id": "acme", "roles": ["viewer"], "jti": "one",
    }  # fmt: skip
    token = jwt.encode(claims, private, algorithm="RS256", headers={"kid": "k1"})
    found = document(capture, "--as", token, "--jwks", "keys.json")
    assert (found["outcome"], found.get("reason")) == ("admitted", None)
    late = document(capture, "--as", token, "--jwks", "keys.json", "--at", "1h")
    assert (late["outcome"], late["step"]) == ("refused", "authenticate")
    assert token not in json.dumps(late)
    assert document(capture, "--as", token)["outcome"] == "unknown"
    Path("keys.json").write_text("{}")
    answer = explained(capture, "--as", token, "--jwks", "https://idp.example=keys.json")
    assert answer.code == USAGE
    assert "no JSON object with keys" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explain"], "Missing argument 'POLICY'"),
        (["explain", "--request", "01a21a84"], "--request needs --admin URL"),
        (["explain", "--request", "01a21a84", "--admin", "http://127.0.0.1:1"], "--token-file"),
        ([*RUNNING, "--request", ""], "no id of a request"),
        ([*RUNNING, "--request", "\udcff1a21a84"], "no id of a request"),
        ([*RUNNING, "--request", "01a21a84", "--path", "/x"], "without --path"),
        ([*RUNNING, "--request", "01a21a84", "--offline"], "without --offline"),
    ],
)
def test_a_running_sidecar_is_named_with_its_token(
    capture: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    answer = said(invoke(words), capture)
    assert answer.code == USAGE
    assert message in answer.err
