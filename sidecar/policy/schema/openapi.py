"""The section `openapi`: a document that describes the service."""

from typing import Annotated, Literal

from sidecar.policy.schema.files import ExistingFile
from sidecar.policy.schema.guard import Guard
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.routes import Path, Prefix
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field


class OpenApi(Section):
    """An OpenAPI 3.1 document, read when the policy is loaded: a source of schemas, and of routes.

    Attributes:
        file: the document, YAML or, by its ending, JSON; 2 MiB at most.
        prefix: what all its paths lie under; the path of its first server if left out.
        routes: `check` compares its operations with the routes of the policy, `add` makes a route
            of each that the policy has none for.
        apart: templates of paths that are neither compared nor added: routes that the document does
            not know, operations that are not for clients.
        guard: who may use the routes that are added, where the operation does not say it.
        requests: true judges bodies of requests by the document.
    """

    file: Annotated[ExistingFile, Field(examples=["api.yaml"])]
    prefix: Prefix | None = None
    routes: Literal["check", "add"] = "check"
    apart: Annotated[tuple[Path, ...], Field(examples=["[/healthz, /internal/**]"])] = ()
    guard: Guard | None = None
    requests: Flag = True
