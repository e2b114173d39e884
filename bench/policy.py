"""The routes of the sidecar's policies under measurement, in the policy's own words."""

import json
from typing import Final

# Of the size of a service's public API; the route under load is one of them.
ROUTES: Final = 50
ORDER_PATH: Final = "/v1/orders/4711"
# The upstream answers with the identity headers that it saw.
WHO_PATH: Final = "/v1/orders/who"
UPLOAD_PATH: Final = "/files/upload"
DOWNLOAD_PATH: Final = "/files/large"

_RESOURCES: Final = ("orders", "customers", "invoices", "products", "files", "reports", "events")
_FIXED: Final = (
    {"path": "/v1/orders/{order}", "methods": ["GET"], "public": True},
    {"path": UPLOAD_PATH, "methods": ["POST"], "public": True},
    {"path": DOWNLOAD_PATH, "methods": ["GET"], "public": True},
)


def routes(count: int) -> list[dict[str, object]]:
    """Make a route table in which `ORDER_PATH` matches one row."""
    table: list[dict[str, object]] = [dict(row) for row in _FIXED]
    for number in range(len(table), count):
        resource = _RESOURCES[number % len(_RESOURCES)]
        path = f"/v1/{resource}/{{id}}/part-{number}"
        table.append({"path": path, "methods": ["GET", "PUT"], "public": True})
    return table


def routes_text(count: int = ROUTES) -> str:
    """Write the table as one line of YAML."""
    return json.dumps(routes(count))


def guarded_routes_text(count: int = ROUTES) -> str:
    """Write the table as one line of YAML; every route needs a role."""
    guarded = [{**row, "public": False, "role": "developer"} for row in routes(count)]
    return json.dumps(guarded)
