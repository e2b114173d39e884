"""`sidecar run` with the documented ports moved to free ones: many tests share a machine."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NoReturn

from sidecar.adapters import decoding
from sidecar.adapters.handover import hand_over
from sidecar.cli import run, service
from sidecar.policy.load import load, load_try
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.addresses import Address
from sidecar.policy.schema.listen import Listen
from sidecar.policy.schema.upstream import Upstream

PORTS: Final[dict[int, int]] = {
    int(shown): moved for shown, moved in json.loads(os.environ["DOCS_PORTS"]).items()
}


def moved(loaded: Loaded) -> Loaded:
    """Move every port of a policy that is one of the documented ones."""
    policy = loaded.policy
    routes = [
        route.model_copy(update={"upstream": route.upstream and _upstream(route.upstream)})
        for route in policy.routes
    ]
    update = {
        "listen": _listen(policy.listen),
        "upstream": _upstream(policy.upstream),
        "routes": tuple(routes),
    }
    return replace(loaded, policy=policy.model_copy(update=update))


def _listen(listen: Listen) -> Listen:
    addresses = {"proxy": listen.proxy, "admin": listen.admin, "health": listen.health}
    return listen.model_copy(update={n: a and _address(a) for n, a in addresses.items()})


def _address(address: Address) -> Address:
    return replace(address, port=PORTS.get(address.port, address.port))


def _upstream(upstream: Upstream) -> Upstream:
    url = replace(upstream.url, port=PORTS.get(upstream.url.port, upstream.url.port))
    return upstream.model_copy(update={"url": url})


def _serve_here(loaded: Loaded, kind: str) -> NoReturn:
    sys.exit(service.serve(loaded, kind, hand_over(loaded, is_whole=True)))


def moving(loads: Callable[..., Loaded]) -> Callable[..., Loaded]:
    """Move the ports of what is loaded."""
    return lambda *arguments: moved(loads(*arguments))


def move() -> None:
    """Have `sidecar run` of this process listen elsewhere than its policy says.

    It takes its two ways to a policy from its module's names, and becomes the one that serves
    without leaving this process, so that what is replaced here stays replaced.
    """
    vars(run).update(load=moving(load), load_try=moving(load_try), become=_serve_here)
    vars(decoding).update(PROGRAM="tests.docs.decoding")
