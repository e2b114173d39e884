"""`sidecar tokens`: refuse tokens that others issued."""

import click

from sidecar.cli.exit_codes import DONE
from sidecar.cli.operator import Place, operated
from sidecar.cli.printing import plain, print_json, tell


@click.group(epilog="Example: sidecar tokens revoke --sub alice --policy policy.yaml")
def command() -> None:
    """Refuse tokens that others issued."""


@command.command(epilog="Example: sidecar tokens revoke --sid 8f3a --issuer https://idp.example")
@click.option("--jti", metavar="TEXT", help="One token, by its jti.")
@click.option("--sid", metavar="TEXT", help="The tokens of a session, later ones too.")
@click.option("--sub", metavar="TEXT", help="The tokens of a subject, issued before now.")
@click.option("--tenant", metavar="ID", help="The tokens of a tenant, issued before now.")
@click.option("--issuer", metavar="URL", help="Only those of this issuer; of all if left out.")
@click.option("--life", metavar="TIME", help="For how long; as long as a token can be valid.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@operated
def revoke(place: Place, /, *, as_json: bool, **said: str | None) -> int:
    """Revoke tokens by one of their claims; they are refused although their signature is good."""
    body = {name: value for name, value in said.items() if value is not None}
    document = place.call("POST", "/v1/tokens/revoke", body=body)
    if as_json:
        print_json(document)
    else:
        claim = next(name for name in ("jti", "sid", "sub", "tenant") if name in document)
        tell(f"tokens of {claim} {plain(document[claim])} are refused until {document['until']}")
    return DONE
