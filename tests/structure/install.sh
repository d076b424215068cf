#!/bin/sh
# install.sh MESON BUILD: installs into a temporary tree, and builds and runs programs against what is there, by
# pkg-config alone.
set -u
meson=$1 build=$2
only=
[ "${3:-}" != --only ] || only=$4
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
count=0 failed=0

# result NAME COMMAND...: one test, which passes when the command does.
result() {
        name=$1
        shift
        [ -z "$only" ] || [ "$only" = "$name" ] || return 0
        count=$((count + 1))
        if "$@" >"$tree/log" 2>&1; then
                echo "ok $count - $name"
        else
                echo "not ok $count - $name"
                head -n 10 "$tree/log" | sed 's/^/# /'
                failed=1
        fi
}

DESTDIR=$tree "$meson" install -C "$build" --no-rebuild --quiet >"$tree/log" 2>&1 || {
        echo "Bail out! meson install: $(tail -n 1 "$tree/log")"
        exit 1
}
PKG_CONFIG_PATH=$(dirname "$(find "$tree" -name plait.pc)")
library=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$tree"
cd "$tree" || exit 1

cat >program.c <<'END'
#include <plait.h>

int main(void)
{
    plait_time before = plait_now();

    if (plait_sleep(PLAIT_MS) < 0)
        return 1;
    return plait_now() - before < PLAIT_MS;
}
END
cat >http.c <<'END'
#include <plait.h>
#include <plait/http.h>

int main(void)
{
    plait_response response;
    int rc = plait_http_get("no-such-protocol://host", &response);

    plait_response_done(&response);
    return rc >= 0;
}
END

# use COMPILER LINK PACKAGE SOURCE
# shellcheck disable=SC2317
use() {
        flags=$(pkg-config --cflags "$3") || return
        case $2 in
        shared) libs=$(pkg-config --libs "$3") || return ;;
        # our libraries' archives, the system's shared libraries
        static) libs=$(pkg-config --static --libs "$3" | sed 's/-l\(plait[a-z-]*\)/-l:lib\1.a/g') || return ;;
        wholly) libs="-static $(pkg-config --static --libs "$3")" || return ;;
        esac
        # shellcheck disable=SC2086
        $1 -Wall -Wextra -Werror $flags "$4" -o program $libs || return
        if [ "$2" != shared ] && ldd program | grep libplait; then
                return 1
        fi
        LD_LIBRARY_PATH=$library timeout 20 ./program
}

both() {
        result "a_program_outside_the_tree_$3" use "$1" shared "$2" "$4"
        result "a_program_outside_the_tree_linked_statically_$3" use "$1" static "$2" "$4"
}

both "${CC:-cc}" plait uses_plait program.c
result a_program_without_shared_libraries_uses_plait use "${CC:-cc}" wholly plait program.c
if command -v g++ >/dev/null; then
        both "g++ -xc++ -std=c++17" plait uses_plait_from_cxx program.c
fi
if [ -f "$PKG_CONFIG_PATH/plait-http.pc" ]; then
        both "${CC:-cc}" plait-http uses_plait_http http.c
fi
# Wherever it was put; LD_LIBRARY_PATH does not help it.
# shellcheck disable=SC2317
command_runs() {
        command=$(find "$tree" -name plait -type f -path '*/bin/*')
        [ -n "$command" ] && "$command" --version && (cd / && "$command" get --help >/dev/null)
}
[ ! -f "$PKG_CONFIG_PATH/plait-http.pc" ] || result the_installed_command_finds_its_libraries command_runs
result the_soname_has_its_version sh -c "readelf -d '$library/libplait.so' | grep -F '[libplait.so.0]'"
echo "1..$count"
exit "$failed"
