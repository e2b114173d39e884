#!/bin/sh
# The Debian packages of ci/apt.txt: ci/apt.sh install (as root) | check (a missing one is an error).
set -eu
cd "$(dirname "$0")/.."
packages=$(sed 's/#.*//' ci/apt.txt)

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
    printf 'test-system: missing Debian packages (apt-get install): %s\n' "$absent" >&2
    exit 3
  }
  ;;
*)
  echo "usage: ci/apt.sh install | check" >&2
  exit 2
  ;;
esac
