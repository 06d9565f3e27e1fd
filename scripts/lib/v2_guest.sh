#!/bin/sh
# What runs in the machine that "scripts/test --v2" boots (test_v2.sh): the first program there. It lies beside the programs of the agent's
# tests and runs them; control groups of version 2 are the only ones there. The second serial line is told 0 when all of it passed, else 1.

cd "$PROGRAMS" || exit
# With CI set a test that skips what it is for fails.
export CI=1 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
groups=/sys/fs/cgroup
result=0

say() { printf '\n==> %s\n' "$*"; }

wrong() {
    say "wrong: $*"
    result=1
}

# run STARTER PROGRAM NAME …: the program's tests with these names, each of which must be some test's. STARTER runs the command behind it.
run() {
    starter=$1 program=$2
    shift 2
    for name in "$@"; do
        "./$program" --list "$name" | grep -q ': test$' || wrong "$program has no test named $name"
    done
    $starter "./$program" --color never --test-threads 1 "$@" || result=1
}

# in_a_container COMMAND …: sees a group of its own, with itself in it, as the root of all groups.
in_a_container() {
    mkdir $groups/container
    sh -c 'echo $$ >"$0/cgroup.procs" && exec unshare --cgroup --mount "$@"' $groups/container sh -c '
        umount "$0" && mount -t cgroup2 cgroup2 "$0" && exec "$@"' $groups "$@"
}

mount -t cgroup2 cgroup2 $groups || exit
ip link set lo up
echo '+cpu +memory +pids' >$groups/cgroup.subtree_control
say "Linux $(uname -r), control groups of version 2: $(cat $groups/cgroup.controllers)"

say "what the agent knows of control groups"
run env agent runtime::process::cgroup:: shim::memory:: signs::count::

say "as on a host: $TESTS"
run env it $TESTS

say "as in a container, where the root of all groups is one with processes, and may not hand controllers down (EBUSY)"
run in_a_container it limits::
# Only who was told EBUSY makes the leaf.
[ -d $groups/container/init ] || wrong "the agent did not meet a root with processes"

echo $result >/dev/ttyS1
sync
echo o >/proc/sysrq-trigger
# The first program may not end before the machine has.
exec sleep infinity
