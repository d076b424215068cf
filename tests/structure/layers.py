#!/usr/bin/env python3
"""The layers of design.md: a folder includes only itself and those above it, and #if stands where it may.

layers.py ROOT
"""
import os
import re
import sys
import tempfile

from tap import Tap

# From the bottom up.
LAYERS = ["base", "arch", "core", "sync", "task", "process", "io", "inspect", "sim"]
# Libraries beside libplait: public headers, a few exported insides, and themselves.
LIBRARIES = {name: {"base", "core", "io"} for name in ("http", "tls", "hook", "mpi")}
# Public headers only.
OUTSIDE = ["cmd", "examples"]
MAY_HAVE_IF = ("src/base/", "src/arch/")


def sources(root, folder):
    for where, folders, names in sorted(os.walk(os.path.join(root, folder))):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".c", ".h", ".S", ".cc", ".cpp")):
                yield os.path.relpath(os.path.join(where, name), root)


def lines(root, path):
    """The directives of a file, without comments: (number, word, rest). Continued lines are joined."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n"), text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"\s*#\s*(\w+)\s*(.*)", line)
        if match:
            yield number, match.group(1), match.group(2).split("//")[0].strip()


def may_include(path):
    """The layers of src/ that a file may include, or None: it is the file of a folder that is not looked at."""
    parts = path.split(os.sep)
    if parts[0] == "include":
        return set()
    if parts[0] == "src":
        if len(parts) < 3 or parts[1] not in LAYERS:
            return None
        return set(LAYERS[:LAYERS.index(parts[1]) + 1])
    if parts[0] in LIBRARIES:
        return LIBRARIES[parts[0]]
    return set()


def bad_includes(root, path):
    allowed = may_include(path)
    if allowed is None:
        yield "%s: no layer has this folder (tests/structure/layers.py)" % path
        return
    for number, word, rest in lines(root, path):
        match = re.match(r'["<]([^">]+)[">]', rest)
        if word not in ("include", "include_next") or not match:
            continue
        name = match.group(1)
        layer = name.split("/")[0]
        if ".." in name:
            yield "%s:%d: includes %s: name it from include/ or src/" % (path, number, name)
        elif "/" in name and layer in LAYERS and layer not in allowed:
            yield "%s:%d: includes %s, which is not above it" % (path, number, name)
        elif "/" in name and layer in LIBRARIES and layer != path.split(os.sep)[0]:
            yield "%s:%d: includes %s of another library" % (path, number, name)
        elif name in ("plait.h", "plait/http.h") and re.match("(src|include/plait)/", path):
            yield "%s:%d: includes %s: name the header of the noun" % (path, number, name)


def bad_conditions(root, path):
    """Every #if but an include guard, and __cplusplus in a public header."""
    if path.startswith(MAY_HAVE_IF):
        return
    found = list(lines(root, path))
    for at, (number, word, rest) in enumerate(found):
        if word not in ("if", "ifdef", "ifndef", "elif", "elifdef", "elifndef"):
            continue
        is_guard = (at == 0 and word == "ifndef" and path.endswith(".h") and len(found) > 1
                    and found[1][1:] == ("define", rest))
        is_cplusplus = path.startswith("include/") and re.fullmatch(r"(defined)?\s*\(?\s*__cplusplus\s*\)?", rest)
        if not is_guard and not is_cplusplus:
            yield "%s:%d: #%s %s: platforms and sanitizers are told apart in src/base and src/arch" % (
                path, number, word, rest)


def check(root):
    includes, conditions = [], []
    for folder in ["include", "src"] + sorted(LIBRARIES) + OUTSIDE:
        for path in sources(root, folder):
            includes += bad_includes(root, path)
            conditions += bad_conditions(root, path)
    return includes, conditions


LINES_MAX = 600


def check_lengths(root):
    """A file holds one noun."""
    for path in sources(root, "src"):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            count = sum(1 for _ in file)
        if count > LINES_MAX:
            yield "%s: %d lines, and %d are the most" % (path, count, LINES_MAX)


# A tree of these, where each line marked "bad" must be found and no other.
PLANTED = {
    "include/plait/lock.h": "#ifndef PLAIT_LOCK_H\n#define PLAIT_LOCK_H\n#ifdef __cplusplus\n#endif\n"
                            '#include "plait/base.h"\n#include "base/sys.h" /* bad */\n#ifdef __linux__ /* bad */\n'
                            "#endif\n#endif\n",
    "src/base/sys.c": '#include "base/sys.h"\n#ifdef __linux__\n#endif\n#include "core/loop.h" /* bad */\n',
    "src/core/loop.c": '#include "base/sys.h"\n#include "core/loop.h"\n#include <sys/epoll.h>\n'
                       '#include "task/group.h" /* bad */\n#if 0 /* bad */\n#endif\n/*\n#if 0\n#endif\n*/\n',
    "src/sync/lock.c": '#include "core/loop.h"\n#  include "../task/group.h" /* bad */\n',
    "src/io/fd.c": '#include "process/pool.h"\n#include "plait.h" /* bad */\n',
    "src/other/x.c": "/* bad */\n",
    "http/http.c": '#include "core/loop.h"\n#include "io/fd.h"\n#include <curl/curl.h>\n'
                   '#include "task/group.h" /* bad */\n',
    "cmd/main.c": '#include <plait.h>\n#include "cmd/args.h"\n#include "core/loop.h" /* bad */\n'
                  "#ifdef NDEBUG /* bad */\n#endif\n",
}


def check_planted():
    with tempfile.TemporaryDirectory() as root:
        expected = []
        for path, text in PLANTED.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
            for number, line in enumerate(text.split("\n"), 1):
                if "bad" in line:
                    expected.append("%s:%d" % (path, number))
        includes, conditions = check(root)
        found = [":".join(problem.split(":")[:2]) for problem in includes + conditions]
        found = ["src/other/x.c:1" if place.startswith("src/other/x.c") else place for place in found]
        return (["planted, and not found: " + place for place in sorted(set(expected) - set(found))] +
                ["found, and not planted: " + place for place in sorted(set(found) - set(expected))])


def main():
    tap = Tap()
    includes, conditions = check(tap.arguments[0])
    tap.result("a_folder_includes_only_itself_and_those_above_it", includes)
    tap.result("conditions_stand_in_base_and_arch_only", conditions)
    tap.result("no_file_of_the_library_is_longer_than_600_lines", list(check_lengths(tap.arguments[0])))
    tap.result("planted_violations_are_found", check_planted())
    tap.end()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
