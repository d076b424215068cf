#!/usr/bin/env python3
"""Every public header compiles alone, without a warning or a feature macro, as C11 and as C++17, by gcc and by clang.

headers.py ROOT
"""
import concurrent.futures
import glob
import os
import shutil
import subprocess

from tap import Tap

COMPILERS = [["gcc", "-std=c11", "-xc"], ["clang", "-std=c11", "-xc"],
             ["g++", "-std=c++17", "-xc++"], ["clang++", "-std=c++17", "-xc++"]]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wshadow"]
# Uses what a program writes, so that what the macros expand to is compiled too.
USE = """#include <plait.h>
int use(void);
int use(void)
{
    PLAIT_GROUP(group, .keep_going = true);
    PLAIT_WITHIN(PLAIT_S);
    PLAIT_SHIELD(PLAIT_S);
    static plait_lock lock;
    static plait_rlock rlock;
    PLAIT_LOCKED(&lock);
    PLAIT_LOCKED(&rlock);
    plait_queue *queue = NULL;
    plait_event event;
    int item = 1;
    const int sent = 2;
    plait_case cases[] = {
        PLAIT_GET(queue, &item), PLAIT_PUT(queue, &sent), PLAIT_EVENT(&event), PLAIT_TASK(NULL), PLAIT_READABLE(0),
        PLAIT_WRITABLE(1), PLAIT_AFTER(PLAIT_S), PLAIT_AT(plait_now()),
    };
    cases[0] = PLAIT_AFTER(0);
    plait_ignore(plait_select(cases, sizeof cases / sizeof cases[0]));
    return plait_group_wait(&group);
}
"""


def compile_text(compiler, root, text):
    command = compiler[:2] + WARNINGS + ["-I", os.path.join(root, "include"), compiler[2], "-c", "-o", os.devnull, "-"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    errors = run.stderr.splitlines()
    return errors[:10] if run.returncode else []


def main():
    tap = Tap()
    root = tap.arguments[0]
    include = os.path.join(root, "include")
    headers = sorted(os.path.relpath(path, include) for path in
                     glob.glob(include + "/*.h") + glob.glob(include + "/plait/*.h"))
    tests = [("%s_alone.%s" % (header, compiler[0]), compiler, "#include <%s>\n" % header)
             for header in headers for compiler in COMPILERS]
    tests += [("macros_in_a_program." + compiler[0], compiler, USE) for compiler in COMPILERS]
    tests = [test for test in tests if tap.wants(test[0]) and shutil.which(test[1][0])]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda test: compile_text(test[1], root, test[2]), tests)
        for test, problems in zip(tests, results):
            tap.result(test[0], problems)
    for compiler in COMPILERS:
        if not shutil.which(compiler[0]):
            tap.result("headers_alone." + compiler[0], [], compiler[0] + " is not installed")
        elif not compile_text(compiler, root, "static int unused;\n"):
            tap.result("a_warning_is_an_error." + compiler[0], ["an unused static variable was not reported"])
        else:
            tap.result("a_warning_is_an_error." + compiler[0], [])
    tap.end()


if __name__ == "__main__":
    main()
