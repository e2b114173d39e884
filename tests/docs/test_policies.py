"""Every policy that a page shows is one, and the manual's defaults are the defaults."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.model.errors import PolicyError
from sidecar.policy.schema.export import json_schema
from tests.docs.pages import Block, pages
from tests.docs.policies import BROKEN, FRAGMENT, MARKS, OTHER, ROUTES_FRAGMENT, loaded, whole

# JSON Schema is a tree of mappings and lists without fixed types.
Schema = Mapping[str, Any]

BLOCKS = [block for page in pages() for block in page.blocks() if block.language == "yaml"]
EXTENDED = "# shared.yaml\n"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_every_policy_of_a_page_loads_without_a_warning(block: Block, tmp_path: Path) -> None:
    mark = "" if block.mark.startswith("file: ") else block.mark
    assert mark in MARKS, f"{block.place}: what is {mark!r}?"
    if mark == OTHER:
        assert "upstream:" not in block.text
        assert yaml.safe_load(block.text) is not None
        return
    _save_what_is_extended(tmp_path)
    if mark == BROKEN:
        with pytest.raises(PolicyError):
            loaded(whole(block), tmp_path)
        return
    if block.text.startswith(EXTENDED):
        block = replace(block, mark=FRAGMENT)
    found = loaded(whole(block), tmp_path)
    assert found.warnings == ()


def _save_what_is_extended(folder: Path) -> None:
    for block in BLOCKS:
        if block.text.startswith(EXTENDED):
            (folder / "shared.yaml").write_text(block.text, encoding="utf-8")


def test_a_fragment_is_judged(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="unknown key 'pathh'"):
        loaded(whole(Block("yaml", ROUTES_FRAGMENT, "- pathh: /\n", "here")), tmp_path)


def defaults(about: Schema, schema: Schema) -> Iterator[tuple[tuple[str, ...], object]]:
    """List every default of the schema with the path of its key, sections of lists left out."""
    if "$ref" in about:
        about = schema["$defs"][about["$ref"].rpartition("/")[2]]
    for form in about.get("anyOf", ()):
        if "properties" in form:
            about = form
    for key, below in about.get("properties", {}).items():
        if "default" in below:
            yield (key,), below["default"]
        if below.get("type") != "array":
            yield from (((key, *path), value) for path, value in defaults(below, schema))


def test_a_default_of_the_manual_written_out_changes_nothing(tmp_path: Path) -> None:
    schema = json_schema()
    smallest = whole(Block("yaml", "fragment", "mode: enforce", "here"))
    plain = loaded(smallest, tmp_path).policy
    policy: Any = yaml.safe_load(smallest) | {"upstream": {"url": "http://127.0.0.1:3000"}}
    found = list(defaults(schema, schema))
    assert len(found) > 25
    for path, value in found:
        if path[:2] != ("listen", "tls"):
            _lay(policy, path, value)
    assert loaded(json.dumps(policy), tmp_path).policy == plain


def _lay(policy: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *above, key = path
    for name in above:
        policy = policy.setdefault(name, {})
    policy[key] = value
