"""Another process that opens a policy which was handed over, and tells all that it holds."""

import json
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from sidecar.adapters.handover import Handover

if TYPE_CHECKING:
    # The sections come in when it is known what they are.
    from sidecar.policy.loaded import Loaded

_DEPTH = 8


def told(loaded: "Loaded") -> object:
    """Tell what a policy holds: values, which of them were written, what is asked of sections."""
    policy = loaded.policy
    asked = [
        {
            "body": _told(policy.body_of(route)),
            "headers": _told(policy.headers_of(route)),
            "timeouts": _told(policy.timeouts_of(route)),
            "mode": policy.mode_of(route),
            "template": str(route.template),
            "methods": sorted(route.admitted_methods or ()),
        }
        for route in policy.routes
    ]
    return {"policy": _told(policy), "sha256": loaded.sha256, "asked": asked}


def _told(value: object, depth: int = 0) -> object:
    assert depth < _DEPTH
    if isinstance(value, Mapping):
        return {str(key): _told(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_told(one, depth + 1) for one in value]
    written = getattr(value, "model_fields_set", None)
    if written is None:
        reveal = getattr(value, "reveal", None)
        return repr(value if reveal is None else reveal())
    values = vars(value)
    # What was worked out on the way is no part of it.
    kept = {
        name: _told(values[name], depth + 1)
        for name in sorted(values)
        if name != "model_fields_set"
        and not isinstance(getattr(type(value), name, None), cached_property)
    }
    return {"values": kept, "written": sorted(written)}


if __name__ == "__main__":
    opened = Handover.of(int(sys.argv[1])).open()
    found = {"told": told(opened), "pydantic": "pydantic" in sys.modules}
    sys.stdout.write(json.dumps(found))
