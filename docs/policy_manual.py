# noqa: INP001 -- a script in a folder of pages, not a package
"""The manual of the policy language, from its JSON Schema."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sidecar.decision.steps.security_headers import SecurityHeaders
from sidecar.model.exchange import Connection, Exchange
from sidecar.policy.schema.export import json_schema
from sidecar.policy.schema.headers import Headers

# JSON Schema is a tree of mappings and lists without fixed types.
Schema = Mapping[str, Any]


# What the pattern of a quantity holds, and no other.
_QUANTITIES: Final = {
    "(ms|s|m|h|d)": "duration",
    "(B|KB": "size",
    "/[0-9]*(ms|": "rate",
    "/(day|month)": "quota",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Set in the type of code."""
    return f"`{text}`"


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop, unless it begins with a name in code."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


class PolicyManual:
    """The policy language, section by section, as the JSON Schema describes it.

    Attributes:
        schema: the exported JSON Schema.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._defs: Mapping[str, Schema] = schema["$defs"]
        self._homes: dict[str, str] = {}

    def sections(self) -> Iterator[str]:
        """Write every section once, at the place where the language first needs it."""
        yield self._section("", self.schema)

    def _section(self, path: str, section: Schema, mark: str = "") -> str:
        required = set(section.get("required", section.get("else", {}).get("required", ())))
        own: list[list[str]] = []
        inner: list[str] = []
        for key, about in section["properties"].items():
            name = f"{path}.{key}" if path else key
            targets = self._sections_of(about)
            for target in targets:
                if target not in self._homes:
                    below = _whole(self._defs[target])
                    # One of several is told from the others by a key that it must have.
                    told = f" ({below['required'][0]})" if len(targets) > 1 else ""
                    self._homes[target] = name + _many(about) + told
                    inner.append(self._section(name + _many(about), below, told))
            own.append(self._row(key, about, is_required=key in required))
        heading = f"## `{path}`{mark}" if path else "## The document"
        text = sentence(str(section["description"]))
        body = table(("key", "value", "default", "what it says"), own)
        return "\n\n".join([f"{heading}\n\n{text}\n\n{body}", *inner])

    def _row(self, key: str, about: Schema, *, is_required: bool) -> list[str]:
        what = sentence(str(about["description"]))
        if example := _example(about):
            what += f" Example: {example}."
        value = self._value(about)
        homes = [self._homes[target] for target in self._sections_of(about)]
        if homes:
            value += f" ({', '.join(f'[{home}](#{_anchor(home)})' for home in homes)})"
        return [code(key), value, _default(about, is_required=is_required), what]

    def _sections_of(self, about: Schema) -> list[str]:
        """Name the sections that a key may hold, alone or in a list; none for plain values."""
        names = dict.fromkeys(re.findall(r"#/\$defs/(\w+)", json.dumps(about)))
        return [n for n in names if "properties" in _whole(self._defs[n])]

    def _value(self, about: Schema) -> str:
        """Say in a few words what a value looks like."""
        if name := about.get("$ref"):
            about = self._defs[str(name).rpartition("/")[2]]
        if "anyOf" in about or "oneOf" in about:
            forms = about.get("anyOf") or about["oneOf"]
            words = [self._value(form) for form in forms if not _is_aside(form)]
            return " or ".join(dict.fromkeys(words))
        if "const" in about:
            return code(_flow(about["const"]))
        if "enum" in about:
            return ", ".join(code(_flow(word)) for word in about["enum"])
        return self._typed(about)

    def _typed(self, about: Schema) -> str:
        kind = about.get("type")
        if kind == "array":
            return f"list of {self._value(about['items'])}"
        if kind == "object":
            return "mapping"
        if kind == "boolean":
            return "`true` or `false`"
        if kind in {"integer", "number"}:
            return f"number, {about['minimum']} to {about['maximum']}"
        pattern = about.get("pattern", "")
        return next((word for mark, word in _QUANTITIES.items() if mark in pattern), "text")


def _many(about: Schema) -> str:
    """Mark a key that holds several sections: a list, or a mapping whose keys are names."""
    if "array" in _types(about):
        return "[]"
    inner = about.get("additionalProperties")
    return ".*" + _many(inner) if isinstance(inner, dict) else ""


def _whole(section: Schema) -> Schema:
    """Take the long form of a section that has a short one."""
    forms: Sequence[Schema] = section.get("anyOf", ())
    return next((form for form in forms if "properties" in form), section)


def _is_aside(form: Schema) -> bool:
    """Leave out what goes for every key: null where a key is optional, `${NAME}` for numbers."""
    return form.get("type") == "null" or str(form.get("pattern", "")).startswith("^\\$\\{")


def _types(about: Schema) -> set[str]:
    forms = [about, *about.get("anyOf", ())]
    return {str(form.get("type")) for form in forms}


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-"))


def _default(about: Schema, *, is_required: bool) -> str:
    if is_required:
        return "**required**"
    if "default" in about:
        return code(_flow(about["default"]))
    if "null" in _types(about):
        return "not set"
    if "array" in _types(about):
        return code("[stdout]" if "minItems" in about else "[]")
    return code("{}") if about.get("type") == "object" else ""


def _flow(value: object) -> str:
    """Write a value as a policy may have it in one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value).replace('"', "")


