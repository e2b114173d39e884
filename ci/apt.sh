#!/bin/sh
# The Debian packages of a list in this folder: ci/apt.sh install (as root) | check (a missing one is
# an error), and the list, apt.txt if none is named.
set -eu
cd "$(dirname "$0")"
list=${2:-apt.txt}
packages=$(sed 's/#.*//' "$list")

missing() {
  for package in $packages; do
    dpkg-query --show --showformat '${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed || printf '%s ' "$package"
  done
}

case ${1-} in
install)
  test -n "$(missing)" || exit 0
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet --quiet
  # shellcheck disable=SC2086 # one word for each package
  apt-get install --quiet --quiet --yes --no-install-recommends $packages
  ;;
check)
  absent=$(missing)
  test -z "$absent" || {
    printf 'ci/%s: missing Debian packages (apt-get install): %s\n' "$list" "$absent" >&2
    exit 3
  }
  ;;
*)
  echo "usage: ci/apt.sh install | check [LIST]" >&2
  exit 2
  ;;
esac
