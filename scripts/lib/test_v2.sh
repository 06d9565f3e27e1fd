# The agent's limits where control groups of version 2 are the only ones, whatever this machine has: on Debian's own kernel, in a machine
# that QEMU emulates. Sourced by scripts/test. All of it lies below target/v2.

V2=$PWD/target/v2
# After how many seconds the machine is ended, done or not: nearly three times what it took on two cores that other work shared.
V2_WITHIN_S=1800
# The tests of crates/agent/tests/it that need controllers, or look at what workloads see of them; none needs a network.
V2_TESTS='limits:: sandbox:: signs:: exec:: adopt:: degraded:: life::a_stop_asks_first'

# test_v2 [NAME …]: boots the machine and runs the tests with these names in it, or all of V2_TESTS.
test_v2() {
    ((EUID == 0)) || fail "only root can make the disk of a machine"
    install_packages qemu-system-x86_64:qemu-system-x86 debootstrap:debootstrap mke2fs:e2fsprogs
    mkdir -p "$V2"
    make_system
    make_programs
    boot "${*:-$V2_TESTS}"
}

# make_system: kernel and disk of the machine, made once (it is made anew when target/v2 is gone): the Debian of
# this machine, so that programs that are built here run there.
make_system() {
    [[ -f $V2/system.ext4 ]] && return 0
    say "making the machine's disk below target/v2"
    local system=$V2/system codename packages=linux-image-cloud-amd64,python3,bubblewrap,nftables,iproute2,procps
    codename=$(source /etc/os-release && echo "$VERSION_CODENAME")
    # A run that was broken off may have left mounts in it.
    rm -rf --one-file-system "$system"
    debootstrap --variant=minbase --include="$packages" "$codename" "$system" >"$V2/debootstrap.log" ||
        fail "debootstrap failed: see $V2/debootstrap.log"
    rm -rf "$system"/var/cache/apt "$system"/var/lib/apt/lists
    echo '127.0.0.1 localhost' >"$system/etc/hosts"
    # Not this machine's, which debootstrap copied: one that nobody has (RFC 5737).
    echo 'nameserver 192.0.2.53' >"$system/etc/resolv.conf"
    cat >"$system/sbin/first" <<'FIRST'
#!/bin/sh
mkdir -p "$PROGRAMS" && mount -o ro LABEL=programs "$PROGRAMS" && exec sh "$PROGRAMS/v2_guest.sh"
FIRST
    chmod 755 "$system/sbin/first"
    mv "$system"/boot/vmlinuz-* "$V2/kernel"
    mv "$system"/boot/initrd.img-* "$V2/initrd"
    mke2fs -q -t ext4 -L system -d "$system" "$V2/system.new" 1G >/dev/null
    rm -rf "$system"
    mv "$V2/system.new" "$V2/system.ext4"
}

# make_programs: builds the agent and its tests, and a disk of them. V2_PROGRAMS is the folder in which the tests look for the agent.
make_programs() {
    local name path built programs=$V2/programs
    cargo test --package agent --lib --test it --no-run --message-format json-render-diagnostics >"$V2/build.json"
    built=$(python3 -c '
import json, sys
for message in map(json.loads, sys.stdin):
    if message.get("executable"):
        print(message["target"]["name"], message["executable"])' <"$V2/build.json")
    rm -rf "$programs" "$programs.ext4"
    mkdir "$programs"
    cp scripts/lib/v2_guest.sh "$programs"
    while read -r name path; do
        cp "$path" "$programs/$name"
        [[ $name != quire-agent ]] || V2_PROGRAMS=$(dirname "$path")
    done <<<"$built"
    mke2fs -q -t ext4 -L programs -d "$programs" "$programs.ext4" 512M >/dev/null
    rm -r "$programs"
}

# boot TESTS: the machine, from its start to its end; what it says goes to the output.
boot() {
    say "booting the machine: $1"
    rm -f "$V2/result"
    timeout --kill-after 10 "$V2_WITHIN_S" nice qemu-system-x86_64 \
        -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
        -nodefaults -no-user-config -display none -nic none -no-reboot \
        -kernel "$V2/kernel" -initrd "$V2/initrd" \
        -append "root=LABEL=system rw console=ttyS0 quiet loglevel=3 panic=-1 init=/sbin/first PROGRAMS=\"$V2_PROGRAMS\" TESTS=\"$1\"" \
        -drive "file=$V2/system.ext4,format=raw,if=virtio,snapshot=on" \
        -drive "file=$V2/programs.ext4,format=raw,if=virtio,readonly=on" \
        -serial stdio -serial "file:$V2/result" </dev/null &
    local machine=$! ended=0 result
    trap "kill $machine" EXIT
    wait "$machine" || ended=$?
    trap - EXIT
    ((ended == 0)) || fail "the machine failed, or was not done after $V2_WITHIN_S s: QEMU's code is $ended"
    result=$(tr -d '\r\n' <"$V2/result")
    case $result in
        0) say "passed" ;;
        1) fail "not all of it passed" ;;
        *) fail "the machine ended before it told a result" ;;
    esac
}
