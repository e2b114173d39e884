"""Made-up requests to rich policies, and the plain runner that they are held to."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from sidecar.decision.pipeline import Generation
from sidecar.decision.runner import Waiting, decide, refuse_unanswered, resume
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.knowledge.http1.request import (
    HEAD_END,
    RequestHeadParser,
    new_hosts,
    new_request_lines,
)
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.knowledge.validate.reading import Judge, Reading
from sidecar.model.body import Collected
from sidecar.model.errors import ProtocolError, StoreUnavailableError
from sidecar.model.exchange import Connection, Exchange
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.ports import Answers, Store
from sidecar.model.questions import FindKey, FindTenant, JudgeBody, Question, ReadBody
from sidecar.model.refusals import RefusalCode
from tests.e2e.callers import ROUTES, a_token, callers, sections

NOW: Final = 1_800_000_000.0
SCHEMA: Final = '{"type": "object", "properties": {"n": {"type": "integer"}}}'

MORE_ROUTES: Final = [
    {"path": "/get", "methods": ["GET", "PUT"], "public": True, "addresses": {"deny": ["9.9.9.9"]}},
    {"path": "/files/{name}", "public": True, "allow_encoded_slash": True},
    {"path": "/forbid", "public": True, "forbid": {"query": ["db"], "json": ["db"]}},
    {"path": "/batch", "public": True, "body": {"items": 3, "max": "64KB"}},
    {"path": "/schema", "role": "viewer", "body": {"schema": "s.json"}},
    {"path": "/small", "public": True, "body": {"max": "10B", "content_types": ["text/*"]}},
    {"path": "/cel", "condition": "request.method == 'GET' && 'viewer' in caller.roles"},
    {"path": "/mcp", "role": "viewer", "mcp": {"tools": {"viewer": ["search"], "admin": ["*"]}}},
    {"path": "/bound", "role": "viewer", "bind": {"query": {"org": "tenant"}}},
    {"path": "/hook", "public": True, "webhook": {"scheme": "github", "secret": "file:shared"}},
    {"path": "/shadow", "role": "owner", "mode": "shadow"},
    {"path": "/strip/**", "public": True, "strip_prefix": "/strip"},
]


def rich(folder: Path, **more: object) -> dict[str, object]:
    """Write the sections of a policy that has a bit of everything."""
    (folder / "s.json").write_text(SCHEMA)
    written = sections(folder, {"store": "memory"})
    return {
        **written,
        "version": 1,
        "upstream": "http://127.0.0.1:3000",
        "listen": {"trusted_proxies": ["10.0.0.0/8"]},
        "cors": {"origins": ["https://shop.example"], "enforce": True, "credentials": True},
        "csrf": "ambient",
        "tiers": {"anonymous": {"limit": "1000000/min", "by": "address"}},
        "limits": {"default_tier": "anonymous"},
        "routes": [*ROUTES, *MORE_ROUTES],
        **more,
    }


METHODS: Final = ("GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW")
TARGETS: Final = (
    "/public", "/any", "/dev", "/admin", "/orgs/acme/items", "/orgs/globex/items", "/create",
    "/delete", "/transfer", "/scoped", "/service", "/projects/shop", "/projects/other",
    "/keys-only", "/get", "/files/a%2Fb", "/files/a", "/forbid?db=1", "/forbid?page=1", "/batch",
    "/schema", "/small", "/cel", "/mcp", "/bound?org=acme", "/bound?org=globex", "/hook",
    "/shadow", "/strip/a/b?c=d", "/nowhere", "/Admin", "/a//b", "/a/../b", "/any;x=1", "/any%",
    "*", "http://localhost/any",
)  # fmt: skip
FIELDS: Final = (
    ("Origin", "https://shop.example"), ("Origin", "https://evil.example"), ("Cookie", "s=1"),
    ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin"), ("X-User-Id", "forged"),
    ("X_User_Id", "forged"), ("X-Forwarded-For", "192.0.2.1, 198.51.100.2"),
    ("X-Request-Id", "from-outside"), ("Access-Control-Request-Method", "PUT"),
    ("Access-Control-Request-Headers", "content-type"), ("Connection", "X-Mine"), ("X-Mine", "1"),
    ("Content-Type", "application/json"), ("Content-Type", "text/plain"),
    ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "gzip"), ("Content-Length", "2x"),
    ("Expect", "200-ok"), ("Host", "shop.example"), ("Host", "a b"), ("Accept", "text/html"),
    ("Authorization", "Basic YTpi"), ("X-Bad\x01", "1"),
)  # fmt: skip
BODIES: Final = (
    b"", b"", b"", b"{}", b'{"n": 1}', b'{"n": "one"}', b'{"db": 1}', b"[1, 2, 3, 4]", b"[1]",
    b"text", b"x" * 20, b"[" + b"1," * 40_000 + b"1]", b'{"n": 1, "n": 2}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop"}}',
)  # fmt: skip
PEERS: Final = ("127.0.0.1", "10.0.0.9", "9.9.9.9", "2001:db8::7")


def made_up(seed: int, count: int, *, is_live: bool = False) -> Iterator[Asked]:
    """Make requests, the same ones for a seed.

    Args:
        seed: of the generator.
        count: how many.
        is_live: whether they go over a socket: from this machine, framed so that they end.
    """
    chance = Random(seed)  # noqa: S311 -- requests of a test
    who = [tuple(_field(line) for line in caller.lines) for caller in callers().values()]
    at = int(time.time() if is_live else NOW)
    tokens = [a_token(roles=[role], iat=at, exp=at + 600).decode() for role in ROLES]
    who += [(("Authorization", f"Bearer {token}"),) for token in tokens]
    for _ in range(count):
        fields = [*chance.choice(who)]
        fields += chance.sample(FIELDS, chance.choice((0, 0, 1, 1, 2, 3)))
        peer = "127.0.0.1" if is_live else chance.choice(PEERS)
        yield Asked(
            chance.choice(METHODS),
            chance.choice(TARGETS),
            tuple(fields),
            chance.choice(BODIES),
            peer,
            at=at,
        )


ROLES: Final = ("viewer", "admin", "nonsense")


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name, value.strip()


class FromStore:
    """Answers from a store, without any memory.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, question: Question) -> object:
        """Look it up."""
        if isinstance(question, FindKey):
            return await self._store.find_key(question.digests)
        if isinstance(question, FindTenant):
            return await self._store.tenant(question.tenant)
        raise StoreUnavailableError(f"nobody answers {type(question).__name__}")

    def find_soon(self, question: Question, then: object) -> bool:
        """Have whoever asks wait."""
        del question, then
        return False


