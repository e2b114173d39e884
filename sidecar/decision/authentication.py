"""How a policy's callers prove who they are, compiled: provers, and the step of each route."""

from sidecar.decision.steps.authenticate import Authenticate, Withhold
from sidecar.decision.steps.failures import Failures
from sidecar.knowledge.auth.api_key import ApiKeyProver
from sidecar.knowledge.auth.credentials import Credentials, Places, Provers
from sidecar.model.headers import canonical
from sidecar.model.identity import Method
from sidecar.model.ports import AtHand
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route


class Authentication:
    """Makes the steps that find out who calls.

    Attributes:
        is_used: whether the policy has any method.
        provers: the methods that it has.
        credentials: reads what requests carry.
        fields: the field that carries keys, in lower case; none where there is none.
        managed_names: the same as `canonical` spells it, if it does not go on.
        withheld: query parameter that carries keys; empty for none.
    """

    __slots__ = (
        "_policy",
        "credentials",
        "fields",
        "is_used",
        "managed_names",
        "provers",
        "withheld",
    )

    def __init__(self, policy: Policy, at_hand: AtHand) -> None:
        self._policy = policy
        self.provers = _provers(policy, at_hand)
        self.is_used = policy.authentication.has_methods
        self.credentials = Credentials(_places(policy), self.provers)
        forwards = policy.authentication.forward_credential
        keys = policy.authentication.api_keys
        header = keys.header.lower().encode() if keys is not None and keys.header else b""
        self.fields = frozenset([header] if header else [])
        self.managed_names = frozenset([canonical(header)] if header and not forwards else [])
        self.withheld = b"" if forwards or keys is None or not keys.query else keys.query.encode()

    def step_for(
        self, route: Route | None, failures: Failures | None = None
    ) -> Authenticate | Withhold | None:
        """Make the step of a route, or of what no route matches; None where nothing is to be done.

        Args:
            route: the route; None stands for none.
            failures: counts failures; None for nobody.
        """
        if not self.is_used:
            return None
        section = self._policy.authentication
        if route is None or route.public:
            return None if section.forward_credential else Withhold(self.credentials)
        return Authenticate(
            self.credentials,
            None if route.authenticate is None else frozenset(map(Method, route.authenticate)),
            forwards=section.forward_credential,
            is_verbose=section.failure.verbose,
            failures=failures,
        )


def _provers(policy: Policy, at_hand: AtHand) -> Provers:
    section = policy.authentication
    keys = tokens = None
    if section.api_keys is not None:
        peppers = policy.secrets.pepper or ()
        keys = ApiKeyProver(section.api_keys, peppers, at_hand.keys)
    if section.has_tokens:
        # Cryptography is 9 MB that a policy without tokens does not pay.
        from sidecar.knowledge.auth.tokens import TokenProver

        tokens = TokenProver(section, at_hand)
    return Provers(keys, tokens)


def _places(policy: Policy) -> Places:
    section = policy.authentication
    keys = section.api_keys
    return Places(
        header=keys.header.lower().encode() if keys is not None and keys.header else b"",
        query=keys.query.encode() if keys is not None and keys.query else b"",
        cookie=section.cookie.encode() if section.cookie else b"",
        reads_bearer=section.has_tokens or (keys is not None and keys.bearer),
        takes_bearer_keys=keys is not None and keys.bearer,
    )
