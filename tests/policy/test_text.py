"""A policy with its text tells where a key stands, and what it would be with another value."""

import pytest

from sidecar.policy.load import load_text
from sidecar.policy.text import Edit, Text

WRITTEN = b"""version: 1
extends: base.yaml
upstream: http://127.0.0.1:3000
routes:
  - path: /x
    public: true
    methods: [GET]
  - path: /y
    public: true
"""
BASE = b"""version: 1
body: {max: 5MB}
"""


def a_text() -> Text:
    return load_text("policy.yaml", {"policy.yaml": WRITTEN, "base.yaml": BASE}.__getitem__, {})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("routes", 0, "methods"), "policy.yaml:7 routes[0].methods"),
        (("routes", 1, "methods"), "policy.yaml:8 routes[1].methods"),
        (("body", "max"), "base.yaml:2 body.max"),
        (("upstream", "url"), "policy.yaml:3 upstream.url"),
        (("cors", "origins"), "cors.origins"),
        (("listen",), "listen"),
    ],
)
def test_a_key_is_found_where_it_or_the_one_above_it_stands(
    path: tuple[str | int, ...], expected: str
) -> None:
    assert str(a_text().written(path)) == expected


def test_nothing_is_found_for_what_is_built_in() -> None:
    assert a_text().written(()) is None


def test_a_policy_is_decoded_with_another_value() -> None:
    edit = Edit(
        ("routes", 0, "methods"), lambda old: [*old, "POST"] if isinstance(old, list) else 0
    )
    policy = a_text().edited([edit, Edit(("body", "items"), lambda old: old or 7)])
    assert policy is not None
    assert policy.routes[0].methods == ("GET", "POST")
    assert policy.body.items is not None
    assert policy.body.items.max == 7
    assert policy.body.max == 5_000_000


def test_a_value_that_does_not_fit_makes_no_policy() -> None:
    assert a_text().edited([Edit(("body", "max"), lambda _: "much")]) is None


def test_a_value_that_contradicts_another_makes_no_policy() -> None:
    # Each fits by itself: two routes of one path that list the same method.
    path = Edit(("routes", 1, "path"), lambda _: "/x")
    assert a_text().edited([path, Edit(("routes", 1, "methods"), lambda _: ["PUT"])]) is not None
    assert a_text().edited([path, Edit(("routes", 1, "methods"), lambda _: ["GET"])]) is None
