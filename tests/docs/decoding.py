"""What decodes a policy for a sidecar that serves, with the documented ports moved too."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sidecar.cli import decoding
from sidecar.policy.lint import Rule
from sidecar.policy.load import load_text
from sidecar.policy.text import Text
from tests.docs.moving import moved


def _moved(
    name: str, read: Callable[[str], bytes], environ: Mapping[str, str], rules: Sequence[Rule]
) -> Text:
    text = load_text(name, read, environ, rules)
    return replace(text, loaded=moved(text.loaded))


if __name__ == "__main__":
    vars(decoding).update(load_text=_moved)
    sys.exit(decoding.main(sys.argv[1:]))
