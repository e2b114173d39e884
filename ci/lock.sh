#!/bin/sh
# Write the locks: every package with the digests of its files, for Python 3.11 and later on Linux
# and macOS. No index is recorded, so the locks install from whatever mirror a machine is set up for.
set -eu
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS=1 # a network that inspects TLS has its authority there

annotations=--no-annotate

compile() {
  output=requirements/$1.txt
  shift
  .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
    "$annotations" --custom-compile-command "make lock" \
    --output-file "$output" "$@"
}

compile runtime pyproject.toml ${UPGRADE:+--upgrade}
compile dev pyproject.toml --group dev --constraints requirements/runtime.txt ${UPGRADE:+--upgrade}
# Who asked for what: the SBOM draws its graph from these lines.
annotations=--annotate
compile image pyproject.toml --all-extras --constraints requirements/dev.txt ${UPGRADE:+--upgrade}
annotations=--no-annotate
compile build pyproject.toml --group build --constraints requirements/dev.txt ${UPGRADE:+--upgrade}
compile peers --group peers ${UPGRADE:+--upgrade}
compile semgrep --group semgrep ${UPGRADE:+--upgrade}
printf 'uv\n' | compile bootstrap - --constraints requirements/dev.txt
