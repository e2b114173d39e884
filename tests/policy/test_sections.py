"""What sections mean: values, short forms, and a route's own over the policy's."""

import pytest
from pydantic import ValidationError

from sidecar.policy.schema.addresses import Address, UpstreamUrl
from sidecar.policy.schema.policy import Policy
from tests.policy.reading import GOOD, loaded

HEAD = "version: 1\nupstream: http://x\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:8080", Address("0.0.0.0", 8080)),  # noqa: S104 -- the value under test
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:8080", Address("::1", 8080)),
        ("[2001:DB8:0::1]:1", Address("2001:db8::1", 1)),
        ("LocalHost:65535", Address("localhost", 65535)),
    ],
)
def test_a_listener_has_a_host_and_a_port(text: str, address: Address) -> None:
    assert loaded(GOOD + f"listen: {{proxy: '{text}'}}\n").policy.listen.proxy == address


def test_an_address_reads_as_it_is_written() -> None:
    assert [str(Address("::1", 80)), str(Address("a.b", 1))] == ["[::1]:80", "a.b:1"]


@pytest.mark.parametrize(
    ("text", "url", "written", "authority"),
    [
        ("http://127.0.0.1:3000", UpstreamUrl("http", "127.0.0.1", 3000), None, "127.0.0.1:3000"),
        (
            "http://App.internal/",
            UpstreamUrl("http", "app.internal", 80),
            "http://app.internal",
            "app.internal",
        ),
        ("https://x", UpstreamUrl("https", "x", 443), None, "x"),
        ("https://x:80", UpstreamUrl("https", "x", 80), None, "x:80"),
        ("http://[::1]:3000", UpstreamUrl("http", "::1", 3000), None, "[::1]:3000"),
        ("unix:///run/app.sock", UpstreamUrl("unix", "", 0, "/run/app.sock"), None, ""),
    ],
)
def test_an_upstream_is_a_url_without_a_path(
    text: str, url: UpstreamUrl, written: str | None, authority: str
) -> None:
    policy = loaded(f"version: 1\nupstream: '{text}'\nroutes: [{{path: /, public: true}}]\n").policy
    assert policy.upstream.url == url
    assert str(policy.upstream.url) == (written or text)
    assert policy.upstream.url.authority == authority


@pytest.mark.parametrize("host", ["preserve", "upstream", "app.internal", "app.internal:8443"])
def test_the_host_field_may_be_preserved_replaced_or_named(host: str) -> None:
    upstream = f"{{url: http://x, host: '{host}'}}"
    text = f"version: 1\nupstream: {upstream}\nroutes: [{{path: /, public: true}}]\n"
    assert loaded(text).policy.upstream.host == host


def test_an_address_is_the_network_of_itself() -> None:
    text = GOOD + "listen: {trusted_proxies: [10.0.0.1, '2001:db8::/32']}\n"
    networks = loaded(text).policy.listen.trusted_proxies
    assert [str(network) for network in networks] == ["10.0.0.1/32", "2001:db8::/32"]


def test_listeners_on_chosen_ports_and_other_hosts_do_not_collide() -> None:
    text = "listen: {proxy: '127.0.0.1:0', admin: '127.0.0.1:0', health: '127.0.0.2:9901'}\n"
    assert loaded(GOOD + text).warnings == ()
    text = "listen: {proxy: '127.0.0.2:80', admin: '127.0.0.3:80', health: '[::1]:80'}\n"
    assert loaded(GOOD.replace(":3000", ":80") + text).warnings == ()


def test_an_upstream_elsewhere_is_not_the_sidecar() -> None:
    assert loaded(GOOD.replace("127.0.0.1:3000", "app:8080")).warnings == ()


def test_get_includes_head() -> None:
    text = (
        HEAD + "routes: [{path: /, methods: [GET, PUT], public: true}, {path: /a, public: true}]\n"
    )
    first, second = loaded(text).policy.routes
    assert first.admitted_methods == frozenset({"GET", "HEAD", "PUT"})
    assert second.admitted_methods is None


def test_routes_of_one_template_merge_by_method() -> None:
    text = (
        HEAD
        + "routes: [{path: /, public: true, methods: [A]}, {path: /, public: true, methods: [B]}]\n"
    )
    assert loaded(text).warnings == ()


