#!/usr/bin/env python3
"""Every function declared in a public header is exported by its library, and nothing is but plait_ and plait__ names.

exports.py ROOT CC HEADER=LIBRARY...    HEADER as below include/; *: every one that belongs to no other library
"""
import glob
import os
import re
import subprocess
import tempfile

from tap import Tap

# Names of libc that a library takes the place of on purpose.
ALLOWED = {"libplait.so": {"__libc_start_main"}, "libplait-http.so": set()}


def declared(root, compiler, headers):
    """The functions that these headers declare, by the compiler's own account of it."""
    include = os.path.join(root, "include")
    with tempfile.NamedTemporaryFile("r") as account:
        subprocess.run([compiler, "-std=gnu11", "-fsyntax-only", "-I", include, "-aux-info", account.name, "-xc", "-"],
                       input="".join("#include <%s>\n" % header for header in headers), text=True, check=True)
        # /* tree/include/plait/lock.h:12:NC */ extern void plait_lock_acquire (plait_lock *);
        found = re.findall(r"^/\* (\S+):\d+:\w+ \*/ extern .*?(\w+) \(", account.read(), flags=re.M)
    wanted = {os.path.join(include, header) for header in headers}
    return {name for path, name in found if path in wanted}


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", library], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


def compare(wanted, found, library):
    own = re.compile(r"plait_\w+")
    strangers = {name for name in found if not own.fullmatch(name)} - ALLOWED.get(library, set())
    return (["declared, and not exported: " + " ".join(sorted(wanted - found))] if wanted - found else [],
            ["exported, and not names of ours: " + " ".join(sorted(strangers))] if strangers else [])


def main():
    tap = Tap()
    root, compiler = tap.arguments[:2]
    libraries = dict(argument.split("=", 1) for argument in tap.arguments[2:])
    include = os.path.join(root, "include")
    # Headers of the libraries beside libplait, whether or not those are built here.
    others = {"plait/http.h", "plait/tls.h", "plait/hook.h", "plait/mpi.h"}
    for header_of, path in libraries.items():
        headers = [header_of]
        if header_of == "*":
            headers = sorted({os.path.relpath(header, include) for header in
                              glob.glob(include + "/*.h") + glob.glob(include + "/plait/*.h")} - others)
        library = re.sub(r"(\.\d+)+$", "", os.path.basename(path))
        missing, strangers = compare(declared(root, compiler, headers), exported(path), library)
        tap.result("%s_exports_what_its_headers_declare" % library, missing)
        tap.result("%s_exports_names_of_ours_only" % library, strangers)
    missing, strangers = compare({"plait_a", "plait_b"}, {"plait_a", "plait__c", "helper"}, "")
    tap.result("planted_violations_are_found", [] if len(missing) == 1 and len(strangers) == 1 else missing + strangers)
    tap.end()


if __name__ == "__main__":
    main()
