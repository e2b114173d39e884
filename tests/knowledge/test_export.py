"""Spans need an extra, and a policy that wants them says so when it is loaded."""

from importlib.machinery import ModuleSpec

import pytest

from sidecar.knowledge.export import EXTRA_HINT, spans_without_their_library
from sidecar.policy.document import parse
from sidecar.policy.rules.findings import Judged
from tests.builders import a_policy

SENT = {"otlp": "http://127.0.0.1:4318/v1/traces"}
TEXT = b"version: 1\ntracing:\n  otlp: http://127.0.0.1:4318/v1/traces\n"


def judged(tracing: object) -> Judged:
    root = parse("policy.yaml", TEXT, {}).root
    assert root is not None
    return Judged.of(a_policy(tracing=tracing), root)


def nothing(_: str) -> None:
    return None


def no_parent(name: str) -> ModuleSpec:
    raise ModuleNotFoundError(name)


def only_the_sdk(name: str) -> ModuleSpec | None:
    return ModuleSpec(name, None) if name == "opentelemetry.sdk" else None


@pytest.mark.parametrize("find", [nothing, no_parent, only_the_sdk])
def test_without_the_library_the_policy_is_wrong_and_says_what_to_install(find: object) -> None:
    (problem,) = spans_without_their_library(judged(SENT), find)  # type: ignore[arg-type]  # a row
    assert (problem.line, problem.path) == (3, "tracing.otlp")
    assert problem.hint == EXTRA_HINT
    assert not problem.warning


@pytest.mark.parametrize("tracing", [None, {}])
def test_whoever_sends_none_needs_none(tracing: object) -> None:
    assert list(spans_without_their_library(judged(tracing), nothing)) == []


def test_with_the_library_there_is_nothing_to_say() -> None:
    assert list(spans_without_their_library(judged(SENT))) == []
