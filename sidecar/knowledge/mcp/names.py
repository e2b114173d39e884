"""Which tools and prompts a caller may use (RQ-6)."""

from collections.abc import Iterable
from typing import Final

EVERY: Final = "*"
NAME_CHARACTERS: Final = 256
"""Longest name; the specification recommends 128 at most."""


class Names:
    """Names that are listed: exactly, by their beginning (`read_*`), or all (`*`)."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile patterns, of which each has one `*` at most, at its end."""
        listed = tuple(patterns)
        self._every = EVERY in listed
        self._exact = frozenset(pattern for pattern in listed if not pattern.endswith(EVERY))
        self._beginnings = tuple(
            pattern.removesuffix(EVERY) for pattern in listed if pattern.endswith(EVERY)
        )

    def allows(self, name: object) -> bool:
        """Whether a name is listed; what is no name is not."""
        if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARACTERS:
            return False
        return self._every or name in self._exact or name.startswith(self._beginnings)
