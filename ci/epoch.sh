#!/bin/sh
# The moment that a build is dated with, in seconds since 1970: SOURCE_DATE_EPOCH if it is set, else
# the time of the commit. The same source gives the same bytes, whoever builds it and when.
set -eu
cd "$(dirname "$0")/.."

if test -z "${SOURCE_DATE_EPOCH-}"; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || {
    echo "epoch: this is no clone with a commit: set SOURCE_DATE_EPOCH to the seconds of the release" >&2
    exit 3
  }
fi
printf '%s\n' "$SOURCE_DATE_EPOCH"
