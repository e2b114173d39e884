"""`sidecar diff`: who gains and who loses by another policy."""

import os

import click

from sidecar.adapters.reading import reading
from sidecar.cli.differences import document, table
from sidecar.cli.exit_codes import DONE, NO
from sidecar.cli.printing import print_json
from sidecar.decision.diff.compare import compare
from sidecar.decision.pipeline import build
from sidecar.knowledge.rules import RULES
from sidecar.policy.load import load_text
from sidecar.policy.text import Text

_FILE = click.Path(exists=True, dir_okay=False, readable=True)


@click.command(epilog="Example: sidecar diff old.yaml policy.yaml --exit-code")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What to print: a table, or one JSON object.",
)
@click.option(
    "--exit-code", "is_judged", is_flag=True, help="End with 1 if it widens, or may widen."
)
def command(old: str, new: str, form: str, *, is_judged: bool) -> int:
    """Say who gains and who loses access to what by another policy.

    Defaults, profiles and documents are resolved, and routes are compared by the requests that they
    get. What cannot be judged counts as widening. The digest at the end names exactly these
    changes, for `sidecar reload --acknowledge`.

    Exit status: 0 done, 1 a policy has mistakes or, with --exit-code, it widens; 2 usage.
    """
    before, after = _loaded(old), _loaded(new)
    diff = compare(before.loaded, after.loaded)
    if form == "json":
        print_json(document(diff, before, after))
    else:
        for part in table(diff, before, after):
            click.echo(part)
    return NO if is_judged and diff.widens else DONE


def _loaded(name: str) -> Text:
    text = load_text(name, reading(name), os.environ, RULES)
    # Patterns and expressions of a policy are compiled here; a bad one is its author's too.
    build(text.loaded.policy)
    return text
