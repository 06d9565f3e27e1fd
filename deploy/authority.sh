#!/bin/sh
# Runs in the service "authority": makes the cluster's authority once, and everybody's certificate anew at each start. A certificate
# and its key go into a volume that only their program has, and belong to the user that it runs as.
set -euf
umask 077

ours=10001:10001
postgres=999:999
root=0:0

# into VOLUME FILE NAME: puts a file in place in one step, so that nobody reads half of it.
into() {
    mv "$2" "/trust/$1/$3.new"
    mv "/trust/$1/$3.new" "/trust/$1/$3"
}

# issue NAME OWNER HOST…: a certificate for NAME, localhost (its own health check) and the hosts.
issue() {
    name=$1 owner=$2
    shift 2
    hosts=
    for host in "$name" localhost "$@"; do hosts="$hosts --host $host"; done
    # Split on purpose: no host has a space.
    quire authority issue /authority --name "$name" $hosts
    cp /authority/authority.pem "/authority/$name.authority"
    chown "$owner" "/authority/$name.key" "/authority/$name.pem" "/authority/$name.authority"
    into "$name" "/authority/$name.authority" authority.pem
    into "$name" "/authority/$name.key" server.key
    into "$name" "/authority/$name.pem" server.pem
}

[ -e /authority/authority.pem ] || quire authority create /authority
# Identity signs the nodes' certificates with it.
chown "$ours" /authority /authority/authority.pem /authority/authority.key

for name in identity inventory volume scheduler notebook billing journal; do
    issue "$name" "$ours"
done
issue gateway "$ours" "$HOST_NAME"
issue edge "$ours" "$HOST_NAME" "$NOTEBOOK_DOMAIN" "*.$NOTEBOOK_DOMAIN"
issue nats "$root"
issue postgres "$postgres"
