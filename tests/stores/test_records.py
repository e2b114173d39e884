"""Records as bytes: what goes in comes out, and what is not understood is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.stores.records import decode, encode
from sidecar.model.blocks import Block, BlockKind
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import (
    KeyDigest,
    KeyRecord,
    ProjectRecord,
    Revocation,
    RevocationKind,
    TenantId,
    TenantRecord,
)
from tests.builders import a_tenant
from tests.stores.rows import a_key, a_revocation, facts_of

TEXT = st.text(max_size=8)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.builds(
    KeyRecord,
    pepper=TEXT,
    prefix=TEXT,
    subject=TEXT,
    digest=st.binary(max_size=64).map(KeyDigest),
    tenant=st.none() | TEXT.map(TenantId),
    roles=st.lists(TEXT, max_size=3).map(tuple),
    expires_at=st.none() | SECONDS,
    created_at=SECONDS,
    version=st.integers(1, 2**53),
)
TENANTS = st.builds(
    TenantRecord,
    projects=st.dictionaries(TEXT, st.builds(ProjectRecord, st.lists(TEXT).map(tuple))),
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
)
REVOCATIONS = st.builds(Revocation, before=SECONDS, expires_at=SECONDS)

BLOCKS = st.builds(Block, st.sampled_from(BlockKind), TEXT, st.none() | SECONDS, TEXT, TEXT)


@given(KEYS)
def test_a_key_comes_out_as_it_went_in(key: KeyRecord) -> None:
    assert decode(KeyRecord, encode(key)) == key


@given(TENANTS)
def test_a_tenant_comes_out_as_it_went_in(tenant: TenantRecord) -> None:
    assert facts_of(decode(TenantRecord, encode(tenant))) == facts_of(tenant)


@given(REVOCATIONS)
def test_a_revocation_comes_out_as_it_went_in(revocation: Revocation) -> None:
    assert decode(Revocation, encode(revocation)) == revocation


@given(BLOCKS)
def test_a_block_comes_out_as_it_went_in(block: Block) -> None:
    assert decode(Block, encode(block)) == block


def test_a_block_of_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(StoreUnavailableError, match="cannot read"):
        decode(Block, b'{"kind":"country","value":"xx"}')


def test_facts_that_are_as_usual_take_no_room() -> None:
    assert encode(a_tenant("acme")) == b'{"id":"acme"}'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"id":"acme","mood":"good"}', id="an unknown field"),
        pytest.param(b'{"id":"acme","tier":7}', id="a number for a word"),
        pytest.param(b'{"id":"acme","version":"1"}', id="a word for a number"),
        pytest.param(b'{"id":"acme","status":"asleep"}', id="an unknown status"),
        pytest.param(b'{"tier":"pro"}', id="no id"),
        pytest.param(b'{"id":"acme","projects":{"a":{"mood":1}}}', id="an unknown field within"),
        pytest.param(b'{"id":"acme","projects":{"a":1}}', id="a number for a project"),
        pytest.param(b'{"id":"acme","projects":[1]}', id="a list for projects"),
    ],
)
def test_what_is_no_tenant_is_refused(text: bytes) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot read"):
        decode(TenantRecord, text)


def test_the_refusal_does_not_quote_the_record() -> None:
    text = encode(a_key(label="private")).replace(b'"p1"', b"7")
    with pytest.raises(StoreUnavailableError) as caught:
        decode(KeyRecord, text)
    assert "private" not in str(caught.value)


def test_a_revocation_names_its_kind() -> None:
    assert decode(Revocation, encode(a_revocation())).kind is RevocationKind.TOKEN
