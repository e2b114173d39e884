"""Security fields of answers: added once, merged with the upstream's, HSTS over TLS alone."""

import pytest

from sidecar.decision.steps.security_headers import SecurityHeaders
from tests.builders import a_policy, an_answer, an_unread_exchange, flat, values_of

HSTS = b"strict-transport-security"


def a_step(headers: object = "none") -> SecurityHeaders:
    return SecurityHeaders(a_policy(headers=headers).headers)


def answered(headers: object, *lines: bytes, is_secure: bool = False) -> list[bytes]:
    """Run the step on an answer with some lines, twice, and list what the client gets."""
    step = a_step(headers)
    first, second = (an_answer(*lines, is_secure=is_secure) for _ in range(2))
    for exchange in (first, second):
        step.apply(exchange)
    assert first.response_lines == second.response_lines
    return flat(first.response_lines)


@pytest.mark.control("RS-3")
@pytest.mark.parametrize("preset", ["api", "web"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"X-Content-Type-Options", b"nosniff"),
        (b"X-Frame-Options", b"DENY"),
        (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
        (b"Cross-Origin-Opener-Policy", b"same-origin"),
        (b"Cross-Origin-Resource-Policy", b"same-origin"),
        (b"X-XSS-Protection", b"0"),
    ],
)
def test_a_preset_protects_every_answer(preset: str, name: bytes, value: bytes) -> None:
    assert values_of(answered(preset), name) == [value]


@pytest.mark.control("RS-3")
@pytest.mark.parametrize("preset", ["api", "web"])
@pytest.mark.parametrize(
    "line",
    [
        b"Server: nginx/1.22.1", b"server:Apache", b"X-Powered-By: PHP/8", b"X-AspNet-Version: 4",
        b"X-AspNetMvc-Version: 5", b"X-Runtime: 0.1", b"X-Generator: Drupal",
    ],
)  # fmt: skip
def test_a_preset_takes_away_what_reveals_the_service(preset: str, line: bytes) -> None:
    assert line not in answered(preset, line)
    assert line in answered("none", line)


@pytest.mark.control("RS-3")
@pytest.mark.parametrize("sent", [b"X-Content-Type-Options: sniff", b"x-content-type-options:"])
def test_what_a_preset_sets_replaces_the_upstream_s(sent: bytes) -> None:
    assert values_of(answered("api", sent), b"x-content-type-options") == [b"nosniff"]


def test_the_presets_differ_in_what_pages_need() -> None:
    (api,) = values_of(answered("api"), b"content-security-policy")
    (web,) = values_of(answered("web"), b"content-security-policy")
    assert api.startswith(b"default-src 'none'")
    assert web.startswith(b"default-src 'self'")
    assert values_of(answered("web"), b"permissions-policy")


def test_what_a_preset_proposes_yields_to_the_upstream_s() -> None:
    lines = answered("api", b"content-security-policy: default-src 'self'", b"X-Other: 1")
    assert values_of(lines, b"content-security-policy") == [b"default-src 'self'"]
    assert values_of(lines, b"x-content-type-options") == [b"nosniff"]
    assert values_of(lines, b"referrer-policy") == [b"strict-origin-when-cross-origin"]


@pytest.mark.parametrize(
    ("headers", "sent", "expected"),
    [
        pytest.param({"set": {"X-A": "ours"}}, [], [b"ours"], id="set adds"),
        pytest.param({"set": {"X-A": "ours"}}, [b"theirs"], [b"ours"], id="set replaces"),
        pytest.param({"set": {"X-A": "ours"}}, [b"1", b"2"], [b"ours"], id="set replaces all"),
        pytest.param({"default": {"X-A": "ours"}}, [], [b"ours"], id="default adds"),
        pytest.param({"default": {"X-A": "ours"}}, [b"theirs"], [b"theirs"], id="default yields"),
        pytest.param({"default": {"X-A": "ours"}}, [b""], [b""], id="default yields to nothing"),
        pytest.param({"append": {"X-A": "ours"}}, [], [b"ours"], id="append adds"),
        pytest.param(
            {"append": {"X-A": "ours"}}, [b"theirs"], [b"theirs", b"ours"], id="append joins"
        ),
        pytest.param({"append": {"X-A": "ours"}}, [b"ours"], [b"ours"], id="append is there"),
        pytest.param({"append": {"X-A": "ours"}}, [b"  ours "], [b"ours"], id="white space"),
        pytest.param({"remove": ["X-A"]}, [b"1", b"2"], [], id="remove"),
        pytest.param({"remove": ["X-A"]}, [], [], id="remove nothing"),
        pytest.param({}, [b"1", b"1"], [b"1", b"1"], id="no rule"),
    ],
)
def test_each_mode_does_what_its_name_says(
    headers: dict[str, object], sent: list[bytes], expected: list[bytes]
) -> None:
    lines = answered({"preset": "none", **headers}, *(b"x-a: " + value for value in sent))
    assert values_of(lines, b"x-a") == expected


