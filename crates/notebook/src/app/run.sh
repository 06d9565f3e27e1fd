# Runs the command of a template and goes on. What it says is in the notebook's log, and where it fails the end of that is the reason
# that people read. Arguments: the command, what to go on with.
set -eu
command=$1
shift
sh -c "$command" </dev/null || {
    code=$?
    echo "the command of the template ended with exit code $code" >&2
    exit 1
}
exec "$@"
