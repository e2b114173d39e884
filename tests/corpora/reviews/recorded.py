"""The reviews of this folder: recorded by `make reviews RECORD=1`, and replayed by `make test`.

Each file is one object that was asked of an API server. The request is laid out for readers; its
bytes come back from `sent`, and their digest is in the file. The patch is written out.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sidecar.knowledge.kube.wishes import Settings

FOLDER: Final = Path(__file__).parent
NAMES: Final = sorted(file.stem for file in FOLDER.glob("*.json"))
_WIDTH: Final = 100
_ESCAPED: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})

# Objects are trees of mappings and lists without fixed types.
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A review.

    Attributes:
        what: a sentence.
        server: version of the API server.
        settings: of the webhook.
        path: that was asked, with its query.
        fields: of the request's head.
        request: the AdmissionReview that came.
        sha256: of its bytes.
        response: the AdmissionReview that went out, its patch written out.
        status: what the API server then said to whoever asked it, of HTTP.
        warnings: likewise.
        message: likewise, where it refused.
        stored: the object that it keeps, without its managedFields; empty where it keeps none.
    """

    what: str
    server: str
    settings: Tree
    path: str
    fields: Tree
    request: Tree
    sha256: str
    response: Tree
    status: int
    warnings: list[str]
    message: str
    stored: Tree

    @property
    def object(self) -> Tree:
        """The object that was reviewed."""
        return dict(self.request["request"]["object"])

    @property
    def kind(self) -> str:
        return str(self.request["request"]["kind"]["kind"])

    def sent(self) -> bytes:
        """Return the bytes that came."""
        return sent(self.request)

    def answer(self) -> bytes:
        """Return the bytes that went out."""
        whole: Tree = json.loads(json.dumps(self.response))
        if "patch" in whole["response"]:
            patch = json.dumps(whole["response"]["patch"]).encode()
            whole["response"]["patch"] = base64.b64encode(patch).decode()
        return json.dumps(whole).encode()

    def injector(self) -> Settings:
        return Settings(**self.settings)


def read(name: str) -> Recorded:
    return Recorded(**json.loads((FOLDER / f"{name}.json").read_bytes()))


def write(name: str, recorded: Mapping[str, object]) -> None:
    """Write a file anew."""
    (FOLDER / f"{name}.json").write_text(f"{laid_out(recorded)}\n", encoding="utf-8")


def sent(tree: object) -> bytes:
    """Write a tree as encoding/json of Go does, which API servers use."""
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
    return f"{text.translate(_ESCAPED)}\n".encode()


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def with_patch(answer: bytes) -> Tree:
    """Read an answer, and write its patch out."""
    whole: Tree = json.loads(answer)
    if "patch" in whole["response"]:
        whole["response"]["patch"] = json.loads(base64.b64decode(whole["response"]["patch"]))
    return whole


def laid_out(tree: object, indent: str = "", taken: int = 0) -> str:
    """Write JSON in lines: what fits into one stands in one."""
    short = json.dumps(tree, ensure_ascii=False)
    if len(indent) + taken + len(short) <= _WIDTH or not isinstance(tree, dict | list) or not tree:
        return short
    inner = f"{indent} "
    if isinstance(tree, list):
        lines = [f"{inner}{laid_out(one, inner)}" for one in tree]
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    named = [(json.dumps(key, ensure_ascii=False), below) for key, below in tree.items()]
    lines = [f"{inner}{key}: {laid_out(below, inner, len(key) + 3)}" for key, below in named]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
