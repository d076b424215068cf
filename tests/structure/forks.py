#!/usr/bin/env python3
"""Every public call of libplait is tried after fork() in tests/test_fork.c.

forks.py ROOT CC
"""
import glob
import os
import re

from exports import declared
from tap import Tap

# May be called there, or stands for the end of a block.
EXCEPTIONS = {"plait_ignore"}


def untried(wanted, text):
    tried = set(re.findall(r"^ *BOTH\(\w+, (\w+)", text, flags=re.M))
    return sorted(name for name in wanted - tried - EXCEPTIONS if not name.startswith("plait__"))


def main():
    tap = Tap()
    root, compiler = tap.arguments[:2]
    include = os.path.join(root, "include")
    headers = sorted(os.path.relpath(path, include) for path in glob.glob(include + "/plait/*.h"))
    headers.remove("plait/http.h")              # of a library beside it
    wanted = declared(root, compiler, headers)
    with open(os.path.join(root, "tests/test_fork.c"), encoding="utf-8") as file:
        text = file.read()
    missing = untried(wanted, text)
    tap.result("every_call_is_tried_after_fork", ["not in tests/test_fork.c: " + " ".join(missing)] if missing else [])
    missing = untried(wanted | {"plait_new_call"}, text)
    tap.result("a_call_that_is_not_tried_is_found", [] if "plait_new_call" in missing else ["it was not"])
    tap.end()


if __name__ == "__main__":
    main()
