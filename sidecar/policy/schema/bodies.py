"""The section `bodies`: what bodies that rules read may hold while they are read."""

from typing import Annotated

from sidecar.policy.schema.files import FileName
from sidecar.policy.schema.quantities import PositiveSize, Size
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field


class Bodies(Section):
    """Room for bodies that rules read; bodies that no rule reads stream and need none.

    Attributes:
        memory: bytes of each body that stay in memory; a larger one goes to a file without a name.
        total: bytes of all bodies that a process holds at a time, in memory and in files; a body
            beyond it gets 503 OVERLOADED.
        folder: folder of the files; the system's folder for temporary files if left out.
    """

    memory: Size = 65_536
    total: PositiveSize = 64_000_000
    folder: Annotated[FileName | None, Field(examples=["/var/spool/sidecar"])] = None
