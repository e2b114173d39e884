"""Judge what the head declares of the body: its size and its content type (RQ-1)."""

import re
from typing import ClassVar, Final

from sidecar.model.exchange import Exchange
from sidecar.model.memo import Memo
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.body import Body

# RFC 9110 §8.3.1: type "/" subtype, both tokens.
_ESSENCE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+\Z")
# Honest clients of a route send few content types; each set of body rules has a memory of its own.
_REMEMBERED_TYPES: Final = 64


class DeclaredBody(Step):
    """Refuse a body that is declared too large, of another type, or gRPC."""

    name: ClassVar[str] = "declared_body"
    reads: ClassVar[frozenset[str]] = frozenset({"head"})
    writes: ClassVar[frozenset[str]] = frozenset({"body_limit"})
    can_shadow: ClassVar[bool] = True

    def __init__(self, body: Body) -> None:
        self._limit = body.max
        self._types = body.content_types
        self._is_accepted = Memo(self._judge_type, _REMEMBERED_TYPES)

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the limit that streaming keeps to, whatever the head declares.

        Controls: RQ-1.
        """
        exchange.body_limit = self._limit
        head = exchange.head
        if head is None or head.length == 0:
            return PASS
        if head.length > self._limit:
            return Refuse(RefusalCode.PAYLOAD_TOO_LARGE, "declared length above the body limit")
        types = head.values(b"content-type")
        if not self._is_accepted(types[0] if types else b""):
            return Refuse(RefusalCode.UNSUPPORTED_MEDIA_TYPE, "content type is not accepted")
        return PASS

    def _judge_type(self, written: bytes) -> bool:
        essence = written.partition(b";")[0].strip(b" \t").lower().decode("latin-1")
        # gRPC needs HTTP/2 and response trailers, which the sidecar does not speak.
        if essence == "application/grpc" or essence.startswith("application/grpc+"):
            return False
        if self._types is None:
            return True
        if not _ESSENCE.match(essence):
            return False
        return essence in self._types or essence.partition("/")[0] + "/*" in self._types
