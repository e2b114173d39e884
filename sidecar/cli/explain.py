"""`sidecar explain`: why a request is admitted or refused, without sending it."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from sidecar.adapters.ids import UuidV7
from sidecar.adapters.reading import PIPE_SECONDS, read_file, reading
from sidecar.adapters.stores.opening import default_file
from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE, CommandError, ExitCode
from sidecar.cli.explained import tell
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.explaining import Explainer, Explanation
from sidecar.fronts.proxy.rehearsal.known import (
    Careful,
    TenantsOfStore,
    assumed,
    fresh_limits,
)
from sidecar.fronts.proxy.rehearsal.report import document, lines
from sidecar.knowledge.rules import RULES
from sidecar.lasting import Around
from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.moments import read_moment
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeySet, Principal
from sidecar.model.ports import AtHand, Event, NothingAtHand
from sidecar.outside import Outside
from sidecar.policy.cases.load import read_caller
from sidecar.policy.load import load_text
from sidecar.policy.schema.policy import Policy
from sidecar.policy.text import Text

_EXPECTED: Final = {"admit": ("admit", "answer"), "refuse": ("refuse",)}
_TOLD: Final = {"admit": ("admitted", "answered"), "refuse": ("refused",)}
"""The same of what a running sidecar decided; what failed or was given up is neither."""
_WITH_REQUEST: Final = frozenset(
    ("policy", "request", "admin", "token_file", "expect", "is_json")
)  # fmt: skip
_BODY_BYTES: Final = 64 << 20
_DOTS: Final = 2
"""Dots of a token in compact form (RFC 7515 §7.1)."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What the command line says, beside the request."""

    text: Text
    asked: Asked
    is_offline: bool
    jwks: tuple[str, ...]


