#!/usr/bin/env bash
# test.sh [BUILD]...: builds and runs the tests, on each of these (none named: all five):
#
#   plain       as it is installed; all tests
#   asan        gcc, address and undefined-behaviour sanitizer, leaks where ptrace is allowed
#   tsan        clang, thread sanitizer
#   ucontext    the context switch for architectures without one of their own; core tests
#   aarch64     cross-compiled, run by qemu-user; core tests, without those on processes where the kernel cannot start a
#               foreign binary
#
# A warning is an error on all but the plain one. The last line sums all up: N passed, N failed, N skipped. It is kept
# in build/test-summary.
set -u
cd "$(dirname "$0")/.." || exit 1

builds=${*:-plain asan tsan ucontext aarch64}
mkdir -p build
rm -f build/test-summary
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT

# Sanitizers of these compilers' age do not know the wider address randomisation of newer kernels.
fixed_addresses=
setarch -R true 2>/dev/null && fixed_addresses='setarch -R'

# run NAME FOLDER PREFIX [SETUP OPTION]... -- [TEST OPTION]...
run() {
        local name=$1 folder=$2 prefix=$3 options=() log
        shift 3
        while [ "$1" != -- ]; do
                options+=("$1")
                shift
        done
        shift
        log=$(mktemp)
        SECONDS=0
        # `make demo` and `make bench` make a build without tests, perhaps before what the tests need was installed.
        if [ -f "$folder/build.ninja" ] && [ ! -d "$folder/tests" ]; then
                meson configure "$folder" -Dtests=true >"$log" 2>&1
        fi
        if ! { [ -f "$folder/build.ninja" ] || meson setup "$folder" "${options[@]}"; } >"$log" 2>&1 ||
                ! ninja -C "$folder" all meson-test-prereq >"$log" 2>&1; then
                cat "$log"
                echo "FAILED $name: it does not build; again: ninja -C $folder all meson-test-prereq"
                echo "0 1 0" >>"$counts"
        else
                grep -A 8 warning: "$log"
                rm -f "$folder/meson-logs/testlog.json"
                # shellcheck disable=SC2086
                $prefix meson test -C "$folder" --no-rebuild --quiet "$@" >"$log" 2>&1
                scripts/results.py "$name" "$folder" "$SECONDS" "$counts" "$prefix" || cat "$log"
        fi
        rm -f "$log"
}

skip() {
        echo "$1: skipped: $2"
        echo "0 0 1" >>"$counts"
}

for build in $builds; do
        case $build in
        plain)
                run plain build "" -- ;;
        asan)
                # As told by the sanitizer itself, whose leak checker needs ptrace.
                printf 'int main(void) { return 0; }\n' >build/leaks.c
                leaks=1
                if gcc -fsanitize=address build/leaks.c -o build/leaks && ! build/leaks; then
                        leaks=0
                fi 2>/dev/null
                [ "$leaks" = 1 ] || echo "asan: leaks are not looked for: ptrace is not allowed here"
                export ASAN_OPTIONS="detect_leaks=$leaks"
                run asan build-asan "$fixed_addresses" -Dwerror=true -Db_sanitize=address,undefined \
                        -Db_lundef=false -- --no-suite structure
                unset ASAN_OPTIONS ;;
        tsan)
                if ! command -v clang >/dev/null; then
                        skip tsan "clang is not installed"
                        continue
                fi
                # It sleeps for a second at the end of each process that has threads, and most of the tests' have.
                export TSAN_OPTIONS=atexit_sleep_ms=10
                CC=clang run tsan build-tsan "$fixed_addresses" -Dwerror=true -Db_sanitize=thread -Db_lundef=false -- \
                        --no-suite structure
                unset TSAN_OPTIONS ;;
        ucontext)
                run ucontext build-ucontext "" -Dwerror=true -Dswitch=ucontext -- --suite core ;;
        aarch64)
                if ! { command -v aarch64-linux-gnu-gcc && command -v qemu-aarch64; } >/dev/null; then
                        skip aarch64 "aarch64-linux-gnu-gcc or qemu-aarch64 is not installed"
                        continue
                fi
                run aarch64 build-aarch64 "" -Dwerror=true --cross-file tests/cross/aarch64.txt -Dhttp=disabled \
                        -Dcheck=disabled -- --suite core ;;
        *)
                echo "test.sh: no build is called $build" >&2
                exit 2 ;;
        esac
done

awk '{ passed += $1; failed += $2; skipped += $3 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$counts" | tee build/test-summary
! awk '{ failed += $2 } END { exit !failed }' "$counts"
