#!/bin/sh
# Build the API server that tests/apiserver asks: ci/apiserver.sh FOLDER. Nothing is installed, and no
# root is needed: packages of Debian 12 are fetched and unpacked into FOLDER, which ends with
# bin/kube-apiserver and bin/etcd. It needs apt-get, dpkg-dev, make, patch, bash, Debian's keyring, 3 GB
# and ten minutes of CPU, once. MIRROR is another mirror of Debian.
set -eu
folder=${1:?usage: ci/apiserver.sh FOLDER}
mirror=${MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

test -x "$folder/bin/kube-apiserver" && test -x "$folder/bin/etcd" && exit 0
for program in apt-get bash dpkg-deb dpkg-source make patch; do
  command -v "$program" >/dev/null || {
    printf 'ci/apiserver.sh: %s is missing (apt-get install apt bash dpkg-dev make patch)\n' "$program" >&2
    exit 3
  }
done
mkdir -p "$folder/bin" "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/root"
folder=$(cd "$folder" && pwd)
cd "$folder"

# Lists of its own: another release than this machine's, or the same, is not touched.
for kind in deb deb-src; do
  printf '%s [signed-by=%s] %s bookworm main\n' "$kind" "$keyring" "$mirror"
done >sources.list
apt() {
  apt-get --quiet --quiet \
    -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" \
    -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
(cd cache && apt download etcd-server golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev)
for package in cache/*.deb; do
  dpkg-deb --extract "$package" root
done
(cd cache && apt source --download-only kubernetes)
rm -rf source
dpkg-source --extract cache/kubernetes_*.dsc source

# The one that is vendored reads the inside of Go's maps as they were: it crashes on the first patch.
reflect=source/vendor/github.com/modern-go/reflect2
rm -f "$reflect"/*.go "$reflect"/*.s
cp root/usr/share/gocode/src/github.com/modern-go/reflect2/* "$reflect"
# 1.20 refuses probes of init containers; releases that know native sidecars take them. It drops
# their restartPolicy all the same: the field is not in its types.
sed -i '/Probe.*must not be set for init containers/d' source/pkg/apis/core/validation/validation.go
# What it is needed for is a copy.
sed -i 's/rsync -pc {}/cp -p {}/' source/hack/lib/golang.sh

GOROOT=$folder/root/usr/lib/go-1.19
PATH=$GOROOT/bin:$PATH
HOME=$folder/home
GOCACHE=$folder/go-cache
export GOROOT PATH HOME GOCACHE CGO_ENABLED=0 GO111MODULE=off
(
  cd source
  GOPATH=$PWD/.go
  export GOPATH
  mkdir -p .go/src/k8s.io
  ln -sfn ../../.. .go/src/k8s.io/kubernetes
  make WHAT=cmd/kube-apiserver
)
cp root/usr/bin/etcd source/_output/bin/kube-apiserver bin
rm -rf source go-cache home root lists cache sources.list kubernetes_*
