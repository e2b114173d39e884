"""What an API server asks of an admission webhook, and the answer (admission.k8s.io/v1).

An AdmissionReview comes in, and one goes out with a JSON Patch, or a refusal that says its mend.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sidecar.knowledge.kube.pod import Injection, inject_pod
from sidecar.knowledge.kube.service import inject_service
from sidecar.knowledge.kube.tree import ManifestError, Tree, mapping, named
from sidecar.knowledge.kube.wishes import Settings

API: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE"})
_MOST_WARNING: Final = 256
"""Characters of a warning that API servers pass on."""


NOTHING: Final = Injection()


class Result(StrEnum):
    """What became of a review."""

    INJECTED = "injected"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    MALFORMED = "malformed"
    OVERLOADED = "overloaded"
    FAILED = "failed"


_CODES: Final[Mapping[Result, int]] = {
    Result.REFUSED: 422,
    Result.MALFORMED: 400,
    Result.OVERLOADED: 503,
    Result.FAILED: 500,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a review.

    Attributes:
        result: what became of it.
        uid: of the question; empty where none could be read.
        of: kind, namespace and name of the object, for the log.
        is_dry: whether nothing will be stored.
        reason: why it is refused; empty else.
        injection: the edits and notes.
    """

    result: Result
    uid: str = ""
    of: str = ""
    is_dry: bool = False
    reason: str = ""
    injection: Injection = NOTHING

    def body(self) -> bytes:
        """Write the answer for the API server."""
        response: dict[str, object] = {"uid": self.uid, "allowed": not self.reason}
        if self.reason:
            response["status"] = {"code": _CODES[self.result], "message": f"sidecar: {self.reason}"}
        if self.injection.notes:
            notes = (f"sidecar: {note}" for note in self.injection.notes)
            response["warnings"] = [note[:_MOST_WARNING] for note in notes]
        if self.injection.operations:
            patch = [one.as_json() for one in self.injection.operations]
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
        document = {"apiVersion": API, "kind": KIND, "response": response}
        return json.dumps(document).encode()


def pod(tree: Tree, settings: Settings) -> Injection:
    """Say what puts the sidecar into a pod that is made."""
    return inject_pod(tree, (), settings)


def service(tree: Tree, settings: Settings) -> Injection:
    """Say what leads a Service to the sidecar: its annotation, for no pod is seen here."""
    del settings
    injection = inject_service(tree, (), ())
    # That it is left alone is the rule here, and no news.
    return injection if injection.operations else NOTHING


KINDS: Final[Mapping[str, Callable[[Tree, Settings], Injection]]] = {
    "Pod": pod,
    "Service": service,
}


def decide(body: bytes, kind: str, settings: Settings) -> Decision:
    """Answer a review.

    Args:
        body: what the API server sent.
        kind: what is asked about here: a key of `KINDS`.
        settings: for all pods.

    Returns:
        The decision; whatever cannot be read is refused.
    """
    try:
        request = _request(body)
    except (ManifestError, ValueError, RecursionError) as error:
        return Decision(Result.MALFORMED, reason=f"this is no {KIND} of {API}: {error}")
    uid, of, is_dry = named(request, "uid"), _about(request), request.get("dryRun") is True
    asked = request.get("kind")
    sort = asked if isinstance(asked, dict) else {}
    if (sort.get("group"), sort.get("version"), sort.get("kind")) != ("", "v1", kind):
        reason = f"{of} came to the webhook for a {kind} (mend: the rules of the configuration)"
        return Decision(Result.MALFORMED, uid, of, is_dry, reason)
    if request.get("operation") not in _OPERATIONS or request.get("subResource"):
        return Decision(Result.UNCHANGED, uid, of, is_dry)
    try:
        injection = KINDS[kind](mapping(request.get("object"), ("object",)), settings)
    except ManifestError as error:
        return Decision(Result.REFUSED, uid, of, is_dry, str(error))
    result = Result.INJECTED if injection.operations else Result.UNCHANGED
    return Decision(result, uid, of, is_dry, injection=injection)


def _request(body: bytes) -> Tree:
    document: object = json.loads(body)
    review = mapping(document, ())
    if (named(review, "apiVersion"), named(review, "kind")) != (API, KIND):
        raise ValueError("apiVersion or kind is another")
    request = mapping(review.get("request"), ("request",))
    if not named(request, "uid"):
        raise ValueError("request.uid is missing")
    return request


def _about(request: Tree) -> str:
    """Name what is asked about: a pod of a Deployment has no name yet, only how it will begin."""
    found = request.get("object")
    tree = found if isinstance(found, dict) else {}
    metadata = tree.get("metadata")
    about = metadata if isinstance(metadata, dict) else {}
    asked = request.get("kind")
    kind = named(asked, "kind") if isinstance(asked, dict) else ""
    name = named(request) or named(about) or f"{named(about, 'generateName')}*"
    return f"{kind or 'something'} {named(request, 'namespace')}/{name}"
