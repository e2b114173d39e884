"""What of a policy cannot be changed while the sidecar serves."""

import pytest

from sidecar.policy.restart import needing_restart
from tests.policy.reading import GOOD, loaded

ADMIN = "admin: {tokens: [{name: ops, token: 0123456789abcdef, role: admin}]}\n"
REDIS = "state: {store: 'redis://redis', password: %s}\n"


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("", "", ()),
        ("", "mode: shadow\nlisten: {trusted_proxies: [10.0.0.0/8]}\n", ()),
        ("", "listen: {proxy: '127.0.0.1:1'}\n", ("listen.proxy",)),
        ("", "listen: {admin: '127.0.0.1:1'}\n", ("listen.admin",)),
        ("listen: {health: '127.0.0.1:1'}\n", "", ("listen.health",)),
        ("", "workers: 2\nstate: sqlite:other.db\n", ("workers", "state")),
        (REDIS % "one", REDIS % "one", ()),
        (REDIS % "one", REDIS % "two", ("state",)),
        (
            "limits: {address: {limit: 1/min}}\n" + REDIS % "one",
            "limits: {address: {limit: 1/min}, strict: true}\n" + REDIS % "one",
            ("limits.strict",),
        ),
        ("", "audit: {checkpoint: 5s}\n", ("audit.checkpoint",)),
        ("state: memory\n", "state: memory\n" + ADMIN, ("admin.tokens",)),
        ("state: memory\n" + ADMIN, "state: memory\n", ()),
    ],
)
def test_these_keys_take_a_restart(old: str, new: str, keys: tuple[str, ...]) -> None:
    former, other = loaded(GOOD + old).policy, loaded(GOOD + new).policy
    assert needing_restart(former, other) == keys
