# Brings a repository into the notebook's files and goes on. Runs inside the notebook's sandbox, as its user and in its network; what it
# says is in the notebook's log, and where it fails the end of that is the reason that people read.
# Arguments: address, branch or tag or commit (may be empty), folder below HOME, what to go on with.
set -eu
url=$1 ref=$2 folder=$HOME/$3 work=$HOME/.quire-clone
shift 3

# Nobody is there to be asked for a password; other transports are not meant. git does not read the variable that says whom to trust.
fetch() (
    [ -z "${SSL_CERT_FILE:-}" ] || export GIT_SSL_CAINFO="$SSL_CERT_FILE"
    export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=false GIT_ALLOW_PROTOCOL=http:https
    exec git -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 -c advice.detachedHead=false "$@"
)

# A branch or a tag with its newest commit only.
clone_shallow() {
    case $ref in
    *[!0-9a-f]* | "") fetch clone --progress --depth 1 ${ref:+--branch "$ref"} -- "$url" "$work" ;;
    # What may be a commit has no name that a clone could take: fetched by itself, where the server gives that.
    *) git init -q "$work" && git -C "$work" remote add origin "$url" &&
        fetch -C "$work" fetch --progress --depth 1 origin "$ref" && git -C "$work" checkout -q FETCH_HEAD ;;
    esac
}

# All of it, for servers that give no part and for what has no name there, such as the beginning of a commit's.
clone_whole() {
    fetch clone --progress -- "$url" "$work" &&
        { [ -z "$ref" ] || git -C "$work" checkout -q "$ref" --; }
}

if [ ! -e "$folder" ]; then
    command -v git >/dev/null || {
        echo "cannot clone $url: git is missing on this node; its operator installs it with: apt-get install -y git" >&2
        exit 1
    }
    rm -rf "$work"
    clone_shallow || {
        rm -rf "$work"
        clone_whole || {
            rm -rf "$work"
            echo "cannot clone $url${ref:+ at $ref}" >&2
            exit 1
        }
    }
    mv "$work" "$folder"
fi
exec "$@"
