#!/bin/sh
# Build an environment from its lock: ci/setup.sh dev | compiled | peers | semgrep. Quick when nothing changed.
#
#   dev       .venv: the package, editable, and all that lint, types and tests need
#   compiled  .venv-compiled: the wheel as it is shipped, its hot path compiled (needs a C compiler)
#   peers     .venv-peers: the programs that benchmark, soak and system tests run beside the sidecar
#   semgrep   .venv-semgrep: Semgrep, which pins old versions of what the others use
#
# PYTHON names the interpreter (default python3); an environment of another one is built anew.
# Every file is checked against a digest of the locks, and nothing is built but the package itself.
set -eu
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS=1 # a network that inspects TLS has its authority there

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 3
}

identity() {
  "$1" -c 'import os, sys
print(os.path.realpath(sys.base_prefix), "%d.%d.%d" % sys.version_info[:3])'
}

# What the environment is made from; its digest is kept in it.
inputs() {
  cat ci/setup.sh "requirements/$lock.txt"
  case $part in
  dev) cat requirements/bootstrap.txt pyproject.toml ;;
  compiled) cat pyproject.toml && find sidecar -type f ! -name '*.pyc' | LC_ALL=C sort | xargs cat ;;
  esac
}

check_python() {
  command -v "$1" >/dev/null || fail "$1 is not installed: Python 3.11 or later is needed"
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$1 is older than Python 3.11: name a newer one, as in make setup PYTHON=python3.12"
  "$1" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$1 cannot make environments: install its venv module (Debian: apt-get install python3-venv)"
}

install_dev() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --require-hashes -r requirements/bootstrap.txt
  sync_lock
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
    --no-index --editable .
}

# Compiled once for all: a process that compiles a library anew at each start keeps what that took,
# 16 MB for the client of Redis, and a command takes twice as long.
sync_lock() {
  .venv/bin/uv pip sync --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes \
    --no-build "requirements/$lock.txt"
}

install_compiled() {
  command -v "${CC:-cc}" >/dev/null || fail "no C compiler (Debian: apt-get install gcc python3-dev)"
  sync_lock
  # mypyc leaves its modules beside the sources, where they would shadow them: build a copy. The
  # hook runs mypyc, and mypyc the compiler, by the names on PATH.
  copy=$(mktemp -d)
  cp -R sidecar pyproject.toml README.md LICENSE "$copy"
  find "$copy" -name '*.so' -exec rm {} +
  # The same source gives the same bytes: one moment, no order by chance, no path of this machine.
  # Without a commit the moment is hatchling's own, 2020-02-02. CPPFLAGS are added to the flags that
  # the interpreter was built with, where CFLAGS would replace them: -fwrapv, -DNDEBUG. The warning
  # (of -Wall) looks up the column of each `if`, in 90 MB of mypyc's indentation: minutes of nothing.
  epoch=$(ci/epoch.sh 2>/dev/null) || epoch=1580601600
  mkdir "$copy/build"
  (
    export SOURCE_DATE_EPOCH="$epoch" PYTHONHASHSEED=0 HATCH_MYPYC_BUILD_DIR="$copy/build"
    export CPPFLAGS="${CPPFLAGS-} -ffile-prefix-map=$copy=. -Wno-misleading-indentation"
    PATH="$PWD/$venv/bin:$PATH"
    cd "$copy"
    HATCH_BUILD_HOOKS_ENABLE=1 python -m hatchling build -t wheel -d "$copy/dist" >log 2>&1
  ) || { cat "$copy/log" >&2 && fail "the wheel cannot be built"; }
  .venv/bin/uv pip install --quiet --compile-bytecode --python "$venv/bin/python" --no-deps \
    --no-index --reinstall "$copy"/dist/*.whl
  mkdir -p dist
  mv "$copy"/dist/*.whl dist/
  rm -r "$copy"
}

part=${1-}
case $part in
dev) venv=.venv python=${PYTHON:-python3} lock=dev ;;
compiled) venv=.venv-compiled python=${PYTHON:-.venv/bin/python} lock=build ;;
peers) venv=.venv-peers python=${PYTHON:-.venv/bin/python} lock=peers ;;
semgrep) venv=.venv-semgrep python=${PYTHON:-.venv/bin/python} lock=semgrep ;;
*) fail "usage: ci/setup.sh dev | compiled | peers | semgrep" ;;
esac

have=$(identity "$venv/bin/python" 2>/dev/null) || have=
want=$have
if test -n "${PYTHON-}" || test -z "$have"; then
  check_python "$python"
  want=$(identity "$python")
fi
stamp="$want $(inputs | cksum)"
if test "$have" = "$want" && test "$stamp" = "$(cat "$venv/.made-from" 2>/dev/null)"; then
  exit 0
fi

printf 'setup: installing requirements/%s.txt into %s\n' "$lock" "$venv"
rm -f "$venv/.made-from"
test "$have" = "$want" || "$python" -m venv --clear "$venv" || fail "$python -m venv $venv failed"
case $part in
dev) install_dev ;;
compiled) install_compiled ;;
peers | semgrep) sync_lock ;;
esac
printf '%s\n' "$stamp" >"$venv/.made-from"
