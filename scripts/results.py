#!/usr/bin/env python3
"""results.py NAME BUILD SECONDS COUNTS PREFIX: prints what failed in the tests that Meson ran last in this build, each
with the command that repeats it (behind PREFIX, which may be empty), and what was skipped; adds the line "passed failed
skipped" to the file COUNTS."""
import json
import os
import re
import shlex
import shutil
import sys


def subtests(output):
    """(passed, name, reason skipped or None, failure) of each result line of TAP."""
    found = []
    for line in output.splitlines():
        match = re.match(r"(not )?ok \d+ - (\S+)(?: # SKIP (.*))?$", line)
        if match:
            found.append([not match.group(1), match.group(2), match.group(3), []])
        elif line.startswith("# ") and found and not found[-1][0]:
            found[-1][3].append(line[2:])
    return found


def command_of(test, prefix):
    """As one types it in the project's folder."""
    here = os.getcwd() + "/"
    words = []
    for word in test["command"]:
        word = "." if word == os.getcwd() else re.sub(r"^build[^/]*/\.\./", "", word.replace(here, ""))
        words.append(os.path.basename(word) if word.startswith("/") and shutil.which(os.path.basename(word)) else word)
    return shlex.join(prefix.split() + words)


def planned(output):
    match = re.search(r"^1\.\.(\d+)", output, re.M)
    return int(match.group(1)) if match else None


def main():
    name, build, seconds, counts, prefix = sys.argv[1:]
    log = os.path.join(build, "meson-logs", "testlog.json")
    passed = failed = skipped = 0
    if not os.path.exists(log):
        print("FAILED %s: the tests did not run" % name)
        with open(counts, "a", encoding="utf-8") as file:
            file.write("0 1 0\n")
        sys.exit(1)
    with open(log, encoding="utf-8") as file:
        tests = [json.loads(line) for line in file]
    for test in tests:
        command = command_of(test, prefix)
        program = test["name"].split(" / ")[-1]
        found = subtests(test.get("stdout", ""))
        for good, title, skip, failure in found:
            if not good:
                failed += 1
                print("FAILED %s, %s: %s" % (name, program, title))
                print("".join("       %s\n" % line for line in failure), end="")
                print("       again: %s --only %s" % (command, title))
            elif skip is not None:
                skipped += 1
                print("skipped %s, %s: %s: %s" % (name, program, title, skip))
            else:
                passed += 1
        # A program that ended early has said less than it announced.
        complete = planned(test.get("stdout", "")) == len(found)
        if not complete or (test["result"] not in ("OK", "SKIP") and all(result[0] for result in found)):
            failed += 1
            print("FAILED %s, %s: the program ended with %s (%s)" %
                  (name, program, test["result"], test["returncode"]))
            print("".join("       %s\n" % line for line in test.get("stderr", "").splitlines()[-10:]), end="")
            print("       again: %s" % command)
    print("%s: %d passed, %d failed, %d skipped (%s s)" % (name, passed, failed, skipped, seconds))
    with open(counts, "a", encoding="utf-8") as file:
        file.write("%d %d %d\n" % (passed, failed, skipped))


if __name__ == "__main__":
    main()
