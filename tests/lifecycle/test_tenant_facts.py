"""What may be said of a tenant: each field has its grammar, and what does not fit is told."""

import pytest

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.tenant_facts import changed, document_of, tenant_id, word
from sidecar.model.identity import ProjectRecord, TenantRecord
from tests.builders import a_tenant

FULL: dict[str, object] = {
    "tier": "pro",
    "origins": ["https://app.acme.example", "http://localhost:3000"],
    "domains": ["acme.example"],
    "projects": {"p1": {"domains": ["shop.acme.example"], "system": True}, "p2": None},
    "logins": ["sso"],
    "upstream": "http://acme:3000",
    "upstream_credential": "token",
    "attributes": {"region": "eu"},
}


def a_full_tenant() -> TenantRecord:
    return changed(a_tenant(), FULL)


def test_every_field_is_laid_over_the_record() -> None:
    record = a_full_tenant()
    assert record.id == "acme"
    assert record.version == 1
    assert record.tier == "pro"
    assert record.origins == ("https://app.acme.example", "http://localhost:3000")
    assert record.domains == ("acme.example",)
    assert record.projects == {
        "p1": ProjectRecord(("shop.acme.example",), is_system=True),
        "p2": ProjectRecord(),
    }
    assert record.logins == ("sso",)
    assert record.upstream == "http://acme:3000"
    assert record.upstream_credential == "token"
    assert record.attributes == {"region": "eu"}


def test_fields_that_are_not_named_stay() -> None:
    record = changed(a_full_tenant(), {"tier": "free"})
    assert (record.tier, record.domains) == ("free", ("acme.example",))


def test_null_empties_a_field() -> None:
    record = changed(a_full_tenant(), dict.fromkeys(FULL))
    assert document_of(record, "store") == document_of(a_tenant(), "store")


def test_what_is_shown_can_be_said_again() -> None:
    record = a_full_tenant()
    shown = document_of(record, "store")
    said = {name: value for name, value in shown.items() if name in FULL}
    assert document_of(changed(a_tenant(), said), "store") == shown
    assert (shown["status"], shown["source"], shown["version"]) == ("active", "store", 1)


