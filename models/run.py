#!/usr/bin/env python3
"""Runs the models: each is searched completely, and each planted bug must be found. Prints TAP, one line a search.

run.py [--large] [--jobs N] [--only NAME] [MODEL]...     NAME: as printed, or its first parts: park, park/safety, park/bug/1
run.py --trail MODEL PROPERTY [-DNAME=VALUE]...          the steps to the first error, in the terms of the model

What to run stands in the comment at the head of each model, in lines such as these:

 * property safety: ...           assertions, and no deadlock
 * property ends: ...             the model's `ltl ends`, under weak fairness
 * bug 1 (safety): ...            -DBUG=1 is found by that property; (safety -DN=1): with other parameters as well
 * small: -DN=2                   the parameters; several lines: one configuration each, the first that of the bugs;
 * small safety: -DN=3            of this property alone
 * large: -DN=3                   likewise, with --large
"""
import argparse
import collections
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS_MAX = {False: 300, True: 7200}
MEMORY_MB = {False: 2500, True: 7000}
DEPTH = 2000000


class Model:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        head = re.match(r"/\*(.*?)\*/", self.text, re.S).group(1)
        self.properties = re.findall(r"^ \* property (\w+):", head, re.M)
        self.bugs = re.findall(r"^ \* bug (\d+) \((\w+)([^)]*)\): (.*)", head, re.M)
        self.configurations = {large: re.findall(r"^ \* %s( \w+)?: (.*)" % size, head, re.M)
                               for large, size in ((False, "small"), (True, "large"))}


def build(model, prop, defines, folder, optimize):
    """Makes pan in the folder; what went wrong, or None."""
    spin = ["spin", "-a"] + defines + [model.path]
    gcc = ["gcc", optimize, "-w", "-DNOBOUNDCHECK", "-DCOLLAPSE", "-o", "pan", "pan.c"]
    gcc += ["-DSAFETY", "-DNOCLAIM"] if prop == "safety" else ["-DNFAIR=4"]
    for command in (spin, gcc):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode or (command is spin and "Error" in done.stdout + done.stderr):
            return " ".join(command) + ":\n" + done.stdout + done.stderr
    return None


def search(model, prop, defines, large, optimize):
    """One search: (problems, states, errors, lines of which no step was taken)."""
    with tempfile.TemporaryDirectory(prefix="plait-model-") as folder:
        wrong = build(model, prop, defines, folder, optimize)
        if wrong:
            return wrong.splitlines(), 0, None, None
        command = ["./pan", "-m%d" % DEPTH, "-w22"] + ([] if prop == "safety" else ["-a", "-f", "-N", prop])
        limited = "ulimit -v %d; exec %s" % (MEMORY_MB[large] * 1024, " ".join(command))
        try:
            done = subprocess.run(["bash", "-c", limited], cwd=folder, capture_output=True, text=True, check=False,
                                  timeout=SECONDS_MAX[large])
        except subprocess.TimeoutExpired:
            return ["not finished after %d s" % SECONDS_MAX[large]], 0, None, None
        steps = subprocess.run(["./pan", "-d"], cwd=folder, capture_output=True, text=True, check=False).stdout
    return read(done.stdout + done.stderr, steps)


def never_taken(output, steps):
    """Lines of which no step was ever taken, wherever they are inlined."""
    unreached = collections.Counter(re.findall(r"^\t\S*?(\w+\.pml:\d+), state \d+, \"(?!-end-)", output, re.M))
    all_steps = collections.Counter(re.findall(r"^\tstate .*?(\w+\.pml:\d+) =>", steps, re.M))
    return {line for line, count in unreached.items() if count >= all_steps[line]}


def read(output, steps):
    """What pan says: a search that was cut short proves nothing."""
    problems = []
    errors = re.search(r"errors: (\d+)", output)
    states = re.search(r"(\d+) states, stored", output)
    if not errors or not states:
        return output.splitlines()[-5:], 0, None, None
    for text in ("max search depth too small", "Search not completed", "out of memory", "aborting"):
        if text in output and (text != "Search not completed" or errors.group(1) == "0"):
            problems.append("truncated: " + text)
    whole = errors.group(1) == "0" and "never claim         \t- (not selected)" in output
    return problems, int(states.group(1)), int(errors.group(1)), never_taken(output, steps) if whole else None


def again(model, prop, defines):
    return "again: models/run.py --trail %s %s %s" % (model.name, prop, " ".join(defines))


def check_model(model, prop, configuration, large):
    defines = configuration.split()
    problems, states, errors, untaken = search(model, prop, defines, large, "-O2" if large else "-O1")
    if errors:
        problems.append("an error was found")
    if problems:
        problems.append(again(model, prop, defines))
    return problems, states, untaken


