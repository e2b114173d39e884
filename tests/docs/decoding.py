"""What decodes a policy for a sidecar that serves, with the documented ports moved too."""

import sys

from sidecar.cli import decoding
from sidecar.policy.load import load
from tests.docs.launcher import moving

if __name__ == "__main__":
    vars(decoding).update(load=moving(load))
    sys.exit(decoding.main(sys.argv[1:]))
