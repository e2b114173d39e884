"""A sidecar that takes no note of what it serves, to measure what audit and metrics cost.

No policy can ask for it: whoever runs a sidecar wants to know what it did. It is a program of the
bench, which puts the parts together as `sidecar run` does and takes the ledgers away.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from sidecar.app import Sidecar, serve
from sidecar.policy.load import load
from sidecar.policy.schema.metrics import Metrics


async def run(name: str) -> None:
    """Serve a policy until told to stop."""
    loaded = load(name, lambda file: Path(file).read_bytes(), os.environ)
    policy = loaded.policy.model_copy(update={"metrics": Metrics(step_sample=0)})
    sidecar = Sidecar(replace(loaded, policy=policy))
    sidecar.proxy._context.ledgers = ()  # noqa: SLF001 -- what the bench is about
    await sidecar.start()
    await serve(sidecar)


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1]))
