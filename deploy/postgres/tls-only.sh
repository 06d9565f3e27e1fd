#!/usr/bin/env bash
# Runs once, when the folder of PostgreSQL is new: over the network only with TLS and a password.
set -euo pipefail

cat >"$PGDATA/pg_hba.conf" <<'HBA'
local   all all           peer
host    all all 127.0.0.1/32 scram-sha-256
hostssl all all all       scram-sha-256
HBA
