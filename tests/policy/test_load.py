"""Loading: what a policy extends, its digest, and all problems in one run."""

import hashlib
from pathlib import Path

import pytest

from sidecar.model.errors import PolicyError
from sidecar.policy.load import PROFILES, load, load_try, noting
from tests.policy.reading import GOOD, NAME, loaded, problems_of


def read(name: str) -> bytes:
    return Path(name).read_bytes()


def test_the_smallest_policy_loads() -> None:
    policy = loaded(GOOD).policy
    assert str(policy.upstream.url) == "http://127.0.0.1:3000"
    assert policy.routes[0].public


def test_the_digest_is_that_of_the_file() -> None:
    assert loaded(GOOD).sha256 == hashlib.sha256(GOOD.encode()).hexdigest()


def test_the_digest_covers_what_is_extended() -> None:
    text = GOOD + "extends: other.yaml\n"
    digests = {
        loaded(text, {"other.yaml": base}).sha256 for base in (b"mode: shadow", b"workers: 2")
    }
    assert len(digests) == 2


def test_mappings_merge_and_all_else_replaces() -> None:
    base = b"""\
version: 1
upstream: {url: http://base, timeouts: {connect: 9s, idle: 9s}}
workers: 3
listen: {trusted_proxies: [10.0.0.0/8, 192.168.0.0/16]}
headers: {preset: web, set: {X-A: base, X-B: base}, remove: [X-C, X-D]}
routes: [{path: /base, public: true}]
"""
    own = """\
extends: base.yaml
upstream: {timeouts: {idle: 1s}}
listen: {trusted_proxies: [172.16.0.0/12]}
headers: {set: {X-A: own}, remove: [X-E]}
routes: [{path: /own, public: true}]
"""
    policy = loaded(own, {"base.yaml": base}).policy
    assert str(policy.upstream.url) == "http://base"
    assert (policy.upstream.timeouts.connect, policy.upstream.timeouts.idle) == (9.0, 1.0)
    assert [str(network) for network in policy.listen.trusted_proxies] == ["172.16.0.0/12"]
    assert policy.headers.set == {"X-A": "own", "X-B": "base"}
    assert policy.headers.remove == ("X-E",)
    assert [route.path for route in policy.routes] == ["/own"]
    assert policy.workers == 3


def test_a_single_value_replaces_a_mapping_and_the_other_way_round() -> None:
    base = b"upstream: http://base\nheaders: {preset: web, hsts: null}\nlisten: {drain: 5s}\n"
    own = GOOD.replace("http://127.0.0.1:3000", "{url: 'http://own'}")
    policy = loaded(own + "extends: b.yaml\nheaders: none\n", {"b.yaml": base}).policy
    assert policy.upstream.url.host == "own"
    assert (policy.headers.preset, policy.headers.hsts is None) == ("none", False)
    assert policy.listen.drain == 5.0


def test_files_are_named_relative_to_the_file_that_names_them() -> None:
    base = b"errors: {NOT_FOUND: {html: page.html}}\naudit: {sinks: [{file: audit.jsonl}]}\n"
    files = {"shared/base.yaml": base, "shared/page.html": b"base", "page.json": b"own"}
    text = GOOD + "extends: shared/base.yaml\nerrors: {NOT_FOUND: {json: page.json}}\n"
    policy = loaded(text, files).policy
    (template,) = policy.errors.values()
    assert (template.html_bytes, template.json_bytes) == (b"base", b"own")
    assert policy.audit.sinks[0].name == "shared/audit.jsonl"


def test_a_template_for_one_kind_leaves_the_other_to_the_sidecar() -> None:
    text = GOOD + "errors: {NOT_FOUND: {html: p}, FORBIDDEN: {json: p}}\n"
    templates = list(loaded(text, {"p": b"x"}).policy.errors.values())
    assert [(t.html_bytes, t.json_bytes) for t in templates] == [(b"x", None), (None, b"x")]


def test_problems_point_to_the_file_in_which_they_stand() -> None:
    base = b"body: {max: huge}\nworkers: 0\n"
    own = GOOD + "extends: base.yaml\nbody: {content_types: [x]}\n"
    problems = problems_of(own, {"base.yaml": base})
    assert [(p.file, p.line, p.column, p.path) for p in problems] == [
        (NAME, 5, 24, "body.content_types[0]"),
        ("base.yaml", 1, 13, "body.max"),
        ("base.yaml", 2, 10, "workers"),
    ]


def test_what_is_extended_extends_nothing() -> None:
    files = {"base.yaml": b"mode: shadow\nextends: try\n"}
    (problem,) = problems_of(GOOD + "extends: base.yaml\n", files)
    assert (problem.file, problem.line, problem.column) == ("base.yaml", 2, 1)
    assert "one level" in problem.hint


def test_a_base_that_cannot_be_read_as_yaml_is_shown_with_the_rest() -> None:
    problems = problems_of(GOOD + "extends: base.yaml\nworkers: 0\n", {"base.yaml": b"a: ["})
    assert [(p.file, p.line) for p in problems] == [(NAME, 5), ("base.yaml", 2)]