def _example(about: Schema) -> str:
    """Show one example, unless the type says it all."""
    found = about.get("examples", ())
    if not found or "default" in about or "(" in about.get("pattern", "")[:3]:
        return ""
    example = found[0]
    if isinstance(example, list):
        flow = _flow(example)
        return code(flow) if "{" not in flow else ""
    return code(example)


def _presets() -> str:
    """Write what the presets of `headers` do, as the step that applies them shows it."""
    rows = [row for preset in ("api", "web") for row in _preset_rows(preset)]
    return table(("preset", "field", "value", "where the upstream sends its own"), rows)


def _preset_rows(preset: str) -> Iterator[list[str]]:
    step = SecurityHeaders(Headers.model_validate(preset))
    for name, value in _answered(step, []).items():
        kept = _answered(step, [f"{name}: its own".encode()])[name] == "its own"
        yield [
            code(preset),
            code(name),
            code(value),
            "the upstream's stays" if kept else "replaced",
        ]


def _answered(step: SecurityHeaders, lines: list[bytes]) -> dict[str, str]:
    """Apply the step to a response with some fields."""
    exchange = Exchange(Connection(peer="", is_tls=False, port=0), None, 0.0, b"")
    exchange.response_lines = lines
    step.apply(exchange)
    written = b"\r\n".join(exchange.response_lines).decode().split("\r\n")
    return {name: value for name, _, value in (line.partition(": ") for line in written)}


_WRITTEN: Final = """# Policy

A policy is one YAML file. Unknown keys, wrong types and contradictions are errors; `sidecar
check` lists all of them at once, each with its line, its column and a hint.
[config/sidecar.yaml](../../config/sidecar.yaml) is the same language as a commented example, and
`sidecar schema` prints it as JSON Schema, with which editors complete keys.

- **duration**: a whole number and a unit: `80ms`, `5s`, `15m`, `24h`, `90d`.
- **size**: a whole number and a unit: `512B`, `64KB`, `1MB` (10^6 bytes), `1MiB` (2^20 bytes).
- **rate**: units and a time, a millisecond to 31 days: `10/s`, `60/min`, `60/60s`, `1000/h`,
  `500/day`. **quota**: units and a period of the calendar, in UTC: `10000/day`, `1000000/month`.
- **secrets** (`admin.tokens[].token`): `file:PATH` or `env:NAME`. A literal secret works, and is
  a warning.
- `${NAME}` anywhere in a value is filled in from the environment; inside `{ }` and `[ ]` it
  needs quotes. `$${` stands for `${`.
- Plain words follow YAML 1.2: only `true`, `false`, `null` and numbers are typed; `no` and `on`
  are words. Duplicate keys, tags, merge keys (`<<`) and invisible characters are errors.
- Relative file names start at the folder of the file that names them.
- A section that has a short form (`upstream: URL`, `headers: web`) says so below as *text or
  mapping*.

## How a route is chosen

By host and path alone, segment by segment; a literal is more specific than `{name}` and `*`
(exactly one segment), and these are more specific than `**` (zero or more, last only). An exact
host precedes `*.example.com`, and that precedes no host. The most specific template wins,
whatever the order in the file; `sidecar check` prints the order. A template matches with and
without a trailing slash.

Then the method: one that the route does not list is 405, never a less specific route. Routes with
the same host and template merge by method; the same method twice is an error. What no template
matches is 404, and so is a path that only differs from a more specific template by case.
`/.sidecar/` is reserved and never reaches the service."""

_PRESETS: Final = """## Header presets

Both presets also take away `Server`, `X-Powered-By`, `X-AspNet-Version`, `X-AspNetMvc-Version`,
`X-Runtime` and `X-Generator`. `none` adds and takes nothing. `hsts` is apart from the presets and
goes with answers over TLS only."""


def policy_page() -> str:
    """Write the manual of the policy language."""
    parts = [_WRITTEN, *PolicyManual(json_schema()).sections(), _PRESETS, _presets()]
    return "\n\n".join(parts) + "\n"
