#!/bin/sh
# Build the pure wheel and the archive of the source: ci/wheel.sh [FOLDER] (default dist). The same
# source gives the same bytes, whoever builds it, where and when. ci/setup.sh compiled: the compiled one.
set -eu
cd "$(dirname "$0")/.."
SOURCE_DATE_EPOCH=$(ci/epoch.sh)
export SOURCE_DATE_EPOCH
exec "${PYTHON:-.venv/bin/python}" -m hatchling build -d "${1:-dist}"
