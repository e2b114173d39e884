"""What may be asked about the policy in force: the rows of the table."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.operations import Call, Operation

_FLAGS: Final = {"0": False, "1": True}
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")


class Reloading(Protocol):
    """Whoever brings policies into force."""

    async def __call__(
        self, actor: str, *, is_dry: bool, acknowledged: str
    ) -> Mapping[str, object]:
        """Bring the policy file into force.

        Args:
            actor: who wants it.
            is_dry: whether only the differences are asked for.
            acknowledged: digest of the changes that are acknowledged; empty for none.

        Raises:
            ConflictError: it is not in force; the message says why.
        """


def reload_operations(reload: Reloading) -> tuple[Operation, ...]:
    """List the rows.

    Args:
        reload: brings policies into force.
    """

    async def run(call: Call) -> Mapping[str, object]:
        flag = call.query.get("dry_run", "0")
        if flag not in _FLAGS:
            raise BadValueError("dry_run is no flag", "1 to see what would change, or 0")
        acknowledged = call.query.get("acknowledge", "")
        if acknowledged and not _DIGEST.match(acknowledged):
            raise BadValueError("acknowledge is no digest", "the digest that a dry run shows")
        return await reload(call.actor, is_dry=_FLAGS[flag], acknowledged=acknowledged)

    query = frozenset({"dry_run", "acknowledge"})
    return (Operation("POST", "/v1/reload", run, query=query),)
