#!/usr/bin/env python3
"""What the pages say is there: every call, macro, field and test they name, and in docs/python.md a row for each name
of Python's that python-names.tsv lists.

pages.py ROOT
"""
import collections
import glob
import os
import re

from tap import Tap

PYTHON = "docs/python.md"
COLUMNS = ["Python", "plait", "How it differs, and why", "Test"]


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def pages(root):
    found = sorted(glob.glob(os.path.join(root, "docs", "*.md")))
    return ["README.md"] + [os.path.relpath(path, root) for path in found]


# What a program can name: words is every word of the headers outside comments, calls what a bracket follows.
Declared = collections.namedtuple("Declared", "words calls environment")


def declared(root):
    headers = glob.glob(os.path.join(root, "include", "*.h")) + glob.glob(os.path.join(root, "include", "plait", "*.h"))
    text = re.sub(r"/\*.*?\*/", " ", "\n".join(read(header) for header in headers), flags=re.S)
    environment = set()
    for path in glob.glob(os.path.join(root, "src", "*", "*.c")):
        environment |= set(re.findall(r'getenv\("(\w+)"\)', read(path)))
    return Declared(set(re.findall(r"\w+", text)), set(re.findall(r"(\w+)\(", text)), environment)


def spans(line):
    """The code spans of a line; in a table `\\|` stands for a bar, as it does in GitHub's."""
    found = re.finditer(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", line)
    return [match.group(2).strip().replace("\\|", "|") for match in found]


def spans_of(text):
    """(line number, span) of a page, without what stands in fenced blocks."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            for span in spans(line):
                yield number, span


def unknown_names(text, known):
    for number, span in spans_of(text):
        for name, call in re.findall(r"\b((?:plait_|PLAIT_)\w*)(\()?", span):
            private = name.startswith(("plait__", "PLAIT__"))
            family = name.endswith("_") and not call and any(word.startswith(name) for word in known.words)
            there = name in known.calls if call else name in known.words | known.environment or family
            if private or not there:
                yield "%d: no header declares %s%s" % (number, name, "()" if call else "")
        for field in re.findall(r"(?<![\w.)\]])\.([a-z]\w*)", span) if span.startswith(".") else []:
            if field not in known.words:
                yield "%d: no header has a field .%s" % (number, field)


def unknown_tests(root, text):
    sources = {}
    for number, span in spans_of(text):
        if not span.startswith("tests/"):
            continue
        path, _, name = span.partition(": ")
        if path not in sources:
            sources[path] = read(root, path) if os.path.isfile(os.path.join(root, path)) else None
        if sources[path] is None:
            yield "%d: no file %s" % (number, path)
        elif name and not re.search(r"^TEST\w*\(%s\b" % re.escape(name), sources[path], flags=re.M):
            yield "%d: no test %s in %s" % (number, name, path)


def rows(text):
    """(line number, area, cells) of every row of a table, its header and the line below that left out."""
    area, header = None, False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            area = line.lstrip("#").strip()
        if not line.startswith("|"):
            header = True
        elif header:
            header = False
            yield number, None, [cell.strip() for cell in line.strip().strip("|").split("|")]
        elif not re.fullmatch(r"[|:\- ]+", line):
            yield number, area, [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def bad_rows(text, names):
    """Names without a row, rows without a name, and rows that leave something out. What plait has, a test shows;
    what it has not ("none") it may."""
    found = []
    for number, area, cells in rows(text):
        if area is None:
            if cells != COLUMNS:
                yield "%d: the columns are not %s" % (number, COLUMNS)
            continue
        if len(cells) != len(COLUMNS):
            yield "%d: %d cells" % (number, len(cells))
            continue
        name = spans(cells[0])
        if len(name) != 1 or "`%s`" % name[0].replace("|", "\\|") != cells[0]:
            yield "%d: the first cell is not one code span" % number
            continue
        found.append((area, name[0]))
        if (area, name[0]) not in names:
            yield "%d: not a name of %s: %s" % (number, area, name[0])
        if not cells[1] or not cells[2]:
            yield "%d: an empty cell" % number
        if not cells[1].startswith("none") and not spans(cells[3]):
            yield "%d: no test shows it" % number
        if any(not re.fullmatch(r"tests/\w+\.c: \w+", span) for span in spans(cells[3])):
            yield "%d: the last cell names tests only" % number
    for area, name in names:
        if found.count((area, name)) != 1:
            yield "%s: %d rows for %s" % (area, found.count((area, name)), name)


def check_planted(root, known, names):
    """What is wrong with the page once something has been spoilt in it, and must be found; besides what is wrong
    already."""
    text = read(root, PYTHON)
    already = len(list(bad_rows(text, names)))
    lines = text.split("\n")
    row = next(number for number, area, _ in rows(text) if area is not None)
    untested = next(number for number, _, cells in rows(text)
                    if cells[-1].startswith("`tests/") and not cells[1].startswith("none"))
    dropped = "\n".join(lines[:row - 1] + lines[row:])
    renamed = "\n".join(lines[:row - 1] + [lines[row - 1].replace("`", "`x", 1)] + lines[row:])
    without = "\n".join(lines[:untested - 1] + [re.sub(r"`tests/.*", "|", lines[untested - 1])] + lines[untested:])
    planted = [
        ("a made-up call", 1, unknown_names("`plait_lock_make_up()`", known)),
        ("a made-up name", 1, unknown_names("x `a PLAIT_MADE_UP` `PLAIT_GROUP`", known)),
        ("a type that is called", 1, unknown_names("`plait_lock(x)`", known)),
        ("a made-up family of calls", 1, unknown_names("`plait_task_`, `plait_job_`", known)),
        ("a private name", 1, unknown_names("`plait__group_begin()`", known)),
        ("a made-up field", 1, unknown_names("`.made_up` `.within = 3`", known)),
        ("what is fenced", 0, unknown_names("```c\n`plait_made_up()`\n```", known)),
        ("a made-up test", 1, unknown_tests(root, "`tests/test_lock.c: a_made_up_test`")),
        ("the beginning of a test's name", 1, unknown_tests(root, "`tests/test_lock.c: a_lock`")),
        ("no test's name", 1, unknown_tests(root, "`tests/test_lock.c: a lock excludes`")),
        ("a made-up file", 1, unknown_tests(root, "`tests/test_made_up.c: a_lock_excludes`")),
        ("a test that is there", 0, unknown_tests(root, "`tests/test_lock.c: a_lock_excludes`")),
        ("a row that was dropped", already + 1, bad_rows(dropped, names)),
        ("a row of another name", already + 2, bad_rows(renamed, names)),
        ("a row twice", already + 1, bad_rows("\n".join(lines[:row] + lines[row - 1:]), names)),
        ("a row without its test", already + 1, bad_rows(without, names)),
    ]
    for what, expected, problems in planted:
        problems = list(problems)
        if len(problems) != expected:
            yield "%s: %d problems, and %d were planted: %s" % (what, len(problems), expected, problems[:3])


def main():
    tap = Tap()
    root = tap.arguments[0]
    known = declared(root)
    here = os.path.dirname(os.path.abspath(__file__))
    names = [tuple(line.split("\t")) for line in read(here, "python-names.tsv").splitlines()]
    texts = {page: read(root, page) for page in pages(root)}
    tap.result("every_call_a_page_names_is_declared",
               ["%s:%s" % (page, problem) for page, text in texts.items() for problem in unknown_names(text, known)])
    tap.result("every_test_a_page_names_is_there",
               ["%s:%s" % (page, problem) for page, text in texts.items() for problem in unknown_tests(root, text)])
    tap.result("every_name_of_pythons_has_its_row",
               ["%s:%s" % (PYTHON, problem) for problem in bad_rows(texts[PYTHON], names)])
    tap.result("planted_violations_are_found", list(check_planted(root, known, names)))
    tap.end()


if __name__ == "__main__":
    main()
