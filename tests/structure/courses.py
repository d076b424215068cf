#!/usr/bin/env python3
"""The same seed gives the same course of events, whatever the library was compiled with.

courses.py ROOT
"""
import glob
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from tap import Tap

WAYS = [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O0"), ("clang", "-O2")]
SWITCHES = {"x86_64": ("prepare_x86_64.c", "switch_x86_64.S"), "aarch64": ("prepare_aarch64.c", "switch_aarch64.S")}


def sources(root):
    switch = SWITCHES.get(platform.machine(), ("switch_ucontext.c",))
    found = sorted(glob.glob(os.path.join(root, "src", "*", "*.c")))
    found = [path for path in found if not os.path.basename(path).startswith(("prepare_", "switch_"))]
    return found + [os.path.join(root, "src", "arch", name) for name in switch]


def course(root, folder, way):
    """What the program prints that was built this way."""
    compiler, level = way
    program = os.path.join(folder, compiler + level)
    command = [compiler, "-std=gnu11", level, "-fexceptions", "-w", "-I" + os.path.join(root, "include"), "-I" + os.path.join(root, "src"),
               os.path.join(root, "tests", "structure", "courses.c"), *sources(root), "-o", program, "-pthread"]
    subprocess.run(command, check=True)
    return subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def differences(ways, courses):
    problems = []
    for way, lines in zip(ways, courses):
        if len(lines) != len(courses[0]):
            problems.append("%s %s: %d lines, not %d" % (*way, len(lines), len(courses[0])))
        problems += ["%s %s: %s, not %s" % (*way, line, first) for line, first in zip(lines, courses[0]) if line != first]
    return problems[:20]


def main():
    tap = Tap()
    ways = [way for way in WAYS if shutil.which(way[0])]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        courses = list(pool.map(lambda way: course(tap.arguments[0], folder, way), ways))
        again = course_again(folder, ways[0])
    tap.result("compilers_and_levels_agree", differences(ways, courses))
    tap.result("a_second_run_agrees", differences(ways[:1] * 2, [courses[0], again]))
    hashes = {line.split()[-1] for line in courses[0]}
    tap.result("other_seeds_have_other_courses", [] if len(hashes) > len(courses[0]) / 2 else ["%d hashes" % len(hashes)])
    changed = [courses[0][0].replace("0.0.0", "0.0.1")] + courses[0][1:]
    tap.result("a_planted_difference_is_found", [] if differences(ways[:1] * 2, [courses[0], changed]) else ["it is not"])
    tap.end()


def course_again(folder, way):
    return subprocess.run([os.path.join(folder, "".join(way))], capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


if __name__ == "__main__":
    main()