@pytest.mark.parametrize(
    ("headers", "name", "sent", "expected"),
    [
        pytest.param(
            {"set": {"X-Frame-Options": "SAMEORIGIN"}}, b"x-frame-options", [], [b"SAMEORIGIN"],
            id="set over a preset's set",
        ),
        pytest.param(
            {"default": {"x-frame-options": "SAMEORIGIN"}}, b"x-frame-options", [b"ALLOWALL"],
            [b"ALLOWALL"], id="default over a preset's set",
        ),
        pytest.param(
            {"append": {"x-frame-options": "SAMEORIGIN"}}, b"x-frame-options", [b"DENY"],
            [b"DENY", b"SAMEORIGIN"], id="append over a preset's set",
        ),
        pytest.param(
            {"remove": ["x-frame-options"]}, b"x-frame-options", [b"DENY"], [],
            id="remove over a preset's set",
        ),
        pytest.param(
            {"set": {"referrer-policy": "no-referrer"}}, b"referrer-policy", [b"unsafe-url"],
            [b"no-referrer"], id="set over a preset's default",
        ),
        pytest.param(
            {"remove": ["Referrer-Policy"]}, b"referrer-policy", [], [],
            id="remove over a preset's default",
        ),
        pytest.param(
            {"set": {"Server": "none of yours"}}, b"server", [b"nginx"], [b"none of yours"],
            id="set over a preset's remove",
        ),
        pytest.param(
            {"default": {"Server": "ours"}}, b"server", [b"nginx"], [b"nginx"],
            id="default over a preset's remove",
        ),
        pytest.param(
            {"default": {"server": "ours"}}, b"server", [b"nginx"], [b"nginx"],
            id="default over a preset's remove, in another case",
        ),
        pytest.param(
            {"append": {"Server": "ours"}}, b"server", [b"nginx"], [b"nginx", b"ours"],
            id="append over a preset's remove",
        ),
    ],
)  # fmt: skip
def test_what_the_policy_names_is_its_own_to_rule(
    headers: dict[str, object], name: bytes, sent: list[bytes], expected: list[bytes]
) -> None:
    lines = answered(headers, *(name + b": " + value for value in sent))
    assert values_of(lines, name) == expected


def test_other_fields_pass_in_order() -> None:
    lines = (b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"ETag: x", b"Set-Cookie: a=1")
    assert answered("api", *lines)[:4] == list(lines)


def test_nothing_asked_for_is_nothing_done() -> None:
    assert answered("none", b"Server: nginx") == [b"Server: nginx"]
    assert answered("none") == []


@pytest.mark.control("RS-1")
@pytest.mark.parametrize("preset", ["api", "web", "none"])
def test_hsts_is_sent_over_tls_alone(preset: str) -> None:
    over_tls = answered(preset, is_secure=True)
    assert values_of(over_tls, HSTS) == [b"max-age=31536000; includeSubDomains"]
    assert values_of(answered(preset), HSTS) == []


@pytest.mark.control("RS-1")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, [b"max-age=31536000; includeSubDomains"], id="ours replaces theirs"),
        pytest.param({"hsts": "max-age=60"}, [b"max-age=60"], id="another value"),
        pytest.param({"hsts": None}, [], id="never"),
        pytest.param({"remove": ["Strict-Transport-Security"]}, [], id="removed"),
        pytest.param({"set": {"Strict-Transport-Security": "max-age=1"}}, [b"max-age=1"], id="set"),
        pytest.param(
            {"default": {"strict-transport-security": "max-age=1"}}, [b"max-age=1"], id="default"
        ),
        pytest.param({"append": {"STRICT-TRANSPORT-SECURITY": "max-age=1"}}, [b"max-age=1"],
                     id="append"),
    ],
)  # fmt: skip
def test_hsts_is_the_policy_s_to_give_and_never_goes_over_clear_text(
    headers: dict[str, object], expected: list[bytes]
) -> None:
    theirs = b"Strict-Transport-Security: max-age=7"
    assert values_of(answered(headers, theirs, is_secure=True), HSTS) == expected
    assert values_of(answered(headers, theirs), HSTS) == []


@pytest.mark.control("RS-1")
@pytest.mark.parametrize("is_tls", [True, False])
def test_the_answer_to_an_unread_head_goes_by_its_connection(*, is_tls: bool) -> None:
    exchange = an_unread_exchange(is_tls=is_tls)
    a_step("api").apply(exchange)
    assert len(values_of(exchange.response_lines, HSTS)) == is_tls
    assert values_of(exchange.response_lines, b"x-frame-options") == [b"DENY"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"set": {"X-Request-Id": "a"}}, {"default": {"x-request-id": "a"}}],
    ids=["not named", "set", "default"],
)
def test_the_request_s_id_is_left_to_the_step_that_shows_it(headers: dict[str, object]) -> None:
    assert values_of(answered(headers, b"X-Request-Id: theirs"), b"x-request-id") == []