@click.command(
    epilog='Example: sidecar explain policy.yaml --method POST --path /orders --as "$KEY"'
)
@click.argument(
    "policy",
    metavar="POLICY",
    required=False,
    type=click.Path(exists=True, dir_okay=False, readable=True),
)
@click.option("--method", default="GET", show_default=True, help="Method of the request.")
@click.option("--path", "target", default="/", show_default=True, help="Path and query.")
@click.option("--host", help="Value of Host; localhost if left out.")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Field; may be repeated."
)
@click.option(
    "--body", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File of the body."
)
@click.option("--as", "credential", metavar="KEY|JWT", help="Credential to send.")
@click.option("--principal", metavar="JSON", help="Caller to assume, without a credential.")
@click.option("--from", "sender", metavar="ADDRESS", default="127.0.0.1", help="Client's address.")
@click.option("--tls", is_flag=True, help="The request comes over TLS.")
@click.option("--at", metavar="TIME", help="When it comes: RFC 3339, a date, or 5m from now.")
@click.option("--jwks", multiple=True, metavar="[ISSUER=]FILE", help="Key set of an issuer.")
@click.option("--offline", is_flag=True, help="Ask neither the state store nor an issuer.")
@click.option("--expect", type=click.Choice(["admit", "refuse"]), help="Exit with 1 if not so.")
@click.option("--request", metavar="ID", help="Explain this request of a running sidecar instead.")
@click.option(
    "--admin",
    envvar="SIDECAR_ADMIN",
    metavar="URL",
    help="Its admin listener. [env: SIDECAR_ADMIN]",
)
@click.option(
    "--token-file",
    envvar="SIDECAR_ADMIN_TOKEN_FILE",
    metavar="FILE",
    help="File with a token for it. [env: SIDECAR_ADMIN_TOKEN_FILE]",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead of text.")
def command(  # noqa: PLR0913 -- as many as a request has parts
    *,
    policy: str | None,
    method: str,
    target: str,
    host: str | None,
    headers: tuple[str, ...],
    body: Path | None,
    credential: str | None,
    principal: str | None,
    sender: str,
    tls: bool,
    at: str | None,
    jwks: tuple[str, ...],
    offline: bool,
    expect: str | None,
    request: str | None,
    admin: str | None,
    token_file: str | None,
    is_json: bool,
) -> int:
    """Explain why a request is admitted or refused, step by step, and what would change it.

    POLICY decides a request that is only described. With --request a running sidecar tells what it
    decided lately, by the value of X-Request-Id; POLICY then adds the lines.

    Nothing is sent, charged or used up.

    Exit status: 0; with --expect 1 if it came out otherwise; 2 wrong usage; 3 no store.
    """
    if request is not None:
        _refuse_beside_request()
        return _met(expect, _TOLD, tell(request, admin, token_file, policy, is_json=is_json))
    if policy is None:
        raise click.UsageError("Missing argument 'POLICY', or --request ID of a running sidecar")
    text = load_text(policy, reading(policy), os.environ, RULES)
    fields = [*([("Host", host)] if host is not None else []), *map(_field, headers)]
    if credential is not None:
        fields.append(_credential(text.loaded.policy, credential))
    asked = Asked(
        method, target, tuple(fields), b"" if body is None else _body(body), _address(sender),
        tls, _moment(at), _assumed(text.loaded.policy, principal, credential),
    )  # fmt: skip
    if not asked.is_one_request:
        raise click.UsageError("a line break in a part of the request would make it two")
    explanation = asyncio.run(_explained(_Given(text, asked, offline, jwks)))
    _print(explanation, is_json=is_json)
    return _met(expect, _EXPECTED, explanation.played.word)


def _met(expect: str | None, words: Mapping[str, tuple[str, ...]], word: str) -> ExitCode:
    return DONE if expect is None or word in words[expect] else NO


def _refuse_beside_request() -> None:
    """Refuse what describes a request, where one that was decided is asked for."""
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_given and name not in _WITH_REQUEST:
            raise click.UsageError(f"--request explains what was decided: without {option.opts[0]}")


def _print(explanation: Explanation, *, is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(document(explanation), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(explanation)))


def _field(written: str) -> tuple[str, str]:
    name, colon, value = written.partition(":")
    if not colon or not name:
        raise click.UsageError("--header is no field: write 'Name: value'")
    return name, value.strip()


def _body(file: Path) -> bytes:
    return read_file(str(file), _BODY_BYTES, seconds=PIPE_SECONDS)


def _credential(policy: Policy, credential: str) -> tuple[str, str]:
    """Put a credential where clients put theirs."""
    keys = policy.authentication.api_keys
    is_token = credential.count(".") == _DOTS and credential.startswith("eyJ")
    if is_token or keys is None or keys.header is None:
        return "Authorization", f"Bearer {credential}"
    return keys.header, credential


def _address(sender: str) -> str:
    try:
        return str(ip_address(sender))
    except ValueError as error:
        raise click.UsageError("--from is no address: 192.0.2.7 or 2001:db8::7") from error


def _moment(at: str | None) -> float:
    now = time.time()
    try:
        return now if at is None else read_moment("--at", at, now)
    except BadValueError as error:
        raise click.UsageError(f"{error.message} ({error.hint})") from error


def _assumed(policy: Policy, principal: str | None, credential: str | None) -> Principal | None:
    if principal is None:
        return None
    if credential is not None:
        raise click.UsageError("give either --as or --principal")
    found = read_caller(principal).principal(policy)
    if found is None:
        raise click.UsageError('--principal says nothing of the caller: {"tenant": "acme"}')
    return found


async def _explained(given: _Given) -> Explanation:
    new_id = UuidV7(time.time, os.urandom)
    policy = given.text.loaded.policy
    async with _knowledge(given) as (answers, known):
        explainer = Explainer(given.text, known, answers, new_id, answers.notes)
        played = await explainer.stage(policy).play(given.asked)
        return await explainer.explain(played)


_Known = Callable[[Policy], AtHand]


@asynccontextmanager
async def _knowledge(given: _Given) -> AsyncIterator[tuple[Careful, _Known]]:
    """Open what may be asked, for reading."""
    policy = given.text.loaded.policy
    key_sets = _key_sets(policy, given.jwks)

    def known(variant: Policy) -> AtHand:
        return assumed(variant, lambda: given.asked.at)

    why = _why_not(policy, is_offline=given.is_offline)
    if why is not None or not policy.has_store:
        answers = Careful(None, None, key_sets, why or "the policy asks nobody")
        if why is not None and policy.has_store:
            answers.notes.append(f"nobody is blocked and no token is revoked, it is assumed: {why}")
        yield answers, known
        return
    outside = Outside(policy, _around())
    try:
        await outside.start()
    except StoreUnavailableError as error:
        await outside.close()
        raise CommandError(f"{error.reason}; --offline asks no store", FAILED) from error
    try:
        yield (
            Careful(outside.answers, outside.store, key_sets),
            lambda variant: _of_store(outside, variant, given.asked.at),
        )
    finally:
        await outside.close()


def _of_store(outside: Outside, variant: Policy, at: float) -> AtHand:
    """Make what steps know from a store, but for what they would change in it."""
    known = assumed(variant, lambda: at)
    found = outside.at_hand
    blocks = found.blocks if variant.blocks is not None else known.blocks
    return replace(
        known,
        keys=found.keys,
        tenants=TenantsOfStore(variant, found.tenants),
        revocations=found.revocations,
        key_sets=NothingAtHand(),
        limits=fresh_limits(variant, lambda: at),
        blocks=blocks,
    )


def _why_not(policy: Policy, *, is_offline: bool) -> str | None:
    """Say why the store cannot be asked; None where it can be."""
    if is_offline:
        return "--offline"
    if policy.state.store == "memory":
        return "the state is in the memory of the running sidecar"
    if policy.state.store.startswith("sqlite:"):
        name = policy.state.store.removeprefix("sqlite:")
        try:
            path = Path(name) if name else default_file(os.environ)
        except StoreUnavailableError as error:
            return error.reason
        if not path.exists():
            return "there is no state file yet, hence no key"
    return None


def _key_sets(policy: Policy, given: tuple[str, ...]) -> dict[str, KeySet]:
    if not given:
        return {}
    from sidecar.knowledge.auth.key_set import read_key_set

    issuers = [one.issuer for one in policy.authentication.jwt]
    found = {}
    for written in given:
        issuer, mark, name = written.rpartition("=")
        names = [issuer] if mark else issuers
        if not set(names) <= set(issuers) or len(names) != 1:
            raise click.UsageError(f"--jwks ISSUER=FILE, with one of: {', '.join(issuers)}")
        published = read_key_set(names[0], reading(name)(name), time.time())
        if isinstance(published, str):
            raise CommandError(f"{name}: {published}", USAGE)
        found[names[0]] = published.key_set
    return found


class _Unheard:
    """Takes no note: nothing happens here that an audit would want."""

    def note_event(self, event: Event) -> None:
        """Take no note."""


def _around() -> Around:
    return Around(os.environ, time.time, time.monotonic, _Unheard(), lambda _: None, lambda _: None)
