"""The YAML of the pages: whole policies, and fragments laid into the smallest policy."""

import hashlib
import re
from pathlib import Path
from typing import Any, Final

import yaml

from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded
from tests.docs.pages import HOUSE, Block
from tests.policy.test_assertion import HEAD, a_pem

FRAGMENT: Final = "fragment"
ROUTES_FRAGMENT: Final = "fragment of routes"
OTHER: Final = "not a policy"
BROKEN: Final = "broken on purpose"
MARKS: Final = frozenset({"", FRAGMENT, ROUTES_FRAGMENT, OTHER, BROKEN})

_SMALLEST: Final = {
    "version": 1,
    "upstream": "http://127.0.0.1:3000",
    "routes": [{"path": "/**", "public": True}],
}
# Stands in for files and variables that only the reader has; it is a bearer token and a master key
# as well.
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}|env:(\w+)")
_CONTENT: Final = b"0123456789abcdef" * 4
_JWKS: Final = b'{"keys": [{"kty": "RSA"}, {"kty": "EC"}, {"kty": "OKP"}]}'


def whole(block: Block) -> str:
    """Make a policy of what a block holds."""
    content: Any = yaml.safe_load(block.text)
    if block.mark == FRAGMENT:
        return yaml.safe_dump(_SMALLEST | content)
    if block.mark == ROUTES_FRAGMENT:
        return yaml.safe_dump(_SMALLEST | {"routes": content})
    return block.text


def loaded(text: str, folder: Path) -> Loaded:
    """Load a policy with the real loader; files that are only the reader's exist for it.

    Raises:
        PolicyError: it cannot be used.
    """
    file = folder / "policy.yaml"
    file.write_text(text, encoding="utf-8")

    def read(name: str) -> bytes:
        if Path(name).exists():
            return Path(name).read_bytes()
        if name.startswith(f"{folder}/docs/"):
            # What ships with the pages is what it is.
            return (HOUSE / Path(name).relative_to(folder)).read_bytes()
        if name.endswith("jwks.json"):
            return _JWKS
        if name.endswith(".whsec"):
            return b"whsec_" + _CONTENT
        # Each name is a key of its own: two of a list must differ.
        is_key = name.endswith(".pem")
        return a_pem(HEAD + hashlib.sha256(name.encode()).digest()) if is_key else _CONTENT

    return load(str(file), read, _variables(text))


def _variables(text: str) -> dict[str, str]:
    """Set every variable that a policy names; 3000 is a port as well as a word."""
    return {plain or secret: "3000" for plain, secret in _VARIABLE.findall(text)}