def check_bug(model, number, prop, extra, large):
    defines = model.configurations[False][0][1].split() + extra.split() + ["-DBUG=" + number]
    problems, states, errors, _ = search(model, prop, defines, large, "-O0")        # most of it is the compiler's time
    if errors:
        problems = []                           # found: how far the search went does not matter
    elif errors == 0:
        problems = ["planted, and not found", again(model, prop, defines)]
    return problems, states, None


def jobs_of(models, large):
    """(name, what it says, function, its arguments) of each search."""
    for model in models:
        for only, configuration in model.configurations[large]:
            for prop in model.properties:
                if only.strip() in ("", prop):
                    name = "%s/%s/%s" % (model.name, prop, configuration.replace("-D", "").replace(" ", ","))
                    yield name, "", check_model, (model, prop, configuration, large)
        for number, prop, extra, text in model.bugs:
            yield "%s/bug/%s" % (model.name, number), "found: " + text, check_bug, (model, number, prop, extra, large)


def check_heads(models):
    for model in models:
        if len(model.bugs) < 3:
            yield "%s: fewer than three planted bugs" % model.name
        for number in set(re.findall(r"\bBUG [!=]= (\d+)", model.text)) ^ {bug[0] for bug in model.bugs}:
            yield "%s: bug %s is not both in the comment and in the model" % (model.name, number)
        for name in set(re.findall(r"^ltl (\w+)", model.text, re.M)) ^ (set(model.properties) - {"safety"}):
            yield "%s: property %s is not both in the comment and in the model" % (model.name, name)
        if not all(model.configurations.values()):
            yield "%s: no configuration" % model.name


def wanted(only, name):
    if only and only.endswith("/steps"):
        only = only[:-len("steps")] + "safety"
    return only is None or name == only or name.startswith(only + "/")


class Tap:
    """As in tests/structure/tap.py, with a remark beside what passed."""
    count = failed = 0

    def result(self, name, problems, remark=""):
        self.count += 1
        self.failed += bool(problems)
        print("%s %d - %s" % ("not ok" if problems else "ok", self.count, name))
        for line in problems or [remark] * bool(remark):
            print("# " + line)
        sys.stdout.flush()


def run(models, arguments):
    tap, untaken = Tap(), {}
    if wanted(arguments.only, "heads"):
        tap.result("heads", list(check_heads(models)))
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as threads:
        running = [(name, text, threads.submit(function, *rest))
                   for name, text, function, rest in jobs_of(models, arguments.large) if wanted(arguments.only, name)]
        for name, text, future in running:
            problems, states, never = future.result()
            if never is not None:
                model = name.split("/")[0]
                untaken[model] = untaken.get(model, never) & never
            tap.result(name, problems, text or "%d states" % states)
    for model, lines in untaken.items():        # what no configuration does proves nothing
        if arguments.only in (None, model, model + "/steps"):
            tap.result(model + "/steps", ["never taken: " + line for line in sorted(lines)])
    print("1..%d" % tap.count)
    return tap.failed > 0


def trail(name, prop, defines):
    model = Model(os.path.join(HERE, name + ".pml"))
    with tempfile.TemporaryDirectory(prefix="plait-model-") as folder:
        wrong = build(model, prop, defines, folder, "-O1")
        if wrong:
            sys.exit(wrong)
        shutil.copy(model.path, folder)
        flags = ["-m%d" % DEPTH, "-w22"] + ([] if prop == "safety" else ["-a", "-f", "-N", prop])
        subprocess.run(["./pan"] + flags, cwd=folder, check=False)
        trails = glob.glob(os.path.join(folder, "*.trail"))
        if trails:
            shutil.move(trails[0], os.path.join(folder, name + ".pml.trail"))
            subprocess.run(["spin", "-t", "-p", "-g", "-l"] + defines + [name + ".pml"], cwd=folder, check=False)


def main():
    if sys.argv[1:2] == ["--trail"]:
        return trail(sys.argv[2], sys.argv[3], sys.argv[4:])
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only")
    parser.add_argument("models", nargs="*")
    arguments = parser.parse_args()
    missing = [tool for tool in ("spin", "gcc") if not shutil.which(tool)]
    if missing:
        print("ok 1 - models # SKIP %s is not installed\n1..1" % " and ".join(missing))
        return 0
    models = [Model(path) for path in sorted(glob.glob(os.path.join(HERE, "*.pml")))]
    if arguments.models:
        models = [model for model in models if model.name in arguments.models]
    return run(models, arguments)


if __name__ == "__main__":
    sys.exit(main())
