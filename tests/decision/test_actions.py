"""Names that the policy gives to what its routes do."""

import pytest

from sidecar.decision.pipeline import build
from sidecar.model.events import RouteAction, statuses_of
from tests.builders import a_policy


@pytest.mark.control("AU-2")
@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("account.created", [RouteAction("account.created", statuses_of("2xx"))]),
        (
            {"name": "data.exported", "status": ["200", 206], "resource_id": "{org}/{ account}"},
            None,
        ),
        (
            [
                {
                    "name": "data.exported",
                    "status": [200, "206"],
                    "resource_id": "of {org}/{account}",
                },
                {"name": "data.refused", "status": "4xx", "resource_type": "account"},
            ],
            [
                RouteAction("data.exported", frozenset({200, 206}), "", ("of ", 1, "/", 3)),
                RouteAction("data.refused", statuses_of("4xx"), "account"),
            ],
        ),
    ],
)
def test_a_route_has_its_actions_in_order(
    written: object, compiled: list[RouteAction] | None
) -> None:
    route = {"path": "/orgs/{org}/*/{account}", "public": True, "action": written}
    if compiled is None:
        with pytest.raises(ValueError, match="is no template of an id"):
            a_policy(routes=[route])
        return
    [plan] = build(a_policy(routes=[route])).plans
    assert list(plan.actions) == compiled


def test_a_route_without_has_none() -> None:
    [plan] = build(a_policy(routes=[{"path": "/", "public": True}])).plans
    assert list(plan.actions) == []
