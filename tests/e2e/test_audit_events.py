"""Every refusal and every action leaves its record, and no record holds what was secret."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from sidecar.adapters.audit.record import json_schema
from sidecar.model.events import EVENTS
from sidecar.model.refusals import RefusalCode
from tests.e2e.audit_house import (
    BY_LEDGERS,
    CANARY,
    PRODUCED,
    REFUSED,
    SPICE,
    House,
    a_house,
    asks,
    everything,
)
from tests.e2e.wire import get, post

VALIDATOR = jsonschema_rs.validator_for(json_schema().decode())
# What metadata of each shape must have, in the words of the record's JSON Schema.
DEFINITIONS: Mapping[str, Any] = json.loads(json_schema())["$defs"]


VARIOUS = frozenset({"token.revoke", "alert.admin_access"})
"""Actions whose resource is what they were about."""


async def records_of(house: House) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in await house.lines()]
    for record in found:
        VALIDATOR.validate(record)
    return found


@pytest.mark.control("AU-2")
@pytest.mark.parametrize("code", list(REFUSED))
async def test_a_refusal_of_every_code_leaves_a_record(code: RefusalCode, tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await REFUSED[code](house)
        records = await records_of(house)
    refused = [record for record in records if record["metadata"].get("code") == code]
    assert refused
    for record in refused:
        assert record["outcome"] in {"refused", "failed"}
        assert record["reason"]


@pytest.mark.control("AU-2")
@pytest.mark.parametrize("action", list(PRODUCED))
async def test_every_action_of_the_catalogue_leaves_a_record(action: str, tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await PRODUCED[action](house)
        records = await records_of(house)
    found = [record for record in records if record["action"] == action]
    assert found
    kind = EVENTS[action]
    for record in found:
        assert record["metadata"].keys() >= set(DEFINITIONS[kind.shape]["required"])
        assert kind.resource == record["resource_type"] or action in VARIOUS


@pytest.mark.control("AU-2")
async def test_what_could_not_be_done_is_recorded_as_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await PRODUCED["tenant.create"](house)
        made = [one for one in await records_of(house) if one["action"] == "tenant.create"]
    assert [record["outcome"] for record in made] == ["admitted", "refused"]
    assert "exists" in made[1]["reason"]


@pytest.mark.control("AU-8")
async def test_nothing_that_was_secret_stands_in_the_trail_or_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_house(tmp_path) as house:
        await everything(house)
        lines = await house.lines()
    actions = {json.loads(line)["action"] for line in lines}
    codes = {json.loads(line)["metadata"].get("code") for line in lines}
    assert actions >= set(EVENTS) - BY_LEDGERS
    assert codes >= set(REFUSED)
    assert [line for line in lines if CANARY in line] == []
    assert CANARY.decode() not in caplog.text


@pytest.mark.control("AU-2")
@pytest.mark.parametrize(
    ("request_bytes", "action", "resource"),
    [
        (post(b"{}", b"/accounts/7f3a"), "account.created", ("account", "7f3a")),
        (get(b"/accounts/%C3%A9%1b"), "request", ("route", "-")),
        (get(b"/accounts/a%20b"), "account.created", ("account", "a b")),
        (get(b"/accounts/denied"), "auth.failure", ("route", "/accounts/{account}")),
        (get(b"/accounts/7f3a", method=b"TRACE"), "request", ("route", "-")),
    ],
)
async def test_the_policy_names_what_its_routes_mean(
    request_bytes: bytes, action: str, resource: tuple[str, str], tmp_path: Path
) -> None:
    async with a_house(tmp_path) as house:
        await asks(request_bytes)(house)
        record = (await records_of(house))[-1]
    assert record["action"] == action
    assert (record["resource_type"], record["resource_id"]) == resource


async def test_a_record_under_another_name_is_as_secret_as_any(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.ask(get(b"/accounts/7?q=" + CANARY, *SPICE))
        lines = await house.lines()
    assert json.loads(lines[-1])["action"] == "account.created"
    assert CANARY not in lines[-1]
