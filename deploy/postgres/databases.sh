#!/usr/bin/env bash
# Runs once, when the folder of PostgreSQL is new: a role and a database of its own for each service. The password is that in the
# service's own URL, so that it stands in one place.
set -euo pipefail

for file in /run/secrets/*_database; do
    name=$(basename "$file" _database)
    rest=$(<"$file")
    rest=${rest#postgres://*:}
    psql --quiet --set ON_ERROR_STOP=1 --username postgres --set name="$name" --set password="${rest%%@*}" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password' CONNECTION LIMIT 100;
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
