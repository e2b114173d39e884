"""Header fields: one name for all spellings, lists in members."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.headers import canonical, list_members


@pytest.mark.parametrize(
    "spelling",
    [
        b"X-Tenant-Id",
        b"x-tenant-id",
        b"X_Tenant_Id",
        b"X.Tenant.Id",
        b"X-TENANT_ID",
        b"X!Tenant~Id",
    ],
)
def test_every_spelling_of_a_name_is_one_name(spelling: bytes) -> None:
    assert canonical(spelling) == b"x-tenant-id"


@pytest.mark.parametrize("name", [b"X-Tenant-Idd", b"X-TenantId", b"Tenant-Id", b"X--Tenant-Id"])
def test_another_name_stays_another_name(name: bytes) -> None:
    assert canonical(name) != b"x-tenant-id"


@given(st.binary(max_size=40))
def test_a_canonical_name_is_its_own_canonical_name(name: bytes) -> None:
    assert canonical(canonical(name)) == canonical(name)
    assert len(canonical(name)) == len(name)


@pytest.mark.parametrize(
    ("values", "members"),
    [
        ([], []),
        ([b""], []),
        ([b"a"], [b"a"]),
        ([b"a, b ,\tc"], [b"a", b"b", b"c"]),
        ([b"a", b"b,c"], [b"a", b"b", b"c"]),
        ([b",a,,b,"], [b"a", b"b"]),
    ],
)
def test_a_list_is_split_at_commas_and_empty_members_are_dropped(
    values: list[bytes], members: list[bytes]
) -> None:
    assert list_members(values) == members