def test_every_mistake_of_every_kind_is_listed_in_one_run() -> None:
    text = """\
version: 1
upstream: ftp://x
workers: 1
workers: 2
mode: ${MODE}
listen: {admin: 0.0.0.0:9901, drain: soon}
websockets: {idle: 2d}
gossip: {}
routes:
  - {path: /a}
  - {path: /b, public: maybe}
  - {path: /c, public: true, strip_prefix: /d}
"""
    places = [(p.line, p.column, p.path) for p in problems_of(text)]
    assert places == [
        (2, 11, "upstream.url"),
        (4, 1, "workers"),
        (5, 7, "mode"),
        (6, 38, "listen.drain"),
        (8, 1, "gossip"),
        (10, 5, "routes[0]"),
        (11, 24, "routes[1].public"),
        (12, 44, "routes[2].strip_prefix"),
    ]


def test_a_section_with_mistakes_is_not_judged_by_its_stand_in() -> None:
    # listen.proxy is 9000: the upstream is not the sidecar, though with the default it would be.
    text = """\
version: 1
upstream: http://127.0.0.1:8080
listen: {proxy: 127.0.0.1:9000, drain: soon}
routes: [{path: /, public: true}]
"""
    assert [problem.path for problem in problems_of(text)] == ["listen.drain"]


def test_routes_with_a_mistake_keep_the_numbers_of_the_others() -> None:
    text = "version: 1\nupstream: http://x\nroutes: [{path: a}, {path: /b}, 5, {path: /c}]\n"
    paths = [problem.path for problem in problems_of(text)]
    assert paths == ["routes[0].path", "routes[1]", "routes[2]", "routes[3]"]


def test_warnings_are_listed_beside_errors() -> None:
    text = GOOD + "listen: {admin: '0.0.0.0:9901'}\nworkers: 0\n"
    assert [problem.warning for problem in problems_of(text)] == [True, False]


def test_a_policy_that_is_not_there_is_a_problem_without_a_line() -> None:
    with pytest.raises(PolicyError) as caught:
        load("none.yaml", read, {})
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("none.yaml", 0)
    assert str(problem).startswith("none.yaml: error: cannot be read: No such file or directory")


def test_a_reader_without_an_error_text_will_do() -> None:
    def empty(name: str) -> bytes:
        raise FileNotFoundError(name)

    with pytest.raises(PolicyError, match="no such file"):
        load("none.yaml", empty, {})


def test_a_file_that_vanishes_while_it_is_read_is_a_problem() -> None:
    left = {"policy.yaml": 1, "page.html": 1}

    def vanishing(name: str) -> bytes:
        if left.get(name, 0) == 0:
            raise FileNotFoundError(2, "No such file or directory", name)
        left[name] -= 1
        text = GOOD + "errors: {NOT_FOUND: {html: page.html}}\nworkers: 0\n"
        return text.encode() if name == "policy.yaml" else b"page"

    with pytest.raises(PolicyError) as caught:
        load("policy.yaml", vanishing, {})
    assert [problem.path for problem in caught.value.problems] == ["workers"]


def test_a_file_name_that_no_system_takes_is_a_problem() -> None:
    def strict(name: str) -> bytes:
        if name == "policy.yaml":
            return (GOOD + "errors: {NOT_FOUND: {html: x}}\n").encode()
        raise ValueError(name)

    with pytest.raises(PolicyError, match="not a file name"):
        load("policy.yaml", strict, {})


def test_the_try_profile_listens_on_loopback_and_admits_everybody() -> None:
    loaded_try = load_try("http://127.0.0.1:3000", read, {})
    policy = loaded_try.policy
    assert loaded_try.warnings == ()
    assert (str(policy.listen.proxy), str(policy.listen.admin)) == (
        "127.0.0.1:8080",
        "127.0.0.1:9901",
    )
    assert policy.headers.preset == "web"
    assert [(route.path, route.public, route.methods) for route in policy.routes] == [
        ("/**", True, None)
    ]
    assert str(policy.upstream.url) == "http://127.0.0.1:3000"


@pytest.mark.parametrize("url", ["localhost:3000", "", "${HOME}", "http://127.0.0.1:8080"])
def test_a_bad_upstream_for_the_try_profile_is_shown_as_the_option(url: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_try(url, read, {"HOME": "http://x"})
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("--upstream", 0)


def test_the_profiles_of_the_package_are_the_files_that_it_brings() -> None:
    folder = Path("sidecar/policy/profiles")
    assert sorted(file.stem for file in folder.iterdir()) == sorted(PROFILES)


def test_the_try_profile_is_a_policy_by_itself() -> None:
    assert loaded("extends: try\n").policy.routes[0].public


def test_every_file_that_was_read_is_noted_with_its_digest() -> None:
    text = GOOD + "extends: other.yaml\n"
    found = dict(loaded(text, {"other.yaml": b"mode: shadow"}).files)
    assert found[NAME] == hashlib.sha256(text.encode()).hexdigest()
    assert found["other.yaml"] == hashlib.sha256(b"mode: shadow").hexdigest()


def test_a_file_that_is_missing_or_changes_while_it_is_read_has_no_digest() -> None:
    contents = iter([b"one", b"one", b"two"])

    def reads(name: str) -> bytes:
        if name == "missing":
            raise FileNotFoundError(name)
        return next(contents)

    files: dict[str, str] = {}
    read_and_note = noting(reads, files)
    assert read_and_note("a") == read_and_note("a") == b"one"
    assert files["a"] == hashlib.sha256(b"one").hexdigest()
    assert read_and_note("a") == b"two"
    assert files["a"] == ""
    with pytest.raises(FileNotFoundError):
        read_and_note("missing")
    assert files["missing"] == ""
