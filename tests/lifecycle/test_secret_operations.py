"""Secrets, as the admin API and the command line set them: no answer holds one (SE-2)."""

import json
from base64 import b64encode

import pytest

from sidecar.adapters.vault.box import Box
from sidecar.adapters.vault.secrets import Vault
from sidecar.lifecycle.errors import BadValueError
from sidecar.model.secret import Secret
from sidecar.policy.schema.state import Secrets as SecretsSection
from tests.lifecycle.desks import Installation, a_guarded_policy

KEY = Secret(b"\x01" * 32)
ONE = "/v1/secrets/{name}"
BYTES = b"\xff\x00hunter2"


def an_installation(*ring: Secret) -> Installation:
    section = SecretsSection.model_construct(master_key=ring or (KEY,))
    return Installation(a_guarded_policy(secrets=section))


async def perform(
    at: Installation,
    method: str,
    path: str,
    *,
    tenant: str | None = "acme",
    body: object = None,
) -> dict[str, object]:
    query = [] if tenant is None else [("tenant", tenant)]
    content = b"" if body is None else json.dumps(body).encode()
    return dict(await at.operations[method, path].perform("ops", {"name": "token"}, query, content))


async def opened(at: Installation, tenant: str = "acme") -> bytes | None:
    assert at.store is not None
    secret = await Vault(at.store, Box((KEY,), bytes)).get(tenant, "token")
    return None if secret is None else secret.reveal()


@pytest.mark.parametrize("tenant", ["acme", None])
@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param({"value": "Bearer hünter2"}, "Bearer hünter2".encode(), id="text"),
        pytest.param({"base64": b64encode(BYTES).decode()}, BYTES, id="bytes"),
    ],
)
async def test_a_secret_is_set_and_never_answered(
    tenant: str | None, body: object, value: bytes
) -> None:
    at = an_installation()
    answers = [
        await perform(at, "PUT", ONE, tenant=tenant, body=body),
        await perform(at, "GET", "/v1/secrets", tenant=tenant),
    ]
    assert await opened(at, tenant or "") == value
    assert answers == [{"tenant": tenant, "name": "token"}, {"secrets": ["token"]}]
    deleted = await perform(at, "DELETE", ONE, tenant=tenant)
    assert deleted == {"tenant": tenant, "name": "token"}
    assert await opened(at, tenant or "") is None
    assert [action for action, _ in at.events.done] == ["secret.set", "secret.delete"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"value": "hunter2", "base64": "aHVudGVyMg=="}, id="twice"),
        pytest.param({"base64": "hunter2!"}, id="no base64"),
        pytest.param({"base64": "hünter2"}, id="no ASCII"),
        pytest.param({"value": ["hunter2"]}, id="a list"),
        pytest.param({"value": ""}, id="empty"),
        pytest.param({"value": "hunter2", "tenant": "acme"}, id="another member"),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_and_not_repeated(body: object) -> None:
    at = an_installation()
    with pytest.raises(BadValueError) as caught:
        await perform(at, "PUT", ONE, body=body)
    assert "nter2" not in caught.value.message + caught.value.hint
    assert await opened(at) is None


async def test_half_a_character_is_a_secret_like_others() -> None:
    at = an_installation()
    await perform(at, "PUT", ONE, body={"value": "\ud800"})
    assert await opened(at) == b"\xed\xa0\x80"


async def test_secrets_are_sealed_anew() -> None:
    at = an_installation()
    await perform(at, "PUT", ONE, body={"value": "hunter2"})
    assert at.store is not None
    rotated = Installation(
        an_installation(Secret(b"\x02" * 32), KEY).policy, store=at.store, events=at.events
    )
    answer = await perform(rotated, "POST", "/v1/secrets/reseal")
    assert answer == {"tenant": "acme", "resealed": 1}
    assert at.events.done[-1] == ("secret.reseal", "*")


async def test_without_a_master_key_the_missing_one_is_named() -> None:
    with pytest.raises(BadValueError, match=r"secrets\.master_key"):
        await perform(Installation(), "PUT", ONE, body={"value": "hunter2"})
