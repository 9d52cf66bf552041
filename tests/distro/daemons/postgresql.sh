# Its own users are told apart by who connects.
version=$(ls /usr/lib/postgresql)
pg_ctlcluster "$version" main start
until_true "the server answers" as postgres "psql -c 'select 1'"
is "peer authentication of postgres" postgres "$(as postgres "cd /; psql -Atc 'select current_user'")"
is "of another user as postgres" 'Peer authentication failed for user "postgres"' \
    "$(as www-data "cd /; psql -U postgres -c 'select 1'" 2>&1 | grep -o 'Peer authentication failed.*')"
is "of root" 'role "root" does not exist' "$(psql -c 'select 1' postgres 2>&1 | grep -o 'role.*')"
as postgres "cd /; createuser www-data"
is "of a user with a role" www-data "$(as www-data "cd /; psql -Atc 'select current_user' postgres")"
as postgres "cd /; dropuser www-data"
cluster=/var/lib/postgresql/$version/main
soon "the server" "$(user_ids postgres)" 'ids "$(head -n 1 "$cluster/postmaster.pid")"'
soon "ps" postgres 'users postgres'
is "its files" "" "$(find "$cluster" ! -user postgres -o ! -group postgres)"
is "its socket" "postgres:postgres 777" "$(owner /var/run/postgresql/.s.PGSQL.5432)"
pg_ctlcluster "$version" main stop -m fast
gone postgres
