# noqa: INP001 -- an example in a folder of pages, not a package
"""A small service to stand behind the sidecar: python docs/examples/service.py [PORT].

It is the one that `sidecar demo` uses: JSON, pages, uploads, event streams and a WebSocket echo.
"""

import sys

from aiohttp import web

from sidecar.fronts.demo.upstream import application

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    web.run_app(application(), host="127.0.0.1", port=port)
