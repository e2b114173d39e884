"""The section `explain`: decisions that are kept, so that the admin API can explain them."""

from typing import Annotated, Literal

from sidecar.policy.schema.quantities import Count
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field

MOST_KEPT = 10_000


class Explain(Section):
    """The last decisions of each process, for `/v1/explain/<request id>`.

    They are kept where the admin API has tokens; none holds a credential, a value of the query or a
    body.

    Attributes:
        last: how many are kept; then the oldest is forgotten.
        requests: `refused` keeps those that were refused, that failed, or that shadow mode let
            pass; `all` keeps every one.
    """

    last: Annotated[Count, Field(le=MOST_KEPT, examples=[1000])] = 100
    requests: Literal["refused", "all"] = "refused"
