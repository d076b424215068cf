#!/bin/sh
# deps.sh [build] [test] [bench]: installs the Debian packages of debian-packages.txt that are absent, of the groups
# named (none: all). Says nothing when all is there. It never fails: what is still missing, the build itself will name.
cd "$(dirname "$0")/.." || exit 0

groups=${*:-build test bench}
wanted=$(sed 's/#.*//' debian-packages.txt | while read -r group package; do
        case " $groups " in *" $group "*) echo "$package" ;; esac
done)

# apt may know a package under another name (pkg-config is pkgconf on newer systems): its command being there is enough.
missing=
for package in $wanted; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
                command -v "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
        echo "plait: there is no apt-get here; in Debian's names these may be missing:$missing" >&2
        exit 0
fi

sudo=
if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        [ -t 0 ] || sudo='sudo -n'
fi
log=$(mktemp) || exit 0
trap 'rm -f "$log"' EXIT
apt() {
        # shellcheck disable=SC2086
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 </dev/null
}
echo "plait: installing$missing" >&2
# The lists of a fresh system are empty or stale: only then do they have to be fetched first.
# shellcheck disable=SC2086
if ! apt install -y --no-install-recommends $missing; then
        apt update
        if ! apt install -y --no-install-recommends $missing; then
                tail -n 5 "$log" >&2
                echo "plait: apt-get could not install them; missing:$missing" >&2
        fi
fi
exit 0
