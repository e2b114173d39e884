"""Helm, in a process of its own: one JSON request a line, one JSON answer a line.

The library brings the runtime of Go along, with its threads and signal handlers: not into a process
that runs other tests.
"""

import json
import sys
from typing import Any

import helm_python

# Values of a chart are a tree of mappings and lists without fixed types.
Values = dict[str, Any]


def answer(request: Values) -> Values:
    """Do what a request asks; what Helm refuses is an answer."""
    chart, values = request["chart"], request["values"]
    try:
        if request["work"] == "lint":
            return dict(helm_python.lint(chart, values, strict=True, with_subcharts=True))
        if request["work"] == "package":
            return {"package": helm_python.package(chart, destination=request["to"])}
        with helm_python.Chart.load(chart) as loaded:
            loaded.validate_schema(values)
            return {"files": loaded.render(values, name=request["name"], namespace="shop")}
    except helm_python.HelmError as error:
        return {"refused": str(error)}


def main() -> None:
    """Answer until the other side closes."""
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(answer(json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
