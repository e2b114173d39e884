#!/bin/sh
# Build the image with whichever builder is there: ci/image.sh [NAME:TAG] (default
# tenant-sidecar:VERSION). BUILDER names one; BUILD_ARGS goes on to it.
set -eu
cd "$(dirname "$0")/.."

fail() {
  printf 'image: %s\n' "$*" >&2
  exit 3
}

find_builder() {
  for program in buildah podman docker; do
    if command -v "$program" >/dev/null; then
      printf '%s\n' "$program"
      return
    fi
  done
  return 1
}

builder=${BUILDER-}
test -n "$builder" || builder=$(find_builder) ||
  fail "no builder on PATH: install buildah, podman or docker, or name one, as in make image BUILDER=/opt/bin/podman"
command -v "$builder" >/dev/null || fail "BUILDER=$builder is not on PATH"

version=$(sed -n 's/^__version__.*"\(.*\)"$/\1/p' sidecar/__init__.py)
test -n "$version" || fail "sidecar/__init__.py names no version"
revision=$(git rev-parse HEAD 2>/dev/null) || revision=unknown
# The time of the commit: the same source gives the same labels.
created=$(git log -1 --format=%cI 2>/dev/null) || created=1970-01-01T00:00:00Z
name=${1:-tenant-sidecar:$version}

# HEALTHCHECK is no part of the OCI format: buildah and podman keep it in Docker's.
case ${builder##*/} in
docker) format= ;;
*) format=--format=docker ;;
esac
# shellcheck disable=SC2086 # one word, none, or several
exec "$builder" build $format --file Dockerfile --tag "$name" \
  --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg CREATED="$created" \
  ${BUILD_ARGS-} .
