#!/bin/sh
# Make the secrets of compose.yaml once, in ./secrets.
set -eu

if ! mkdir -m 700 secrets; then
  echo "remove secrets first, if you mean it: keys of the old pepper are then worth nothing" >&2
  exit 1
fi

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
random > secrets/pepper
random > secrets/valkey-password
random > secrets/grafana-password

# Valkey has the digest alone, and lets the sidecar do what it needs and nothing else.
digest=$(sha256sum < secrets/valkey-password | cut -d ' ' -f 1)
cat > secrets/valkey-users << EOF
user default off
user sidecar on #$digest ~{sidecar}:* &{sidecar}:* +@read +@write +@scripting +@connection +@pubsub +time +info
EOF

# Users of containers read them, each those it is given; on this machine the folder is shut.
chmod 444 secrets/*
