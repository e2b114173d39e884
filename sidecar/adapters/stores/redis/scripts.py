"""The Lua scripts of the Redis store: each call is one of them, so that it is atomic.

Every script of the store begins with a check of the server (`reading.lua` or `writing.lua`) and of
the schema's version (`head.lua`); its own file is the rest. Those of limits begin with what they
share (`slots.lua`).
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

READS: Final = (
    "blocks", "changes", "find_key", "key", "keys", "list_fields", "open", "read_field",
    "revocations", "tenants",
)  # fmt: skip
WRITES: Final = (
    "add_key", "admit_domain", "delete_secret", "note_uses", "put_block", "put_secret",
    "put_tenant", "remove_block", "replace_key", "revoke",
)  # fmt: skip
LIMITS: Final = ("hold_slots", "take_limits")
"""Scripts that touch nothing of the store: counts of limits may be lost, records may not."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which servers remember it.

    Attributes:
        text: the whole script.
        sha1: SHA-1 of the text, in hexadecimal, as EVALSHA wants it.
    """

    text: bytes
    sha1: str


@cache
def read_scripts() -> dict[str, Script]:
    """Read all scripts, by name."""
    head = _text("head")
    found = {name: _text("reading") + head + _text(name) for name in READS}
    found |= {name: _text("writing") + head + _text(name) for name in WRITES}
    found |= {name: _text("slots") + _text(name) for name in LIMITS}
    return {name: _script(text) for name, text in found.items()}


def _text(name: str) -> bytes:
    return Path(__file__).with_name(f"{name}.lua").read_bytes()


def _script(text: bytes) -> Script:
    # Redis fixes the algorithm; it names scripts and protects nothing.
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())
