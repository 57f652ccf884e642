#!/bin/sh
# copy-source.sh FOLDER: copy what the packages are made from, the checkout as it is now,
# without what builds and tests left in it. From git and from a release's archive it is the same,
# permissions included.
set -eu
umask 022
cd "$(dirname "$0")/.."
mkdir -p "$1"

files() {
    if [ -e .git ]; then
        # git of root refuses the checkout of another user without this
        git -c safe.directory="$PWD" ls-files --cached --others --exclude-standard && return
        echo "copy-source: git lists no files; all are taken but those of builds" >&2
    fi
    find . -type f ! -name '*.pyc' ! -path './dist/*' ! -path './build/*' \
        \( ! -path './.*' -o -path './.ci/*' -o -path ./.gitignore \)
}

# a file that is deleted but not yet committed is still listed
files | while read -r file; do [ ! -e "$file" ] || echo "$file"; done |
    tar --create --files-from - --mode=u=rwX,go=rX |
    tar --extract --directory "$1" --no-same-owner --preserve-permissions
