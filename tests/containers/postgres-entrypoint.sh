#!/bin/bash
# Stands in for the entrypoint of the image postgres:17, in the little of it that compose.yaml uses: it creates the
# cluster in PGDATA, its user, database and password, and runs the scripts of /docker-entrypoint-initdb.d, once.
set -eu
PATH=/usr/lib/postgresql/17/bin:$PATH
if [[ ! -s $PGDATA/PG_VERSION ]]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl --options="-c listen_addresses=''" --wait start >/dev/null
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --file="$script"
    done
    pg_ctl --wait --mode=fast stop >/dev/null
fi
exec "$@"
