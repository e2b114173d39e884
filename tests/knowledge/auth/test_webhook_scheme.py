"""Secrets of webhooks in a policy: those that are none of their scheme are found at load."""

import json

import pytest

from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded

KEY = "a key of sixteen bytes or more"


def loaded(scheme: str, secret: str) -> Loaded:
    webhook = {"scheme": scheme, "secret": "env:HOOK"}
    routes = [{"path": "/", "public": True, "webhook": webhook}, {"path": "/b", "public": True}]
    text = json.dumps({"version": 1, "upstream": "http://127.0.0.1:3000", "routes": routes})
    return load("p.yaml", lambda _: text.encode(), {"HOOK": secret}, RULES)


@pytest.mark.parametrize(
    ("scheme", "secret", "hint"),
    [
        ("github", "short", "16 bytes or more"),
        ("stripe", "short\nshorter", "16 bytes or more"),
        ("standard", KEY, "whsec_ and base64"),
    ],
)
def test_a_secret_that_is_none_of_its_scheme_is_an_error(
    scheme: str, secret: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        loaded(scheme, secret)
    [problem] = caught.value.problems
    assert (problem.path, problem.hint) == ("routes[0].webhook.secret", hint)
    assert secret not in str(problem)


@pytest.mark.parametrize("secret", [KEY, f"short\n{KEY}", f"{KEY}\nanother one, as long as it"])
def test_one_that_is_will_do(secret: str) -> None:
    assert loaded("github", secret).policy.routes[0].webhook is not None
