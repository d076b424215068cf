# make demo, test, bench, install: each installs what is missing (debian-packages.txt), builds by Meson in build/, and runs.
#
#   make demo URLS="https://… https://…" JSON=FILE   downloads these; writes the figures
#   make test BUILDS="plain tsan"     only these builds (plain asan tsan ucontext aarch64)
#   make bench JSON=FILE ROWS="lock yield-2"         the table as JSON too; only these rows (all)
#   make install PREFIX=/usr DESTDIR=/tmp/tree

.PHONY: all demo test bench deps install clean build deps-build deps-test deps-bench

all: build

deps:
	@scripts/deps.sh

deps-build:
	@scripts/deps.sh build

deps-test:
	@scripts/deps.sh build test

deps-bench:
	@scripts/deps.sh build bench

build: deps-build
	@[ -f build/build.ninja ] || meson setup build -Dtests=false >/dev/null || { cat build/meson-logs/meson-log.txt 2>/dev/null; exit 1; }
	@ninja -C build -n | grep -q 'no work to do' || ninja -C build

demo: build
	@JSON="$(JSON)" scripts/demo.sh $(URLS)

test: deps-test
	@scripts/test.sh $(BUILDS)

bench: deps-bench build
	@ninja -C build --quiet bench/bench >/dev/null
	@build/bench/bench $(if $(JSON),--json "$(JSON)") $(ROWS)

# Folders may be given as seen from here; a prefix holds for this once.
install: build
	@prefix="$(PREFIX)" tree="$(DESTDIR)"; \
	prefix=$${prefix:-/usr/local}; \
	case $$prefix in /*) ;; *) prefix=$$PWD/$$prefix ;; esac; \
	case $$tree in ''|/*) ;; *) tree=$$PWD/$$tree ;; esac; \
	meson configure build -Dprefix="$$prefix" && ninja -C build --quiet >/dev/null && \
	DESTDIR="$$tree" meson install -C build --no-rebuild --quiet && \
	{ [ -n "$$tree" ] || [ "$$(id -u)" != 0 ] || ldconfig; }

clean:
	rm -rf build build-asan build-tsan build-ucontext build-aarch64
