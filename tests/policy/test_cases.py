"""A file of tests is read as strictly as a policy: every mistake at once, with its line."""

import json

import jsonschema_rs
import pytest

from sidecar.model.errors import PolicyError
from sidecar.model.identity import Method
from sidecar.policy.cases.fitting import misfits_of
from sidecar.policy.cases.load import json_schema, load_cases, read_caller
from tests.builders import a_policy

WHOLE = """policy: ./policy.yaml
at: 2026-03-01T12:00:00Z
variables: {NAME: value}
files: {pepper: text}
tenants: {acme: {tier: pro}}
tests:
  - name: a test
    request: {method: POST, path: /x, host: a.example, headers: {A: b}, json: {a: 1}}
    as: {tenant: acme, roles: [viewer], scopes: [a:read], kind: secret}
    at: 2026-03-01T12:00:00+01:00
    repeat: 3
    every: 1s
    before: {outcome: admit}
    expect: {outcome: refuse, status: 429, code: RATE_LIMITED, step: limits, reason: used up}
matrix:
  name: who may
  callers: {nobody: {}, viewer: {tenant: acme}}
  requests: [GET /x, POST /x]
  expect: {nobody: [401, FORBIDDEN], viewer: [admit, refuse]}
"""
POLICY = a_policy(
    {"path": "/x", "public": False, "role": "viewer"}, authentication={"api_keys": {}}
)


def problems_of(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_cases("t.yaml", {"t.yaml": text.encode()}.__getitem__)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_file_is_read() -> None:
    read = load_cases("dir/t.yaml", {"dir/t.yaml": WHOLE.encode()}.__getitem__)
    [case] = read.cases.tests
    assert (case.repeat, case.every, case.at) == (3, 1.0, 1_772_362_800.0)
    assert read.cases.at == 1_772_366_400.0
    assert read.policy == "dir/policy.yaml"
    assert read.place(("tests", 0)).line == 7
    [matrix] = read.cases.matrix
    assert matrix.expect["viewer"] == ("admit", "refuse")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: a test", "naming: a test", "unknown key 'naming'"),
        ("repeat: 3", "repeat: 0", "tests[0].repeat"),
        ("repeat: 3", "repeat: 9999999", "at most 100000"),
        ("at: 2026-03-01T12:00:00Z", "at: soon", "is no point in time"),
        ("at: 2026-03-01T12:00:00Z", "at: 2026-03-01T12:00:00", "has no time zone"),
        ("at: 2026-03-01T12:00:00Z", "at: [1]", "text is expected"),
        ("status: 429", "status: 4290", "is no status"),
        ("[401, FORBIDDEN]", "[4010, FORBIDDEN]", "is nothing to expect"),
        ("[401, FORBIDDEN]", "[nonsense, FORBIDDEN]", "is nothing to expect"),
        ("[401, FORBIDDEN]", "[401]", "the row nobody has 1 cells for 2 requests"),
        ("nobody: [401", "somebody: [401", "callers have no such name"),
        ("[GET /x, POST /x]", "[GET, POST /x]", "is no request"),
        ("json: {a: 1}", "json: {a: 1}, body: x", "there are two bodies"),
        ("before: {outcome: admit}", "before: {}", "expects nothing"),
        ("{outcome: admit}", "{outcome: null}", "outcome expects nothing"),
        ("{outcome: admit}", '{reason: ""}', "reason expects nothing"),
        ("{outcome: admit}", "{upstream_headers: {}}", "upstream_headers expects nothing"),
        ("{outcome: admit}", "{response_headers: {X A: null}}", "is no name of a field"),
        (
            "{outcome: admit}",
            "{outcome: answer, upstream_headers: {A: null}}",
            "what is not admitted has no upstream_headers",
        ),
        ("repeat: 3\n    every: 1s", "repeat: 1", "before is about a request that is sent several"),
        ("    repeat: 3\n", "", "before is about a request that is sent several"),
        (
            "    repeat: 3\n    every: 1s\n    before: {outcome: admit}",
            "    every: 1s",
            "every is about a request that is sent several",
        ),
        ("repeat: 3\n    every: 1s", "repeat: 99\n    every: 3000d", "more than a hundred years"),
        ("at: 2026-03-01T12:00:00Z", "at: 1960-03-01T12:00:00Z", "is not between 1970 and 2999"),
        ("at: 2026-03-01T12:00:00Z", "at: 0001-01-01T00:00:00+10:00", "is not between 1970"),
        ("at: 2026-03-01T12:00:00Z", "at: 9999-01-01T00:00:00Z", "is not between 1970 and 2999"),
        ("host: a.example", "from: nonsense", "is no address"),
        ("host: a.example", 'from: ""', "is no address"),
        ("host: a.example", 'host: "a\\r\\nX-Evil: b"', "a line break in a part of the request"),
        ("{A: b}", '{A: "b\\nC: d"}', "a line break in a part of the request"),
        ("as: {tenant: acme, roles", "as: {roles", "roles are roles in a tenant"),
        ("as: {tenant: acme,", "as: {tenant: acme, memberships: {b: []},", "in two places"),
        ("as: {tenant: acme,", "as: {key: abc, tenant: acme,", "says by itself who calls"),
        ("as: {tenant: acme,", "as: {jwt: abc, tenant: acme,", "says by itself who calls"),
        ("policy: ./policy.yaml\n", "", "the key 'policy' is missing"),
        ("policy: ./policy.yaml", "policy: [", "not YAML"),
    ],
)
def test_a_mistake_is_said_with_its_line(old: str, new: str, said: str) -> None:
    problems = problems_of(WHOLE.replace(old, new, 1))
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith("t.yaml:") for problem in problems)


