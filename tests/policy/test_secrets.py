"""Secrets: where they come from, and that no message shows one."""

import pytest

from tests.policy.reading import GOOD, loaded, problems_of

HIDDEN = "hunter2-hunter2-hunter2"
TOKEN = GOOD + "admin: {tokens: [{name: a, token: WRITTEN, role: read}]}\n"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("'file:token'", id="a file beside the policy"),
        pytest.param("'file:/secrets/token'", id="an absolute file"),
        pytest.param("'file:${FOLDER}/token'", id="a file in a folder from the environment"),
        pytest.param("'env:TOKEN'", id="a variable"),
        pytest.param("'${TOKEN}'", id="a variable, filled in"),
        pytest.param(HIDDEN, id="the policy itself"),
    ],
)
def test_a_secret_comes_from_a_file_a_variable_or_the_policy(written: str) -> None:
    files = {"token": f"{HIDDEN}\n".encode(), "/secrets/token": f"{HIDDEN}\r\n".encode()}
    environ = {"TOKEN": HIDDEN, "FOLDER": "/secrets"}
    policy = loaded(TOKEN.replace("WRITTEN", written), files, environ).policy
    assert policy.admin.tokens[0].token.reveal() == HIDDEN.encode()
    assert HIDDEN not in repr(policy)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("admin: {tokens: [{name: a, token: '%s !', role: read}]}", id="a token"),
        pytest.param("admin: {tokens: [{name: a, token: '%s', role: reed}]}", id="beside a token"),
        pytest.param("admin: {tokens: ['%s']}", id="a token without a mapping"),
        pytest.param(
            "admin: {tokens: [{name: a, token: {value: '%s'}, role: read}]}", id="below a token"
        ),
        pytest.param("admin: {tokens: '%s'}", id="instead of tokens"),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown(line: str) -> None:
    problems = problems_of(GOOD + line % HIDDEN + "\n")
    assert problems
    assert HIDDEN not in "\n".join(map(str, problems))


@pytest.mark.parametrize(
    "line",
    [
        "mode: '${V}'",
        "workers: ${V}",
        "extends: ${V}",
        "cors: ${V}",
        "body: {max: '${V}', content_types: ['${V}']}",
        "listen: {proxy: '${V}', drain: '${V}', trusted_proxies: ['${V}']}",
        "listen: {proxy: '${V}:x', admin: 'x@${V}:80', health: '[${V}]:1'}",
        "listen: {tls: {certificate: '${V}', key: '${V}', min_version: '${V}'}}",
        "headers: {preset: '${V}', hsts: '${V}', remove: ['${V} x'], set: {X-A: ' ${V}'}}",
        "headers: {set: {'${V}': a}}",
        "errors: {NOT_FOUND: {html: '${V}'}}",
        "errors: {'${V}': {html: '${V}'}}",
        "audit: {sinks: ['${V}'], requests: '${V}'}",
        "admin: {tokens: [{name: '${V} x', token: 'file:${V}', role: '${V}'}]}",
        "admin: {tokens: [{name: a, token: 'env:${V}', role: read}]}",
    ],
)
def test_what_a_variable_holds_is_never_shown(line: str) -> None:
    problems = problems_of(GOOD + line + "\n", environ={"V": HIDDEN})
    assert problems
    assert "hunter2" not in "\n".join(map(str, problems))


@pytest.mark.parametrize(
    "route",
    [
        "{path: '${V}', public: true}",
        "{path: '/a/${V}//b', public: true}",
        "{path: '/{${V}}', public: true}",
        "{path: /, host: '${V}..', public: true}",
        "{path: /, methods: ['${V}'], public: '${V}'}",
        "{path: /a, public: true, strip_prefix: '/${V}'}",
        "{path: /a, public: true, upstream: 'http://u:${V}@x'}",
        "{path: /a, public: true, upstream: 'http://x/${V}'}",
        "{path: /a, public: true, upstream: {url: 'unix:///${V}', tls: {}}}",
        "{path: '/${V}'}, {path: '/${V}', public: true}",
        "{path: '/a/${V}', public: true}, {path: /A, public: true}, {path: '/A/${V}'}",
    ],
)
def test_what_a_variable_holds_in_a_route_is_never_shown(route: str) -> None:
    text = f"version: 1\nupstream: http://x\nroutes: [{route}]\n"
    problems = problems_of(text, environ={"V": HIDDEN})
    assert problems
    assert "hunter2" not in "\n".join(map(str, problems))


def test_an_upstream_with_a_password_in_the_policy_is_not_shown() -> None:
    text = f"version: 1\nupstream: http://u:{HIDDEN}@x\nroutes: [{{path: /, public: true}}]\n"
    (problem,) = problems_of(text)
    assert HIDDEN not in str(problem)


def test_yaml_mistakes_do_not_show_the_line() -> None:
    (problem,) = problems_of(GOOD + f"admin: {{tokens: [{HIDDEN}: {{]\n")
    assert HIDDEN not in problem.message + problem.hint
