"""The JSON Schema: what editors accept is what the loader accepts."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from sidecar.policy.schema.export import json_schema

SCHEMA = json.loads(json.dumps(json_schema()))
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)
SMALL = {"version": 1, "upstream": "http://x", "routes": [{"path": "/", "public": True}]}


def test_the_schema_is_one_of_draft_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(SCHEMA)


@pytest.mark.parametrize(
    "name",
    [
        "config/sidecar.yaml",
        "sidecar/fronts/demo/demo.yaml",
        *sorted(map(str, Path("sidecar/policy/profiles").iterdir())),
    ],
)
def test_the_policies_of_the_package_are_valid(name: str) -> None:
    policy = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    assert [error.message for error in VALIDATOR.iter_errors(policy)] == []


@pytest.mark.parametrize(
    "extra",
    [
        {"upstream": {"url": "unix:///run/app.sock", "timeouts": {"idle": "5m"}}},
        {"headers": "web"},
        {"headers": {"preset": "web", "set": {"X-A": "b"}, "hsts": None}},
        {"audit": {"sinks": ["stdout", {"file": "a.jsonl"}], "flush": "0s"}},
        {"errors": {"NOT_FOUND": {"html": "page.html"}}},
        {"workers": "${WORKERS}", "body": {"max": "${MAX}"}},
        {"upstream": "${UPSTREAM}"},
        {"listen": {"tls": None, "health": None, "drain": "${DRAIN}s"}},
    ],
)
def test_what_the_loader_accepts_is_valid(extra: dict[str, object]) -> None:
    assert VALIDATOR.is_valid({**SMALL, **extra})


@pytest.mark.parametrize(
    "extra",
    [
        {"version": 2},
        {"cors": True},
        {"workers": 0},
        {"workers": "two"},
        {"mode": "observe"},
        {"upstream": "localhost:3000"},
        {"upstream": {"host": "preserve"}},
        {"headers": "strict"},
        {"headers": {"sett": {}}},
        {"body": {"max": 1000}},
        {"body": {"max": "1mb"}},
        {"listen": {"drain": "5 s"}},
        {"audit": {"sinks": ["syslog"]}},
        {"audit": {"sinks": []}},
        {"errors": {"NOTFOUND": {"html": "p"}}},
        {"routes": []},
        {"routes": [{"public": True}]},
        {"routes": [{"path": "/", "public": "yes"}]},
        {"routes": [{"path": "/", "rights": "viewer"}]},
    ],
)
def test_what_the_loader_refuses_is_not_valid(extra: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid({**SMALL, **extra})


def test_a_policy_that_extends_another_may_leave_keys_to_it() -> None:
    assert VALIDATOR.is_valid({"extends": "try"})
    assert not VALIDATOR.is_valid({"version": 1})


def test_a_policy_with_a_document_may_leave_its_routes_to_it() -> None:
    adding = {"version": 1, "upstream": "http://x", "openapi": {"file": "a", "routes": "add"}}
    assert VALIDATOR.is_valid(adding)
    for checking in ({"file": "a"}, {"file": "a", "routes": "check"}):
        assert not VALIDATOR.is_valid({**adding, "openapi": checking})


def described(node: object, path: str = "") -> list[str]:
    """List the keys of the schema that say nothing of themselves."""
    if not isinstance(node, dict):
        return []
    properties = node.get("properties", {})
    mute = [f"{path}.{name}" for name, about in properties.items() if not about.get("description")]
    return mute + [m for name, inner in node.items() for m in described(inner, f"{path}/{name}")]


def test_every_key_has_its_manual() -> None:
    assert described(SCHEMA) == []


def test_defaults_are_shown_as_they_would_be_written() -> None:
    definitions = SCHEMA["$defs"]
    assert definitions["ListenTimeouts"]["properties"]["head"]["default"] == "10s"
    assert definitions["Limits"]["properties"]["head"]["default"] == "32KiB"
    assert definitions["Limits"]["properties"]["fields"]["default"] == 100
    assert definitions["Tracing"]["properties"]["sample"]["default"] == 0.1
    assert definitions["Listen"]["properties"]["proxy"]["default"] == "0.0.0.0:8080"
    assert definitions["Route"]["properties"]["public"]["default"] is False
    assert SCHEMA["properties"]["routes"]["examples"] == [[{"path": "/**", "public": True}]]
