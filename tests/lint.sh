#!/bin/sh
# `make lint`: style, format, spelling, types, the Python that old distributions have, the house rules.
# `tests/lint.sh format` (`make format`) formats all Python.
# The tools come from PyPI into .venv, once; LINT_TOOLS=FOLDER names a folder that has them. Shellcheck
# is Debian's.
set -eu
cd "$(dirname "$0")/.."

tools=${LINT_TOOLS:-.venv/bin}
if [ -z "${LINT_TOOLS:-}" ] && ! cmp -s tests/lint-requirements.txt .venv/lint-requirements.txt; then
    /usr/bin/python3 -m venv .venv || {
        echo "lint needs python3-venv (apt-get install python3-venv)" >&2; exit 1; }
    .venv/bin/pip install --quiet --retries 5 -r tests/lint-requirements.txt || {
        echo "lint's tools come from PyPI, which pip could not reach: run make lint again, or name a" \
            "folder that has them in LINT_TOOLS" >&2; exit 1; }
    cp tests/lint-requirements.txt .venv/
fi

status=0
step() {
    echo "lint: $1"; shift
    "$@" || status=1
}
# What runs on the nodes. Vermin exits 1 when something needs a newer Python than those named.
agent="paf resource.d/pgsqlms bin/paf bin/paf-alert docs"
formatted="$agent lab lab/fence_paf_lab lab/machines/fence_paf_qmp setup.py tests trials"
if [ "${1:-}" = format ]; then
    exec "$tools/autopep8" --in-place --jobs 2 --recursive $formatted
fi

step "style and likely mistakes" "$tools/ruff" check --quiet --output-format concise .
# Prints the changes that it would make; `make format` makes them.
step "format" "$tools/autopep8" --diff --exit-code --jobs 2 --recursive $formatted
step "Python 2.6 and 3.4" "$tools/vermin" --quiet --no-tips --violations -t=2.6- -t=3.4- $agent
vermin_finds_a_newer_word() {
    newer=$(mktemp --suffix=.py)
    echo "import subprocess; subprocess.check_output(['x'], timeout=3)" > "$newer"
    ! "$tools/vermin" --quiet --no-tips -t=2.6- -t=3.4- "$newer" > /dev/null 2>&1 || {
        echo "vermin finds nothing in subprocess.check_output(timeout=3), which 2.6 has not" >&2
        rm -f "$newer"; return 1; }
    rm -f "$newer"
}
step "vermin finds a newer word" vermin_finds_a_newer_word
step "spelling" "$tools/codespell" paf bin units resource.d docs lab trials tests debian rpm ./*.md ./*.cfg Makefile
step "house rules" "${PYTHON3:-python3}" tests/house_rules.py
step "layers of imports" "${PYTHON3:-python3}" tests/layers.py
step "types" "$tools/mypy" --no-error-summary -p paf -p lab -p trials -p tests
step "shell scripts" shellcheck --severity=warning bin/paf-health .ci/run tests/*.sh tools/*.sh lab/machines/*.sh \
    debian/*.postinst debian/*.prerm debian/tests/metadata debian/tests/one-node
step "words" "${PYTHON3:-python3}" tests/words.py
exit $status
