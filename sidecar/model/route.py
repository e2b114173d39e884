"""What the policy says of one route, compiled: which steps run, and where the request goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from sidecar.model.events import RouteAction
from sidecar.model.outcome import Ask, Outcome
from sidecar.model.questions import Question

if TYPE_CHECKING:
    from sidecar.model.exchange import Exchange


class Step(Protocol):
    """One decision about a request.

    Attributes:
        name: as audit, metrics and `explain` call it.
        reads: facts of the exchange that it reads.
        writes: facts of the exchange that it writes, before it refuses if it refuses.
        can_shadow: whether `mode: shadow` may record its refusal and go on.
    """

    name: ClassVar[str]
    reads: ClassVar[frozenset[str]]
    writes: ClassVar[frozenset[str]]
    can_shadow: ClassVar[bool]

    def decide(self, exchange: "Exchange") -> Outcome | Ask:
        """Pass the exchange on, refuse it, or say what must be known first."""


class AskingStep(Step, Protocol):
    """A step that may have to wait for a fact of the outside world."""

    def resume(self, exchange: "Exchange", question: Question, answer: object) -> Outcome | Ask:
        """Go on with the answer to a question of its own.

        Args:
            exchange: the exchange that it asked for.
            question: the question, as it asked it.
            answer: the answer, of the type that the question's class names.
        """


class ResponseStep(Protocol):
    """One change of a response's field lines; it also runs for refusals at any step.

    Attributes:
        name: as `explain` calls it.
        may_read: facts of the exchange that it reads where they are set.
    """

    name: ClassVar[str]
    may_read: ClassVar[frozenset[str]]

    def apply(self, exchange: "Exchange") -> None:
        """Change `exchange.response_lines`."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Patience with an upstream, in seconds.

    Attributes:
        connect: until the connection stands, TLS included.
        response: from the end of the request to the response head.
        idle: silence inside a response body.
        event_stream: the same for text/event-stream.
    """

    connect: float
    response: float
    idle: float
    event_stream: float


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS towards an upstream.

    Attributes:
        server_name: name that its certificate must have.
        ca: file with the authorities to trust; None for the system's.
        certificate: file of our client certificate, if it wants one.
        key: file of its key.
    """

    server_name: str
    ca: str | None
    certificate: str | None
    key: str | None


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamTarget:
    """An upstream; routes whose targets have equal keys share its connections.

    Compared by identity, since hashing the fields would cost a microsecond for each request.

    Attributes:
        host: name or address; for a Unix socket empty.
        port: TCP port; 0 for a Unix socket.
        socket_path: Unix socket; empty for TCP.
        authority: Host that it gets when it is not the client's own.
        tls: how to speak TLS; None for clear text.
        connect_timeout: seconds until a connection must stand.
        idle_connections: idle connections that are kept.
        idle_seconds: for how long.
        owner: tenant whose upstream it is, and that shares its connections with no other (TN-6);
            empty for an upstream of the policy.
    """

    host: str
    port: int
    socket_path: str
    authority: bytes
    tls: UpstreamTls | None
    connect_timeout: float
    idle_connections: int
    idle_seconds: float
    owner: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two targets the same upstream."""
        return (
            self.host, self.port, self.socket_path, self.tls, self.connect_timeout,
            self.idle_connections, self.idle_seconds, self.owner,
        )  # fmt: skip

    def __str__(self) -> str:
        """Read as a URL."""
        if self.socket_path:
            return f"unix://{self.socket_path}"
        return f"{'https' if self.tls else 'http'}://{self.authority.decode()}"


class Mark:
    """Tells a route from every other, also from one of the same name."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A route, compiled.

    Attributes:
        name: the route's template, the label in metrics and audit.
        steps: ROUTE steps, in order; those that it does not use are absent.
        response: RESPONSE steps, also for what the sidecar itself answers.
        timeouts: patience with its upstream.
        shadow: whether refusals of ROUTE steps are only recorded.
        identity: those of its steps that find out who the caller is; asked again when a credential
            of an exchange under way may not hold any more.
        answers_preflights: whether CORS preflights for it are answered here.
        actions: what its exchanges are called in the audit; the first that fits, else as always.
        mark: tells it from every other; who only has to know it again holds this, and no policy.
    """

    name: str
    steps: Sequence[Step]
    response: Sequence[ResponseStep]
    timeouts: Timeouts
    shadow: bool
    identity: Sequence[Step] = ()
    answers_preflights: bool = False
    actions: Sequence[RouteAction] = ()
    mark: Mark = field(default_factory=Mark, init=False, compare=False, repr=False)