FITTING = """policy: ./policy.yaml
tests:
  - name: a test
    request: {path: /x}
    as: {tenant: acme, roles: [viewer]}
    expect: {outcome: refuse}
matrix:
  name: who may
  callers: {nobody: {}, several: {memberships: {acme: [viewer], globex: [admin]}}}
  requests: [GET /x]
  expect: {nobody: [401], several: [admit]}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[viewer]}\n    e", "[viewr]}\n    e", "t.yaml:5:32: error: tests[0].as.roles[0]: no key"),
        ("globex: [admin]", "globex: [boss]", "t.yaml:9:74: error: matrix.callers.several."),
        ("roles: [viewer]}", "roles: [viewer], kind: secrte}", "is no kind of key here (hint: one"),
        (
            "roles: [viewer]}",
            "roles: [viewer], method: jwt}",
            "the policy has no jwt (hint: one of",
        ),
        ("tests:", "files: {x/../policy.yaml: a}\ntests:", "stands in for the policy itself"),
        (
            "tests:",
            "tenants: {acme: {tier: pro}}\ntests:",
            "stands in the policy, which comes first",
        ),
    ],
)
def test_what_the_policy_contradicts_is_a_mistake(old: str, new: str, said: str) -> None:
    policy = a_policy(
        {"path": "/x", "public": False, "role": "viewer"},
        authentication={"api_keys": {}},
        tenants={"acme": {}},
    )

    def misfits(text: str) -> list[str]:
        read = load_cases("t.yaml", {"t.yaml": text.encode()}.__getitem__)
        return [str(problem) for problem in misfits_of(read, policy)]

    assert misfits(FITTING) == []
    assert misfits(FITTING.replace("tests:", "tenants: {other: {tier: pro}}\ntests:", 1)) == []
    [problem] = misfits(FITTING.replace(old, new, 1))
    assert said in problem


def test_an_issuer_may_name_roles_of_its_own_and_its_callers_need_no_method() -> None:
    issuer = {
        "issuer": "https://idp.example",
        "audiences": ["a"],
        "jwks": "https://idp.example/k",
        "algorithms": ["RS256"],
    }
    policy = a_policy(
        {"path": "/x", "public": False, "role": "viewer"}, authentication={"jwt": [issuer]}
    )
    text = FITTING.replace("[viewer]", "[robot]", 1).encode()
    read = load_cases("t.yaml", {"t.yaml": text}.__getitem__)
    assert misfits_of(read, policy) == []
    principal = read.cases.tests[0].caller.principal(policy)
    assert principal is not None
    assert (principal.method, principal.kind, principal.login) == (Method.JWT, None, "jwt")


def test_where_everybody_is_let_in_it_does_not_matter_who_calls() -> None:
    read = load_cases("t.yaml", {"t.yaml": FITTING.encode()}.__getitem__)
    assert misfits_of(read, a_policy()) == []


def test_a_file_without_tests_is_refused() -> None:
    assert "there is no test" in problems_of("policy: a.yaml\n")[0]
    assert "a test file is a mapping" in problems_of("[1]")[0]


def test_several_mistakes_are_said_in_one_run() -> None:
    broken = WHOLE.replace("repeat: 3", "repeat: x").replace("name: a test", "naming: a test")
    assert len(problems_of(broken)) >= 3


def test_a_caller_is_read_from_json() -> None:
    caller = read_caller('{"tenant": "acme", "roles": ["viewer"], "read_only": true}')
    principal = caller.principal(POLICY)
    assert principal is not None
    assert (principal.memberships, principal.kind) == ({"acme": ("viewer",)}, "secret")
    assert principal.is_read_only
    several = read_caller('{"memberships": {"a": ["viewer"], "b": []}, "method": "jwt"}')
    principal = several.principal(POLICY)
    assert principal is not None
    assert (principal.method, principal.kind, principal.login) == (Method.JWT, None, "jwt")
    assert list(principal.memberships) == ["a", "b"]


@pytest.mark.parametrize("text", ["{}", '{"key": "abc"}', '{"jwt": "abc"}'])
def test_nobody_and_a_credential_stand_for_no_principal(text: str) -> None:
    assert read_caller(text).principal(POLICY) is None


def test_a_key_without_api_keys_in_the_policy_has_no_kind() -> None:
    principal = read_caller('{"tenant": "acme"}').principal(a_policy())
    assert principal is not None
    assert principal.kind is None


@pytest.mark.parametrize("text", ["[", "[1]", '{"tenant": "no tenant"}'])
def test_a_caller_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_caller(text)
    assert all(problem.file == "--principal" for problem in caught.value.problems)


def test_the_schema_admits_a_whole_file_and_no_other_key() -> None:
    import yaml

    validator = jsonschema_rs.validator_for(json_schema())
    document = json.loads(json.dumps(yaml.safe_load(WHOLE), default=lambda at: at.isoformat()))
    assert [error.message for error in validator.iter_errors(document)] == []
    assert not validator.is_valid({**document, "nonsense": 1})
