#!/bin/sh
# copy-source.sh FOLDER: copy what the packages are made from, the checkout as it is now,
# without what builds and tests left in it. From git and from a release's archive it is the same,
# permissions included.
set -eu
umask 022
cd "$(dirname "$0")/.."
mkdir -p "$1"
if [ -e .git ]; then
    # a file that is deleted but not yet committed is still listed
    git ls-files --cached --others --exclude-standard | while read -r file; do
        [ ! -e "$file" ] || echo "$file"
    done
else
    find . -type f ! -name '*.pyc' ! -path './dist/*' ! -path './build/*' \
        \( ! -path './.*' -o -path './.ci/*' -o -path ./.gitignore \)
fi | tar --create --files-from - --mode=u=rwX,go=rX |
    tar --extract --directory "$1" --no-same-owner --preserve-permissions
