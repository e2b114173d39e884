"""The words in which sections declare their keys: pydantic's, or inert ones that cost no memory.

A process that serves gets its policy decoded (`sidecar.policy.handover`), and pydantic would be
12 MB for nothing in each of them. There the same sections are plain: they hold values and answer
questions about them, but judge none. Which it is, a process says once, before it imports a section.
"""

import sys
from typing import Final


class _Choice:
    is_plain = False


_CHOICE: Final = _Choice()
_SECTIONS: Final = "sidecar.policy.schema.section"


def be_plain() -> None:
    """Declare all sections of this process plain.

    Raises:
        RuntimeError: one is declared already.
    """
    if _SECTIONS in sys.modules:
        raise RuntimeError("sections are declared already")
    _CHOICE.is_plain = True


def is_plain() -> bool:
    """Whether the sections of this process are plain."""
    return _CHOICE.is_plain
