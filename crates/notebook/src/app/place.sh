# Places files among the notebook's own, where nothing is yet, and goes on. Arguments: path and content of each, --, what to go on with.
set -eu
while [ "$1" != -- ]; do
    file=$HOME/$1
    if [ ! -e "$file" ]; then
        mkdir -p "${file%/*}"
        printf %s "$2" >"$file.new"
        mv "$file.new" "$file"
    fi
    shift 2
done
shift
exec "$@"
