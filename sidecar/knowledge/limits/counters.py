"""Makes the counter that a limit wants."""

from sidecar.knowledge.limits.bucket import Bucket
from sidecar.knowledge.limits.counter import Counter
from sidecar.knowledge.limits.quota import Quota
from sidecar.knowledge.limits.window import Window
from sidecar.model.limits import Limit


def new_counter(limit: Limit) -> Counter:
    """Make the counter of somebody who has used nothing."""
    if limit.calendar is not None:
        return Quota(limit)
    return Bucket(limit) if limit.burst else Window(limit)
