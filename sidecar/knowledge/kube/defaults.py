"""What API servers add to a container and its volumes on the way, which changes nothing.

An object that came back from one has these fields; without this knowledge a sidecar that is as it
should be would look like another.
"""

from collections.abc import Mapping
from typing import Final

DEFAULTS: Final[Mapping[str, object]] = {
    "defaultMode": 0o644,
    "failureThreshold": 3,
    "periodSeconds": 10,
    "protocol": "TCP",
    "scheme": "HTTP",
    "successThreshold": 1,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "timeoutSeconds": 1,
}
"""By field (API: v1, Container, Probe and Volume)."""
TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 -- a path
"""Where the account's token is mounted into every container that has nothing there."""
MOUNTS: Final = "volumeMounts"


def is_as_built(found: object, built: object) -> bool:
    """Tell whether what was found is what was built, but for what an API server adds.

    Args:
        found: a container, a volume, or a part of one.
        built: what it is to be.
    """
    if isinstance(found, dict) and isinstance(built, dict):
        return all(_is_member_as_built(key, found, built) for key in found.keys() | built.keys())
    if isinstance(found, list) and isinstance(built, list):
        pairs = zip(found, built, strict=False)
        return len(found) == len(built) and all(is_as_built(*pair) for pair in pairs)
    return type(found) is type(built) and found == built


def _is_member_as_built(key: str, found: Mapping[str, object], built: Mapping[str, object]) -> bool:
    if key not in found:
        return False
    if key == MOUNTS and key in built:
        return is_as_built(_without_token(found[key], built[key]), built[key])
    if key in built:
        return is_as_built(found[key], built[key])
    return key in DEFAULTS and is_as_built(found[key], DEFAULTS[key])


def _without_token(found: object, built: object) -> object:
    """Leave out of mounts what nobody but an API server asked for."""
    if not isinstance(found, list) or not isinstance(built, list):
        return found
    return [one for one in found if not _is_token(one) or one in built]


def _is_token(one: object) -> bool:
    """Tell whether something is a mount of the account's token, which nobody can write to."""
    return isinstance(one, dict) and (one.get("mountPath"), one.get("readOnly")) == (TOKEN, True)
