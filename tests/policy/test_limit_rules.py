"""Limits that look odd and are meant: they load without a word."""

import pytest

from tests.policy.reading import problems_of

KEYS = "authentication: {api_keys: {}}\nsecrets: {pepper: 'env:TOKEN'}\n"
VARIABLES = {"TOKEN": "0123456789abcdef0123456789abcdef"}


def a_policy(lines: str, route: str = "public: true") -> str:
    head = "version: 1\nupstream: http://127.0.0.1:3000\n"
    return f"{head}routes: [{{path: /, {route}}}]\n{lines}\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            a_policy(
                "tiers: {anonymous: [{limit: 9/min, by: [address, 'header:X-Device']},"
                " {limit: 60/min, by: address}]}"
            ),
            id="a count that clients choose, beside one that they do not",
        ),
        pytest.param(
            a_policy("", "public: true, limits: {limit: 5/s, by: route}"),
            id="one count for everybody",
        ),
        pytest.param(
            a_policy("", "public: true, cost: 5, limits: {limit: 5/min, by: address}"),
            id="a request that takes all there is",
        ),
        pytest.param(
            a_policy("", "public: true, cost: 90, limits: {limit: 5/s, burst: 90, by: address}"),
            id="a request that takes the whole bucket",
        ),
        pytest.param(
            a_policy(
                "tiers: {anonymous: {limit: 5/min, by: address}}",
                "public: true, cost: 9, replace_limits: true",
            ),
            id="a cost above a tier that the route leaves out",
        ),
        pytest.param(
            a_policy(KEYS + "tiers: {anonymous: {limit: 5/min, by: address}}", "role: viewer"),
            id="callers who are counted as strangers",
        ),
        pytest.param(
            a_policy(
                KEYS + "tiers: {pro: {limit: 5/min, by: subject}}",
                "role: viewer, replace_limits: true",
            ),
            id="a tier that no route charges",
        ),
        pytest.param(
            a_policy(
                KEYS + "limits: {default_tier: pro}\n"
                "tiers: {pro: {limit: 5/min, by: [tenant, subject], custom_max: 9/min}}",
                "role: viewer",
            ),
            id="a rate of a tenant's own",
        ),
        pytest.param(
            a_policy(
                "workers: 4\nstate: redis://r:6379/0\n"
                "limits: {strict: true, address: {limit: 9/s, on_store_failure: local}}"
            ),
            id="processes that count together",
        ),
        pytest.param(a_policy("workers: 4\nlimits: {entries: 9}"), id="processes without limits"),
    ],
)
def test_a_limit_that_is_meant_loads_without_a_word(text: str) -> None:
    assert problems_of(text, environ=VARIABLES) == []
