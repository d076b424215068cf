"""demo.py BUILD: the demo runs to its end, and its JSON is what the README says."""
import json
import os
import subprocess
import sys
import tempfile

from tap import Tap

BLOCKS = ("io", "cpu")
APPROACHES = ("serial", "threads", "processes", "coroutines", "gil")
FIELDS = ("block", "approach", "wall_s", "cpu_s", "rss_kb", "speedup")


def demo(build, *arguments):
    return subprocess.run([os.path.join(build, "demo", "demo"), os.path.join(build, "cmd", "plait"), *arguments],
                          capture_output=True, text=True, timeout=200, check=False)


def run(build, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "demo.json")
        done = demo(build, "--json", path, *arguments)
        if done.returncode != 0:
            return done.stderr.splitlines() + ["exit status %d" % done.returncode], done.stdout, []
        with open(path, encoding="utf-8") as file:
            return [], done.stdout, json.load(file)


def shape(rows):
    problems = []
    found = [(row.get("block"), row.get("approach")) for row in rows]
    problems += ["no row %s %s" % (block, approach) for block in BLOCKS for approach in APPROACHES
                 if (block, approach) not in found]
    problems += ["fields of a row: %s" % sorted(row) for row in rows if sorted(row) != sorted(FIELDS)]
    problems += ["not above 0: %s" % row for row in rows
                 if not all(row[field] > 0 for field in ("wall_s", "cpu_s", "rss_kb", "speedup"))]
    return problems


def main():
    tap = Tap()
    (build,) = tap.arguments
    problems, output, rows = run(build)
    tap.result("runs_to_its_end", problems)
    tap.result("has_a_row_for_each_approach", shape(rows))
    # No clock decides here, but for what must be far apart: 200 waits of 50 ms one after the other, or all at once.
    at_once = {row["approach"]: row["speedup"] for row in rows if row["block"] == "io"}
    tap.result("downloads_at_once_do_not_wait_in_turn",
               ["%s: %.1f times" % (name, at_once.get(name, 0)) for name in ("threads", "coroutines", "gil")
                if at_once.get(name, 0) < 5])
    tap.result("closes_each_block_with_a_sentence", [] if output.count("suited it best") == 2 else output.splitlines())
    server = subprocess.Popen([os.path.join(build, "cmd", "plait"), "serve"], stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().strip()
    problems, output, _ = run(build, url, url, url)
    tap.result("downloads_the_urls_it_is_given", problems + ([] if "3 downloads" in output else output.splitlines()))
    server.terminate()
    server.wait(20)
    # Nobody listens there now: no row is made up, and the computation is measured all the same.
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "demo.json")
        done = demo(build, "--json", path, url)
        with open(path, encoding="utf-8") as file:
            blocks = {row["block"] for row in json.load(file)}
    tap.result("makes_up_no_row", [] if done.returncode == 1 and "Nothing was measured" in done.stdout and blocks == {"cpu"}
               else [done.stdout, "exit status %d" % done.returncode])
    done = demo(build, "--json", "/nowhere/demo.json", url)
    tap.result("says_at_once_that_it_cannot_write", [] if done.returncode == 1 and not done.stdout and "/nowhere" in done.stderr
               else [done.stdout, done.stderr])
    tap.end()


sys.exit(main())
