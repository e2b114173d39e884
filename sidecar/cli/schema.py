"""`sidecar schema`: the JSON Schema of the policy language."""

import json
from pathlib import Path

import click

from sidecar.policy.schema.export import json_schema


@click.command(
    epilog="Example: sidecar schema --output sidecar.schema.json, and as the first line of a "
    "policy: # yaml-language-server: $schema=sidecar.schema.json"
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to a file instead of standard output.",
)
def command(output: Path | None) -> None:
    """Print the JSON Schema of the policy language, with which editors complete policies."""
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
