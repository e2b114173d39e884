"""The commented example is the reference: complete, true, and without a warning."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from sidecar.policy.document import parse
from sidecar.policy.nodes import Mapping, Node, Sequence
from sidecar.policy.schema.api_keys import ApiKeys
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.section import Section
from tests.policy.reading import GOOD, loaded
from tests.policy.test_assertion import PEM

NAME = "config/sidecar.yaml"
TEXT = Path(NAME).read_text(encoding="utf-8")
# A key behind `# ` is switched off: prose never begins with `word:`.
SWITCHED_OFF = re.compile(r"^( *)# ( *(?:- )?[A-Za-z_]+:(?: .*)?)$", re.MULTILINE)
# What is switched on replaces the empty value above it.
EMPTY = re.compile(r": (?:\[\]|\{\}|\[stdout\])\n( *#   )")
FILES = {
    **dict.fromkeys(["/tls/tls.crt", "/tls/tls.key", "/tls/upstream-ca.crt"], b"pem"),
    **dict.fromkeys(["/tls/client.crt", "/tls/client.key"], b"pem"),
    "/secrets/admin": b"0123456789abcdef0123456789abcdef\n",
    **dict.fromkeys(["/secrets/assertion.pem", "/secrets/audit.pem"], PEM),
    **dict.fromkeys(["/tls/redis-ca.crt", "/tls/idp-ca.crt", "/tls/collector-ca.crt"], b"pem"),
    **dict.fromkeys(["/tls/alerts-ca.crt", "/tls/logs-ca.crt"], b"pem"),
    "/secrets/pseudonyms": b"7f" * 32,
    "/secrets/alerts": b"whsec_" + b"7f" * 16,
    **dict.fromkeys(["/secrets/redis", "/secrets/introspection"], b"correct horse"),
    **dict.fromkeys(["/secrets/collector", "/secrets/logs"], b"correct horse"),
    "/secrets/hook": b"0123456789abcdef\n",
    **dict.fromkeys(["/secrets/pepper", "/secrets/master", "/secrets/jwt"], b"7f" * 32),
    "api.yaml": b"{openapi: 3.1.0, paths: {/x: {get: {x-sidecar: {public: true}}}}}",
    "pages/not-found.html": b"<h1>{status} {title}</h1>",
    "pages/not-found.json": b'{"code": "{code}"}',
}


def switched_on() -> str:
    text = SWITCHED_OFF.sub(r"\1\2", EMPTY.sub(r":\n\1", TEXT))
    # The service must speak TLS for its section to have a meaning.
    return text.replace("url: http://127.0.0.1:3000", "url: https://127.0.0.1:3000")


def keys_of(section: type[Section]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield field.alias or name
        yield from (key for part in sections_in(field.annotation) for key in keys_of(part))


def sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def keys_in(node: Node) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, entry in node.entries.items():
            yield name
            yield from keys_in(entry.node)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from keys_in(item)


def test_the_example_warns_of_the_pepper_alone_which_it_cannot_bring() -> None:
    (problem,) = loaded(TEXT).warnings
    assert problem.path == "authentication.api_keys"
    assert "pepper" in problem.message


def test_the_example_with_everything_switched_on_loads_without_a_warning() -> None:
    policy = loaded(switched_on(), FILES).policy
    assert policy.listen.tls is not None
    assert policy.listen.health is not None
    assert policy.upstream.tls is not None
    assert policy.admin.tokens
    assert policy.errors
    assert policy.body.content_types


def test_the_example_has_every_key_and_no_other() -> None:
    root = parse(NAME, switched_on().encode(), {}).root
    assert root is not None
    free = {
        "Cache-Control", "NOT_FOUND", "acme", "shop", "region", "order", "read", "cancel", "refund",
        "org", "anonymous", "free", "enterprise", "/org", "/items/*/project", "type",
        "viewer", "developer", "X-Api-Key", "deployment.environment.name",
    }  # fmt: skip
    assert set(keys_in(root)) - free == set(keys_of(Policy))


def test_every_key_of_a_route_is_in_one_route() -> None:
    root = parse(NAME, switched_on().encode(), {}).root
    assert root is not None
    routes = root.entries["routes"].node
    assert isinstance(routes, Sequence)
    largest = max(
        (item for item in routes.items if isinstance(item, Mapping)), key=lambda i: len(i.entries)
    )
    assert set(largest.entries) == set(keys_of_level(Route))


def keys_of_level(section: type[Section]) -> Iterator[str]:
    return (field.alias or name for name, field in section.model_fields.items())


def test_the_example_shows_the_defaults() -> None:
    shown, defaults = loaded(TEXT).policy, loaded(GOOD).policy
    own = defaults.authentication.model_copy(update={"api_keys": ApiKeys()})
    assert shown.authentication == own
    update = {"routes": defaults.routes, "authentication": defaults.authentication}
    assert shown.model_copy(update=update) == defaults
