"""No reading of a storage key leads out of its tenant's prefix."""

import pytest

from sidecar.knowledge.validate.storage import objection_to

PREFIX = "tenants/acme/"
OUTSIDE = "a storage key is outside the tenant's prefix"
ELSEWHERE = "a storage key has segments that lead elsewhere"
CONTROL = "a storage key holds a control character"
ENCODED = "a storage key is encoded more than once or twice"
OWN = "a storage key has escapes that only some services undo"
NO_TEXT = "a storage key is no text"


@pytest.mark.control("TN-5")
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("tenants/evil/a", OUTSIDE),
        ("tenants/acme", OUTSIDE),
        ("tenants/acmeevil/a", OUTSIDE),
        ("tenants/acme-2/a", OUTSIDE),
        ("/tenants/acme/a", OUTSIDE),
        ("./tenants/acme/a", OUTSIDE),
        ("Tenants/acme/a", OUTSIDE),
        ("tenants/ACME/a", OUTSIDE),
        ("tenants//acme/a", OUTSIDE),
        ("", OUTSIDE),
        ("s3://bucket/tenants/acme/a", OUTSIDE),
        ("tenants%2Facme%2Fa", OUTSIDE),
        ("tenants/acme/../evil/a", ELSEWHERE),
        ("tenants/acme/..", ELSEWHERE),
        ("tenants/acme/.", ELSEWHERE),
        ("tenants/acme/./a", ELSEWHERE),
        ("tenants/acme//a", ELSEWHERE),
        ("tenants/acme/a/../../evil", ELSEWHERE),
        ("tenants/acme/..\\evil", ELSEWHERE),
        ("tenants/acme/a\\..\\..\\evil", ELSEWHERE),
        ("tenants/acme/%2e%2e/evil", ELSEWHERE),
        ("tenants/acme/%2E./evil", ELSEWHERE),
        ("tenants/acme/..%2fevil", ELSEWHERE),
        ("tenants/acme/..%5cevil", ELSEWHERE),
        ("tenants/acme/%252e%252e/evil", ELSEWHERE),
        ("tenants/acme/%25252e%25252e/evil", ENCODED),
        ("tenants/acme/\uff0e\uff0e/evil", ELSEWHERE),
        ("tenants/acme/\u2025/evil", ELSEWHERE),
        ("tenants/acme/\uff052e\uff052e/evil", ELSEWHERE),
        ("tenants/acme/%ef%bc%852e./evil", ELSEWHERE),
        ("tenants/acme/%u002e%u002e/evil", OWN),
        ("tenants/acme/%25U002e./evil", OWN),
        ("tenants/acme/..\uff0fevil", ELSEWHERE),
        ("tenants/acme/%ef%bc%8e%ef%bc%8e/evil", ELSEWHERE),
        ("tenants/acme/a\0b", CONTROL),
        ("tenants/acme/a%00b", CONTROL),
        ("tenants/acme/a\nb", CONTROL),
        ("tenants/acme/a%0d%0ab", CONTROL),
        (7, NO_TEXT),
        (None, NO_TEXT),
        (["tenants/acme/a"], NO_TEXT),
    ],
)
def test_a_key_that_may_lead_elsewhere_is_refused(key: object, reason: str) -> None:
    assert objection_to(key, PREFIX) == reason


@pytest.mark.parametrize(
    "key",
    [
        "tenants/acme/a",
        "tenants/acme/",
        "tenants/acme/a/b/",
        "tenants/acme/a b.txt",
        "tenants/acme/...",
        "tenants/acme/a..b",
        "tenants/acme/caf%C3%A9",
        "tenants/acme/100%",
        "tenants/acme/é",
    ],
)
def test_a_key_below_the_prefix_passes(key: str) -> None:
    assert objection_to(key, PREFIX) is None
