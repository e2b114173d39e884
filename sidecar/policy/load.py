"""A policy file, and what it extends, as one policy: every problem in one run."""

import hashlib
import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Environment
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from sidecar.model.errors import PolicyError, Problem
from sidecar.policy.decode import decode
from sidecar.policy.document import Document, parse
from sidecar.policy.lint import Rule, lint
from sidecar.policy.loaded import Loaded
from sidecar.policy.nodes import Entry, Mapping, Place, Scalar
from sidecar.policy.schema.policy import Policy
from sidecar.policy.text import Text
from sidecar.policy.written import Sources

_PROFILES: Final = PurePath(__file__).parent / "profiles"
PROFILES: Final = (
    "agent-platform",
    "agent-workspace",
    "edge-database",
    "interaction-api",
    "license-platform",
    "try",
)
"""What `extends` may name beside files."""

_PROFILE_NAME: Final = re.compile(r"[a-z][a-z0-9-]*\Z")


def load(
    name: str,
    read: Callable[[str], bytes],
    environ: Environment[str, str],
    rules: Sequence[Rule] = (),
) -> Loaded:
    """Load a policy.

    Args:
        name: name of the policy file.
        read: reads a file by name; raises OSError.
        environ: variables for `${NAME}` and `env:NAME`.
        rules: rules of higher levels, for what a policy says in other languages.

    Raises:
        PolicyError: with every error and every warning, in the order of the text.
    """
    return load_text(name, read, environ, rules).loaded


def load_text(
    name: str,
    read: Callable[[str], bytes],
    environ: Environment[str, str],
    rules: Sequence[Rule] = (),
) -> Text:
    """Load a policy as `load` does, and keep its text for whoever asks for lines."""
    files: dict[str, str] = {}
    text = _Loading(Sources(noting(read, files), environ), rules).load(name)
    return replace(text, loaded=replace(text.loaded, name=name, files=tuple(files.items())))


def noting(read: Callable[[str], bytes], files: dict[str, str]) -> Callable[[str], bytes]:
    """Read files, and note the digest of each.

    Args:
        read: reads a file by name; raises OSError.
        files: gets the hex digest of each file that is read; empty for one that cannot be, or that
            was another one each time.
    """

    def noted(name: str) -> bytes:
        former = files.setdefault(name, "")
        content = read(name)
        digest = hashlib.sha256(content).hexdigest()
        files[name] = digest if former in {"", digest} else ""
        return content

    return noted


def load_try(upstream: str, read: Callable[[str], bytes], environ: Environment[str, str]) -> Loaded:
    """Load the package's profile `try` with an upstream of the caller's.

    Args:
        upstream: URL of the upstream, taken as it is.
        read: reads the profile's file.
        environ: variables, of which the profile names none.

    Raises:
        PolicyError: when the URL cannot be an upstream; its place is `--upstream`.
    """
    place = Place("--upstream", 0, 0)
    url = Scalar(place, upstream, upstream, PurePath())
    extends = Scalar(place, "try", "try", PurePath())
    entries = {"extends": Entry(place, extends), "upstream": Entry(place, url)}
    written = Document(Mapping(place, entries), [])
    return _Loading(Sources(read, environ)).finish(written, upstream.encode()).loaded