@dataclass(frozen=True, slots=True)
class Ended:
    """How an exchange ended."""

    outcome: Refuse | Respond | None
    step: str
    route: str
    upstream: tuple[bytes, ...]
    target: bytes


def ended(exchange: Exchange, outcome: Refuse | Respond | None, step: str) -> Ended:
    """Collect how an exchange ended."""
    is_admitted = outcome is None
    return Ended(
        outcome,
        "" if is_admitted else step,
        getattr(getattr(exchange, "route", None), "name", "-"),
        tuple(exchange.upstream_lines) if is_admitted else (),
        exchange.upstream_path if is_admitted else b"",
    )


class Plain:
    """The plain runner, fed without sockets.

    Args:
        generation: the policy.
        answers: answers what is asked.
    """

    def __init__(self, generation: Generation, answers: Answers) -> None:
        self._generation = generation
        self._answers = answers
        self._lines = new_request_lines(generation.managed, generation.credentials)
        self._hosts = new_hosts()

    async def run(self, asked: Asked, own_id: bytes) -> Ended:
        """Decide a request."""
        generation = self._generation
        limits = generation.policy.listen.limits
        bounds = HeadLimits(limits.start_line, limits.head, limits.fields)
        parser = RequestHeadParser(bounds, self._lines, self._hosts)
        head_bytes, _, _ = asked.message().partition(HEAD_END)
        connection = Connection(asked.peer, is_tls=False, port=generation.policy.listen.proxy.port)
        try:
            head = parser.parse(head_bytes + HEAD_END)
        except ProtocolError as error:
            exchange = Exchange(connection, None, asked.at, own_id)
            return ended(exchange, Refuse(error.code, error.reason), "framing")
        body = asked.body if head.length else b""
        exchange = Exchange(connection, head, asked.at, own_id)
        outcome = decide(generation.edge, exchange, shadow=generation.shadow)
        assert not isinstance(outcome, Waiting)
        if outcome is None:
            plan = exchange.route
            outcome = await self._resumed(
                decide(plan.steps, exchange, shadow=plan.shadow), exchange, body
            )
        if outcome is None and len(body) > exchange.body_limit and not exchange.route.shadow:
            reason = "body above the limit while streaming"
            return ended(exchange, Refuse(RefusalCode.PAYLOAD_TOO_LARGE, reason), "declared_body")
        return ended(exchange, outcome, "" if outcome is None else exchange.refused_by)

    async def _resumed(
        self, outcome: Refuse | Respond | Waiting | None, exchange: Exchange, body: bytes
    ) -> Refuse | Respond | None:
        while isinstance(outcome, Waiting):
            try:
                answer = await self._answer(outcome.question, exchange, body)
            except StoreUnavailableError as error:
                refusal = Refuse(RefusalCode.STORE_UNAVAILABLE, error.reason, has_floor=True)
                return refuse_unanswered(outcome, refusal, exchange)
            outcome = resume(outcome, answer, exchange)
        return outcome

    async def _answer(self, question: Question, exchange: Exchange, body: bytes) -> object:
        if isinstance(question, ReadBody):
            objection = question.watch.objection(body) if question.watch is not None else None
            return objection or Collected(len(body), body, at=exchange.now)
        if isinstance(question, JudgeBody):
            assert isinstance(question.rules, Reading)
            assert question.body.content is not None
            return Judge(question.rules).judge(question.body.content, question.about)
        return await self._answers.find(question)


def written(policy: dict[str, object]) -> bytes:
    """Write a policy."""
    return json.dumps(policy).encode()
