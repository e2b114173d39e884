"""`sidecar reload`: have a running sidecar read its policy anew."""

import click

from sidecar.cli.exit_codes import DONE, USAGE, CommandError
from sidecar.cli.operator import Place, operated
from sidecar.cli.printing import print_json, tell


@click.command(
    epilog="Example: sidecar reload --dry-run --admin http://127.0.0.1:9901 --token-file token"
)
@click.option(
    "--dry-run", "is_dry", is_flag=True, help="Say what would change, and change nothing."
)
@click.option(
    "--acknowledge",
    "digest",
    metavar="DIGEST",
    help="Bring it into force though it widens access: the changes that DIGEST names.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead of text.")
@operated
def command(place: Place, *, is_dry: bool, digest: str | None, is_json: bool) -> int:
    """Have a running sidecar read its policy, secrets and certificates anew.

    A policy that cannot be used leaves the one before in force. Exit status: 0 it is in force, or
    nothing has changed; 1 it is not, 2 usage, 3 the sidecar cannot be asked.
    """
    if place.policy is not None:
        raise CommandError(
            "a policy is read anew by the sidecar that serves it (--admin URL --token-file FILE)",
            USAGE,
        )
    if is_dry and digest:
        raise CommandError("--dry-run acknowledges nothing: leave one of both out", USAGE)
    query = {"dry_run": "1"} if is_dry else {"acknowledge": digest} if digest else {}
    document = place.call("POST", "/v1/reload", query=query)
    if is_json:
        print_json(document)
        return DONE
    for line in changes if isinstance(changes := document.get("changes"), list) else ():
        tell(line)
    if is_dry and document.get("widens"):
        tell(f"widens: after a review: sidecar reload --acknowledge {document.get('digest')}")
    tell(f"{document.get('result')}: sha256 {document.get('after')}")
    return DONE