@pytest.mark.parametrize(
    ("field", "said", "kept"),
    [
        pytest.param("upstream", "https://acme.internal:443", "https://acme.internal", id="port"),
        pytest.param("upstream", "unix:///run/acme.sock", "unix:///run/acme.sock", id="socket"),
        pytest.param("origins", ["https://A.example:443"], ("https://a.example",), id="origin"),
        pytest.param(
            "origins", ["https://*.ä.example"], ("https://*.xn--4ca.example",), id="more of one"
        ),
        pytest.param("domains", ["a.example", "a.example"], ("a.example",), id="twice"),
        pytest.param("domains", ["xn--bcher-kva.example"], ("xn--bcher-kva.example",), id="idn"),
        pytest.param("logins", [], (), id="no login method in particular"),
    ],
)
def test_one_meaning_is_kept_in_one_spelling(field: str, said: object, kept: object) -> None:
    assert getattr(changed(a_tenant(), {field: said}), field) == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"status": "active"}, "has no such field", id="the status"),
        pytest.param({"id": "globex"}, "has no such field", id="the id"),
        pytest.param({"version": 9}, "has no such field", id="the version"),
        pytest.param({"tier": "a b"}, "tier is no such name", id="a tier with a blank"),
        pytest.param({"tier": 7}, "tier is no text", id="a number for a tier"),
        pytest.param({"origins": "https://a"}, "origins is no list", id="one origin"),
        pytest.param({"origins": ["null"]}, "origins[0] is what every", id="the null origin"),
        pytest.param({"origins": ["*"]}, "origins[0] has no scheme", id="any origin"),
        pytest.param({"origins": ["https://a/b"]}, "origins[0] has a path", id="a page"),
        pytest.param({"origins": ["unix:///a"]}, "origins[0] has no scheme", id="a socket"),
        pytest.param({"domains": ["a", "A.b"]}, "domains[1] is no domain", id="capitals"),
        pytest.param({"domains": [".a"]}, "domains[0] is no domain", id="a leading dot"),
        pytest.param({"domains": ["a."]}, "domains[0] is no domain", id="a trailing dot"),
        pytest.param({"domains": ["-a"]}, "domains[0] is no domain", id="a leading hyphen"),
        pytest.param({"domains": ["*.a"]}, "domains[0] is no domain", id="a wildcard"),
        pytest.param({"domains": ["127.0.0.1"]}, "domains[0] is no domain", id="an address"),
        pytest.param({"domains": ["a\n"]}, "domains[0] is no domain", id="a line break"),
        pytest.param({"domains": ["a" * 64]}, "domains[0] is no domain", id="a long label"),
        pytest.param({"domains": ["a.b"] * 1001}, "domains is no list", id="too many"),
        pytest.param({"domains": [7]}, "domains[0] is no domain", id="a number"),
        pytest.param({"projects": ["p"]}, "projects is no mapping", id="a list of projects"),
        pytest.param({"projects": {"a/b": {}}}, "a name in projects", id="a project with a slash"),
        pytest.param({"projects": {"p": []}}, "projects.p is no mapping", id="a list in a project"),
        pytest.param({"projects": {"p": {"x": 1}}}, "unknown key", id="a key of a project"),
        pytest.param({"projects": {"p": {"system": 1}}}, "neither true nor false", id="a flag"),
        pytest.param({"projects": {"p": {"domains": "a"}}}, "projects.p.domains", id="one domain"),
        pytest.param({"logins": ["a b"]}, "logins[0] is no such name", id="a login method"),
        pytest.param({"upstream": "acme:3000"}, "upstream has no scheme", id="no scheme"),
        pytest.param({"upstream": "http://u:p@acme"}, "upstream holds credentials", id="a user"),
        pytest.param({"upstream": "http://acme/a"}, "upstream has a path", id="a path"),
        pytest.param({"upstream": "ftp://acme"}, "upstream has no scheme", id="another scheme"),
        pytest.param({"upstream_credential": "token"}, "the tenant has none", id="no upstream"),
        pytest.param({"upstream_credential": "a/b"}, "is no such name", id="a secret's name"),
        pytest.param({"attributes": {"a b": ""}}, "a name in attributes", id="an attribute's name"),
        pytest.param({"attributes": {"a": 1}}, "attributes.a is no line", id="a number inside"),
        pytest.param({"attributes": {"a": "x\ny"}}, "attributes.a is no line", id="two lines"),
        pytest.param({"attributes": {"a": "x" * 1025}}, "attributes.a is no line", id="a novel"),
        pytest.param({"attributes": []}, "attributes is no mapping", id="a list"),
    ],
)
def test_what_does_not_fit_is_told(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadValueError) as caught:
        changed(a_tenant(), changes)
    assert message in caught.value.message
    assert caught.value.hint


def test_the_upstream_of_a_credential_cannot_be_taken_away_alone() -> None:
    with pytest.raises(BadValueError, match="the tenant has none"):
        changed(a_full_tenant(), {"upstream": None})


def test_a_password_in_an_upstream_is_not_repeated() -> None:
    with pytest.raises(BadValueError) as caught:
        changed(a_tenant(), {"upstream": "http://user:hunter2@acme"})
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("name", ["acme", "A", "0.a_b-c", "a" * 64])
def test_a_tenant_may_have_such_an_id(name: str) -> None:
    assert tenant_id(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a/b", "a" * 65, "a\n", "ä", None, 7])
def test_a_tenant_may_not_have_such_an_id(name: object) -> None:
    with pytest.raises(BadValueError, match="the tenant's id"):
        tenant_id(name)


def test_a_word_is_named_in_its_error() -> None:
    assert word("token", "the name") == "token"
    with pytest.raises(BadValueError, match="the name is no such name"):
        word("a/b", "the name")
