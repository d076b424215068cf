"""programs.py ROOT BUILD COMPILER: builds and runs what the pages show, and runs the examples, as a reader would, against
`plait serve` on this machine.

Every block of C in the pages is a whole program. One that calls plait_coroutines() is run on all three executors, by
changing that word."""
import os
import re
import subprocess
import sys
import tempfile

from tap import Tap

EXECUTORS = ("plait_coroutines()", "plait_threads()", "plait_processes()")
# What the programs of each page must print.
PAGES = {"README.md": ["1234"], "docs/simulation.md": ["-EBADMSG", "PLAIT_SEED="]}


class Server:
    """`plait serve` on a free port."""

    def __init__(self, build):
        self.process = subprocess.Popen([os.path.join(build, "cmd", "plait"), "serve", "--size", "1234"],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def end(self):
        self.process.terminate()
        return self.process.wait(20)


def run(command, expected):
    """What is wrong with a program's run: it must succeed, and print each of the expected texts."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return ["%s: not done after 60 s" % command[0]]
    problems = []
    if done.returncode != 0:
        problems.append("%s: exit status %d" % (command[0], done.returncode))
    problems += ["%s: does not print '%s'" % (command[0], text) for text in expected if text not in done.stdout]
    if problems:
        problems += ("  " + line for line in (done.stdout + done.stderr).splitlines()[:20])
    return problems


def build_and_run(root, build, compiler, source, url, expected):
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "program")
        with open(program + ".c", "w", encoding="utf-8") as file:
            file.write(source)
        command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I" + os.path.join(root, "include"), program + ".c",
                   "-o", program]
        for library in ("http/libplait-http.so", "src/libplait.so"):
            path = os.path.join(build, library)
            command += [path, "-Wl,-rpath," + os.path.dirname(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return done.stderr.splitlines()[:20]
        return run([program, url, url], expected)


def blocks_of_c(path):
    with open(path, encoding="utf-8") as file:
        return re.findall(r"^```c\n(.*?)^```", file.read(), re.M | re.S)


def main():
    tap = Tap()
    root, build, compiler = tap.arguments
    server = Server(build)
    url = server.url
    for page, expected in PAGES.items():
        for number, source in enumerate(blocks_of_c(os.path.join(root, page)), 1):
            words = EXECUTORS if EXECUTORS[0] in source else (None,)
            for word in words:
                name = "%s_program_%d%s" % (os.path.basename(page).split(".")[0].lower(), number,
                                            "_on_" + word[len("plait_"):-2] if word else "")
                if tap.wants(name):
                    changed = source.replace(EXECUTORS[0], word) if word else source
                    tap.result(name, build_and_run(root, build, compiler, changed, url, expected))
    example = os.path.join(build, "examples", "")
    both = ["Starting download of " + url, "Finished download of " + url + ", size: 1234", " took "]
    tap.result("example_two_threads", run([example + "two_threads", url, url], both))
    tap.result("example_two_coroutines", run([example + "two_coroutines", url, url], both))
    tap.result("example_two_processes",
               run([example + "two_processes", "1000", "2000"],
                   ["Starting task for 1000", "Finished task for 2000, count: 1999000", "counts: 499500 and 1999000"]))
    for word in ("coroutines", "threads", "processes"):
        tap.result("example_any_executor_" + word,
                   run([example + "any_executor", word, url, url + "bytes/77"], ["size: 1234", "size: 77", word + " took"]))
    tap.result("examples_tell_how_they_are_used", [
        "%s: %r" % (words, done) for words, done in
        ((words, subprocess.run([example + words[0], *words[1:]], capture_output=True, text=True, timeout=60, check=False))
         for words in (("two_threads", url), ("two_coroutines", url, url, url), ("two_processes", "1"), ("any_executor",),
                       ("any_executor", "fibres", url), ("any_executor", "threads", *[url] * 17)))
        if done.returncode != 2 or "usage: " + words[0] not in done.stderr or done.stdout])
    status = server.end()
    tap.result("the_server_ends_when_told", [] if status == 0 else ["exit status %d" % status])
    tap.end()


sys.exit(main())
