"""The section `audit`: the key that signs the trail."""

import pytest

from tests.policy.reading import GOOD, loaded, problems_of
from tests.policy.test_assertion import FILES, PEM, SEED


def test_a_trail_is_signed_by_a_key_from_a_file_or_a_variable() -> None:
    for source in ("file:a.pem", "env:KEY"):
        line = f"audit: {{signing_key: '{source}', checkpoint: 5m}}\n"
        audit = loaded(GOOD + line, FILES, {"KEY": PEM.decode()}).policy.audit
        assert audit.signing_key is not None
        assert (audit.signing_key.reveal(), audit.checkpoint) == (SEED, 300.0)


def test_a_trail_is_signed_by_nobody_unless_a_key_is_named() -> None:
    assert loaded(GOOD).policy.audit.signing_key is None


@pytest.mark.parametrize(
    ("line", "path", "hint"),
    [
        ("{signing_key: 'file:c.pem'}", "audit.signing_key", "folder of the policy"),
        ("{signing_key: 'env:NONE'}", "audit.signing_key", "file:PATH or env:NAME"),
        ("{signing_key: 'no key'}", "audit.signing_key", "openssl genpkey -algorithm ed25519"),
        ("{checkpoint: 0s}", "audit.checkpoint", "above 0"),
        ("{checkpoint: 60}", "audit.checkpoint", "a unit"),
    ],
)
def test_a_mistake_is_shown_with_its_mend(line: str, path: str, hint: str) -> None:
    (problem,) = problems_of(f"{GOOD}audit: {line}\n", FILES)
    assert (problem.path, problem.warning) == (path, False)
    assert hint in problem.message + problem.hint


def test_a_key_in_the_policy_is_a_warning() -> None:
    text = GOOD + "audit: {signing_key: '${KEY}'}\n"
    (problem,) = problems_of(text, environ={"KEY": PEM.decode()})
    assert (problem.path, problem.warning) == ("audit.signing_key", True)
    assert "PRIVATE" not in str(problem)
