from sidecar.model.ports import UNKNOWN, AtHand


def test_a_policy_that_is_not_to_serve_knows_nothing_and_admits_nobody() -> None:
    nothing = AtHand()
    assert nothing.tenants.at_hand("acme") is UNKNOWN  # type: ignore[arg-type]  # any id
    assert not nothing.revocations.is_current()
    assert nothing.revocations.is_revoked("https://idp.example", {}, None)
