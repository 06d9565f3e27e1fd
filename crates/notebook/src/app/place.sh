# Waits for the files of a template, which are brought from outside, places them where nothing is yet, and goes on.
# Arguments: the template's name, what to go on with.
set -eu
brought=$HOME/.quire/template name=$1
shift
# That this is there is the sign that somebody waits.
mkdir -p "$brought"
turns=0
while [ ! -e "$brought/ready" ]; do
    turns=$((turns + 1))
    [ "$turns" -le 900 ] || {
        echo "the files of template $name did not come; start the notebook again" >&2
        exit 1
    }
    sleep 0.1
done
if [ -d "$brought/files" ]; then
    cd "$brought/files"
    find . -type f -exec sh -euc '
        for file; do
            if [ ! -e "$HOME/$file" ]; then
                mkdir -p "$HOME/${file%/*}"
                mv "$file" "$HOME/$file"
            fi
        done' place {} +
    cd "$HOME"
fi
# Files that come a second time may be coming still.
rm -rf "$brought" || :
exec "$@"
