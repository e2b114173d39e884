"""What may be asked about the policy in force: the rows of the table."""

from collections.abc import Mapping
from typing import Final, Protocol

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.operations import Call, Operation

_FLAGS: Final = {"0": False, "1": True}


class Reloading(Protocol):
    """Whoever brings policies into force."""

    async def __call__(self, actor: str, *, is_dry: bool) -> Mapping[str, object]:
        """Bring the policy file into force.

        Args:
            actor: who wants it.
            is_dry: whether only the differences are asked for.

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
        return await reload(call.actor, is_dry=_FLAGS[flag])

    return (Operation("POST", "/v1/reload", run, query=frozenset({"dry_run"})),)
