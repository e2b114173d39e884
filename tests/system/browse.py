"""Opens pages in a real browser and says what came of what they tried.

A program of its own, for .venv-peers: it reads a plan from standard input and writes to standard
output, as JSON, for each page the outcomes by attempt and what the console said of errors.

    {"rules": "MAP * 127.0.0.1", "script": "...", "visits": [{"url": "...", "attempts": [...],
     "with": {...}}]}
"""

import json
import sys
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
PATIENCE_MS: Final = 20_000


# A plan and its outcomes are trees of JSON, without fixed types.
def visited(browser: Browser, script: str, visit: dict[str, Any]) -> dict[str, Any]:
    """Open a page in a fresh profile, and have it try one thing after the other."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(visit["url"])
        outcomes = {
            name: page.evaluate(f"async ([name, using]) => await ({script})[name](using)",
                                [name, visit["with"]])
            for name in visit["attempts"]
        }  # fmt: skip
    finally:
        context.close()
    return {"outcomes": outcomes, "errors": errors}


def main() -> None:
    """Carry the plan out."""
    plan = json.load(sys.stdin)
    flags = [*FLAGS, f"--host-resolver-rules={plan['rules']}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            found = [visited(browser, plan["script"], visit) for visit in plan["visits"]]
        finally:
            browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
