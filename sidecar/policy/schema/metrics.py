"""The section `metrics`: what is counted beyond what everybody gets."""

from typing import Annotated

from sidecar.policy.schema.quantities import Sample, TenantCount
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field


class TenantMetrics(Section):
    """Metrics by tenant.

    Attributes:
        max: tenants that have numbers of their own in each process: the first to come; those of
            all others are counted together, as `(other)`.
    """

    max: TenantCount = 200


class Metrics(Section):
    """What is counted beyond what everybody gets.

    Attributes:
        step_sample: the steps of one request in so many are timed; 0 times none.
        tenants: metrics by tenant; none if left out.
    """

    step_sample: Sample = 1024
    tenants: Annotated[TenantMetrics | None, Field(examples=["{max: 200}"])] = None