def test_a_route_without_bodies_may_refuse_them() -> None:
    text = HEAD + "routes: [{path: /, public: true, methods: [GET], body: {max: 0B}}]\n"
    assert loaded(text).warnings == ()


def test_addresses_that_leave_somebody_are_no_contradiction() -> None:
    text = (
        HEAD
        + """\
routes:
  - {path: /a, public: true, addresses: {allow: [10.0.0.0/8], deny: [10.1.0.0/16, "::/0"]}}
  - {path: /b, public: true, addresses: {allow: ["::1"], deny: [0.0.0.0/0]}}
  - {path: /c, public: true, addresses: {deny: [0.0.0.0/0]}}
"""
    )
    assert loaded(text).warnings == ()


@pytest.mark.parametrize(
    "paths", [("/a", "/a/**"), ("/a/**", "/a/*/**"), ("/a/*", "/a/*/b", "/a/**")]
)
def test_routes_that_leave_something_to_the_others_are_reachable(paths: tuple[str, ...]) -> None:
    routes = ", ".join(f"{{path: '{path}', public: true}}" for path in paths)
    assert loaded(HEAD + f"routes: [{routes}]\n").warnings == ()


def test_what_a_route_says_is_laid_over_what_the_policy_says() -> None:
    text = (
        HEAD
        + """\
body: {max: 2MB, content_types: [Application/JSON]}
mode: shadow
routes:
  - {path: /a, public: true}
  - path: /b
    public: true
    body: {max: 5MB}
    mode: enforce
    upstream: {url: http://y, timeouts: {idle: 9s}}
    timeouts: {response: 1s}
"""
    )
    policy = loaded(text).policy
    plain, own = policy.routes
    assert (policy.body_of(plain).max, policy.mode_of(plain)) == (2_000_000, "shadow")
    assert policy.upstream_of(plain) is policy.upstream
    assert policy.timeouts_of(plain) is policy.upstream.timeouts
    assert (policy.body_of(own).max, policy.body_of(own).content_types) == (
        5_000_000,
        ("application/json",),
    )
    assert policy.mode_of(own) == "enforce"
    timeouts = policy.timeouts_of(own)
    assert (timeouts.response, timeouts.idle, timeouts.connect) == (1.0, 9.0, 2.0)


def test_headers_of_a_route_take_over_the_fields_that_they_name() -> None:
    text = (
        HEAD
        + """\
headers:
  {preset: web, set: {X-A: all, X-B: all}, default: {X-C: all}, remove: [X-D, X-E]}
routes:
  - {path: /a, public: true}
  - {path: /b, public: true, headers: {default: {x-a: own}, remove: [X-C], append: {X-D: own}}}
  - {path: /c, public: true, headers: none}
"""
    )
    policy = loaded(text).policy
    plain, own, preset = policy.routes
    assert policy.headers_of(plain) is policy.headers
    headers = policy.headers_of(own)
    assert headers.preset == "web"
    assert (headers.set, headers.default) == ({"X-B": "all"}, {"x-a": "own"})
    assert (headers.append, headers.remove) == ({"X-D": "own"}, ("X-E", "X-C"))
    assert policy.headers_of(preset).preset == "none"


@pytest.mark.parametrize(
    "value",
    [
        "max-age=0",
        "max-age=31536000; includeSubDomains; preload",
        'includeSubDomains;  Max-Age="63072000"; PRELOAD',
    ],
)
def test_hsts_may_be_shortened_and_preloaded(value: str) -> None:
    assert loaded(GOOD + f"headers: {{hsts: '{value}'}}\n").policy.headers.hsts == value


def test_a_policy_is_frozen() -> None:
    policy = loaded(GOOD).policy
    with pytest.raises(ValidationError):
        policy.workers = 2  # type: ignore[misc] # the point of the test


def test_a_policy_is_not_validated_without_its_sources() -> None:
    token = {"name": "a", "token": "file:x", "role": "read"}
    with pytest.raises(TypeError):
        Policy.model_validate({"admin": {"tokens": [token]}})


def test_the_name_of_a_token_is_plain_text_that_stores_can_encode() -> None:
    tokens = "admin: {tokens: [{name: ops, token: 'env:T', role: admin}]}\n"
    policy = loaded(GOOD + tokens, environ={"T": "t"}).policy
    assert type(policy.admin.tokens[0].name) is str
