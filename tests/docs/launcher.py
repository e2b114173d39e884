"""The command `sidecar` with the documented ports moved to free ones: many tests share a machine.

Nothing else differs: the policy stays on disk as the page shows it, and the command line is the
real one.
"""

import sys
from importlib import import_module

from sidecar.cli import main

if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        # No other command listens, and each would import the whole proxy: half of what it takes.
        import_module("tests.docs.moving").move()
    main.main()