@dataclass(frozen=True, slots=True)
class _Loading:
    """The steps from a name to a policy."""

    sources: Sources
    rules: Sequence[Rule] = ()

    def load(self, name: str) -> Text:
        try:
            content = self.sources.read(name)
        except (OSError, ValueError) as error:
            hint = "name a policy file that exists and may be read"
            raise PolicyError([Problem(name, 0, 0, "", unread(error), hint)]) from error
        return self.finish(parse(name, content, self.sources.environ), content)

    def finish(self, own: Document, content: bytes) -> Text:
        if own.root is None:
            raise PolicyError(own.problems)
        digest = hashlib.sha256(content)
        root, problems = own.root, list(own.problems)
        if (extends := own.root.entries.get("extends")) is not None:
            general, general_content = self._extended(extends)
            digest.update(general_content)
            problems += general.problems
            root = own.root if general.root is None else merged(general.root, own.root)
        names: dict[Place, str] = {}
        if "openapi" in root.entries:
            # Only policies with a document pay for reading one.
            from sidecar.policy.openapi.laying import lay

            laid = lay(root, self.sources)
            digest.update(laid.content)
            root, names, problems = laid.root, laid.pointers, problems + laid.problems
            if not laid.is_good and "routes" not in root.entries:
                # That there are no routes is a consequence.
                raise PolicyError(problems)
        policy = self._judge(root, problems, names)
        loaded = Loaded(policy, tuple(problems), digest.hexdigest())
        return Text(loaded, root, self.sources)

    def _judge(
        self, root: Mapping, problems: list[Problem], names: Environment[Place, str]
    ) -> Policy:
        decoded = decode(root, self.sources)
        # The first problem of a place is the cause of the others: a variable that is not set is
        # no number either.
        known = {(problem.file, problem.line, problem.column) for problem in problems}
        found = list(decoded.problems)
        if decoded.policy is not None:
            found += lint(decoded.policy, root, decoded.broken, self.rules)
        if names:
            found = _renamed(found, names)
        problems += [p for p in found if (p.file, p.line, p.column) not in known or not p.line]
        problems.sort(key=lambda p: (p.file != root.place.file, p.file, p.line, p.column))
        if decoded.policy is None or not all(problem.warning for problem in problems):
            raise PolicyError(problems)
        return decoded.policy

    def _extended(self, extends: Entry) -> tuple[Document, bytes]:
        """Read what a policy extends; an empty tree and a problem if that cannot be."""
        node = extends.node
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            # The schema says what is wrong with it.
            return Document(None, []), b""
        name = str(
            _PROFILES / f"{node.value}.yaml"
            if _PROFILE_NAME.match(node.value)
            else node.folder / node.value
        )
        try:
            content = self.sources.read(name)
        except (OSError, ValueError) as error:
            hint = f"a file relative to this one, or a profile: {', '.join(PROFILES)}"
            return Document(None, [_problem(node.place, unread(error), hint)]), b""
        general = parse(name, content, self.sources.environ)
        if general.root is not None and (nested := general.root.entries.pop("extends", None)):
            hint = "one level only: take extends out of this file, or name its file directly"
            general.problems.append(
                _problem(nested.key, "a policy that is extended extends another", hint)
            )
        return general, content


def _renamed(found: list[Problem], names: Environment[Place, str]) -> list[Problem]:
    """Call what came from a document as it is called there, and say each mistake once."""
    from sidecar.policy.openapi.described import printable

    places = ((problem, Place(problem.file, problem.line, problem.column)) for problem in found)
    named = [
        replace(p, path=printable(names[at]), message=printable(p.message)) if at in names else p
        for p, at in places
    ]
    return list(dict.fromkeys(named))


def merged(general: Mapping, special: Mapping) -> Mapping:
    """Lay one tree over another: mappings merge, lists and single values replace."""
    entries = dict(general.entries)
    for name, entry in special.entries.items():
        below = entries.get(name)
        if (
            below is not None
            and isinstance(below.node, Mapping)
            and isinstance(entry.node, Mapping)
        ):
            entries[name] = Entry(entry.key, merged(below.node, entry.node))
        else:
            entries[name] = entry
    return Mapping(special.place, entries)


def unread(error: OSError | ValueError) -> str:
    """Say why a file cannot be read; ValueError: it is named what no file can be called."""
    return f"cannot be read: {getattr(error, 'strerror', None) or 'no such file'}"


def _problem(place: Place, message: str, hint: str) -> Problem:
    return Problem(place.file, place.line, place.column, "extends", message, hint)
