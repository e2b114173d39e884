"""`sidecar schema`: the JSON Schema of the policy language, and that of tests."""

import json
from pathlib import Path

import click

from sidecar.policy.cases.load import json_schema as tests_schema
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
@click.option("--tests", is_flag=True, help="Print that of files for `sidecar test` instead.")
def command(output: Path | None, *, tests: bool) -> None:
    """Print the JSON Schema of the policy language, with which editors complete policies."""
    schema = tests_schema() if tests else json_schema()
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
