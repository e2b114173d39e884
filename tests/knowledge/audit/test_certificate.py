"""What a certificate of an erasure says."""

from sidecar.knowledge.audit.certificate import ErasedFrom, certificate, counted, tenant_digest


def test_a_certificate_has_a_fact_on_each_line() -> None:
    trail = ErasedFrom("audit.jsonl", {"requests": 2, "admin": 1}, {"security": 1})
    text = certificate("acme", {"by": "cli:ops"}, [trail], ["standard output"])
    assert text.splitlines() == [
        "sidecar audit erasure 1",
        "tenant: acme",
        f"record: {tenant_digest('acme')}",
        "by: cli:ops",
        "erased from audit.jsonl: 3 records (admin 1, requests 2)",
        "kept in audit.jsonl for the legal window: 1 records (security 1)",
        "not erased, others hold it: standard output",
    ]
    assert text.endswith("\n")


def test_a_tenant_is_named_by_a_digest() -> None:
    assert tenant_digest("acme") == tenant_digest("acme") != tenant_digest("acme2")
    assert "acme" not in tenant_digest("acme")
    assert len(tenant_digest("acme")) == len("sha256-") + 24


def test_numbers_are_said_by_class() -> None:
    assert counted({}) == "0 records"
    assert counted({"admin": 0}) == "0 records"
