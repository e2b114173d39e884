"""Documents as texts: a policy of memory that names one, loaded or refused."""

import json
from typing import Any

from sidecar.model.errors import Problem
from sidecar.policy.loaded import Loaded
from tests.policy.reading import loaded, problems_of

ADD = """\
version: 1
upstream: http://127.0.0.1:3000
openapi: {file: api.yaml, routes: add, guard: {public: true}}
"""
CHECK = """\
version: 1
upstream: http://127.0.0.1:3000
openapi: {file: api.yaml}
routes:
"""


def read(document: str, policy: str = ADD, file: str = "api.yaml") -> Loaded:
    """Load a policy with a document."""
    text = policy.replace("api.yaml", file)
    return loaded(text, {file: document.encode()})


def problems(document: str, policy: str = ADD, file: str = "api.yaml") -> list[Problem]:
    """List what is wrong with a policy and its document, warnings included."""
    text = policy.replace("api.yaml", file)
    return problems_of(text, {file: document.encode()})


def with_schema(schema: object, **components: object) -> str:
    """Write a document with one operation whose body has a schema."""
    return json.dumps(
        {
            "openapi": "3.1.0",
            "paths": {"/orders": {"post": {"requestBody": a_body(schema)}}},
            "components": {"schemas": components},
        }
    )


def a_body(schema: object, *, required: bool = True) -> dict[str, Any]:
    """Write a request body of JSON."""
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def schema_of(document: str, policy: str = ADD) -> Any:  # noqa: ANN401 -- a tree of JSON
    """Return the schema that the first route got."""
    body = read(document, policy).policy.routes[0].body
    assert body is not None
    assert body.json_schema is not None
    return json.loads(body.json_schema)
