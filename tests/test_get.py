#!/usr/bin/env python3
"""`plait get` and `plait serve` as commands: exit codes, files, what is printed where.

test_get.py PLAIT
"""
import contextlib
import functools
import json
import os
import pty
import re
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "structure"))
from tap import Tap  # noqa: E402

PLAIT = None
URL = None
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def run(*words, cwd=None, **more):
    return subprocess.run([PLAIT, *words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          env=ENVIRONMENT, **more)


def get(where, *words):
    return run("get", "--dir", where, *words)


@contextlib.contextmanager
def serving(*options):
    server = subprocess.Popen([PLAIT, "serve", *options], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        yield server.stdout.readline().strip(), server
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def body(size):
    block = bytes(97 + at % 65536 % 23 for at in range(min(size, 65536)))
    return (block * (size // 65536 + 1))[:size]


def content(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


class Problems(list):
    def check(self, fact, *words):
        if not fact:
            self.append("line %d: %s" % (sys._getframe(1).f_lineno, " ".join(map(repr, words))))

    def files(self, where, *names):
        found = sorted(os.listdir(where))
        if found != sorted(names):
            self.append("line %d: files are %r" % (sys._getframe(1).f_lineno, found))


TESTS = []


def test(function):
    TESTS.append(function)
    return function


# ---- what is fetched

def fetch_by(p, where, via):
    paths = ["bytes/0", "bytes/100", "chunked/70000", "gzip/1234", "", "bytes/3000000"]
    done = get(where, "--via", via, "-j", "4", *[URL + path for path in paths])
    p.check(done.returncode == 0, done)
    p.files(where, "0", "100", "70000", "1234", "index.html", "3000000")
    p.check(content(where, "70000") == body(70000))
    p.check(content(where, "3000000") == body(3000000))
    p.check(content(where, "1234") == b"a" * 1234)
    p.check(content(where, "index.html") == body(1024))
    p.check(done.stdout.split() == [os.path.join(where, name) for name in
                                    ("0", "100", "70000", "1234", "index.html", "3000000")], done.stdout)
    p.check(done.stderr == "6 given, 6 ok, 0 failed\n", done.stderr)


@test
def files_come_by_coroutines(p, where):
    fetch_by(p, where, "coroutines")


@test
def files_come_by_threads(p, where):
    fetch_by(p, where, "threads")


@test
def files_come_by_processes(p, where):
    fetch_by(p, where, "processes")


@test
def many_files_come(p, where):
    with serving("--latency", "20ms") as (url, _):
        done = get(where, "-j", "50", *["%sbytes/%d" % (url, size) for size in range(500)])
    p.check(done.returncode == 0, done.stderr)
    p.check(len(os.listdir(where)) == 500)
    p.check(all(content(where, str(size)) == body(size) for size in range(500)))


@test
def output_may_be_standard_output(p, where):
    for name in "-", "/dev/stdout":
        for via in "coroutines", "threads", "processes":
            done = run("get", "--via", via, "-o", name, URL + "bytes/300000", cwd=where)
            p.check(done.returncode == 0 and done.stdout.encode() == body(300000), name, via, done.stderr)
            p.check(done.stderr == "1 given, 1 ok, 0 failed\n", done.stderr)
    done = run("get", "-o-", URL + "cut/1000", cwd=where)
    p.check(done.returncode == 4 and done.stdout == "", done)
    done = run("get", "-o-", "--json", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 2 and done.stdout == "" and "standard output" in done.stderr, done)
    with open("/dev/full", "w") as full:
        done = subprocess.run([PLAIT, "get", "-o-", URL + "bytes/5"], stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    p.check(done.returncode == 4 and "standard output: No space" in done.stderr, done)
    p.files(where)


@test
def output_may_be_a_device_or_a_pipe(p, where):
    done = run("get", "-o", "/dev/null", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0 and done.stdout == "/dev/null\n", done)
    p.check(stat.S_ISCHR(os.stat("/dev/null").st_mode))
    done = run("get", "-o", "/dev/full", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 4 and "/dev/full: No space" in done.stderr, done)
    os.mkfifo(where + "/pipe")
    os.symlink("pipe", where + "/link")
    for name in "pipe", "link":
        command = subprocess.Popen([PLAIT, "get", "-o", name, URL + "bytes/300000"], cwd=where, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        p.check(content(where, name) == body(300000))
        p.check(command.wait(60) == 0)
    done = run("get", "--timeout", "100ms", "-o", "pipe", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 4 and "pipe: out of time" in done.stderr, done)
    p.files(where, "link", "pipe")


@test
def output_begins_at_the_directory(p, where):
    done = run("get", "--dir", "new", "-o", "name", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0 and done.stdout == "new/name\n", done)
    os.mkdir(where + "/new/sub")
    done = run("get", "-o", "sub/name", "--dir", "new", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0 and done.stdout == "new/sub/name\n", done)
    done = run("get", "-o", where + "/whole", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0 and done.stdout == where + "/whole\n", done)
    p.files(where, "new", "whole")
    p.files(where + "/new", "name", "sub")
    p.files(where + "/new/sub", "name")


@test
def output_that_is_a_directory_is_told(p, where):
    os.mkdir(where + "/sub")
    for name in "sub", "sub/", "none/", "..", ".", "sub/..", "/":
        done = run("get", "-o", name, URL + "bytes/5", cwd=where)
        p.check(done.returncode == 2 and "-o %s: a directory" % name in done.stderr and "--dir" in done.stderr, done)
    done = run("get", "-o", "none/name", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 4 and "none: No such file or directory" in done.stderr, done)
    done = run("get", "-o", "/tmp/x", "--dir", where, URL + "bytes/5", cwd=where)
    p.check(done.returncode == 2 and "--dir" in done.stderr, done)
    p.files(where, "sub")


@test
def output_names_the_file(p, where):
    done = run("get", "-o", "name", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0 and done.stdout == "name\n", done)
    os.mkdir(where + "/sub")
    done = run("get", "--output=sub/other", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0 and done.stdout == "sub/other\n", done)
    done = run("get", "-osub/third", URL + "bytes/5", cwd=where)
    p.check(done.returncode == 0, done)
    p.files(where, "name", "sub")
    p.files(where + "/sub", "other", "third")


@test
def a_directory_is_made(p, where):
    done = get(where + "/new", URL + "bytes/5")
    p.check(done.returncode == 0, done)
    p.files(where + "/new", "5")
    done = get(where + "/some//more/of/them/", URL + "bytes/5")
    p.check(done.returncode == 0 and done.stdout == where + "/some//more/of/them/5\n", done)
    p.files(where + "/some/more/of/them", "5")


@test
def a_file_is_replaced(p, where):
    with open(where + "/5", "w") as file:
        file.write("older and longer")
    done = get(where, URL + "bytes/5", URL + "bytes/6")
    p.check(done.returncode == 0, done)
    p.check(content(where, "5") == body(5) and content(where, "6") == body(6))
    p.files(where, "5", "6")


# ---- what fails

@test
def only_whole_answers_become_files(p, where):
    for status in "206 Partial Content", "302 Found", "304 Not Modified", "400 Bad Request", "599 x":
        with answering(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nhi" % status.encode(), 1) as url:
            done = get(where, url + "x")
        p.check(done.returncode == 4 and "the server says " + status[:3] in done.stderr, done)
    p.files(where)


@test
def exit_codes_tell_the_truth(p, where):
    good, bad = URL + "bytes/5", URL + "none"
    p.check(get(where, good).returncode == 0)
    p.check(get(where, good, bad).returncode == 1)
    p.check(get(where, bad, good).returncode == 1)
    p.check(get(where, bad).returncode == 4)
    p.check(get(where, bad, "http://127.0.0.1:1/x").returncode == 4)
    p.files(where, "5")


@test
def a_failure_leaves_no_file(p, where):
    paths = ["cut/100000", "garbage", "loop", "status/500", "status/404"]
    for via in "coroutines", "threads", "processes":
        done = get(where, "--via", via, *[URL + path for path in paths])
        p.check(done.returncode == 4, done)
        p.check(done.stderr.endswith("5 given, 0 ok, 5 failed\n"), done.stderr)
        p.check(done.stdout == "", done.stdout)
        p.files(where)


@test
def json_has_one_line_for_each(p, where):
    urls = [URL + "bytes/5", URL + "none", "ftp://x/y", "http://no-such\\\"host\n\x1b[31m\udcff/z"]
    done = subprocess.run([PLAIT, "get", "--json", "--dir", where, *urls], capture_output=True, timeout=60, env=ENVIRONMENT)
    lines = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    p.check(done.returncode == 1, done)
    p.check([list(line) for line in lines] == [["url", "file", "status", "bytes", "seconds", "error"]] * 4, lines)
    p.check([line["url"] for line in lines[:3]] == urls[:3])
    p.check(lines[3]["url"] == "http://no-such\\\"host\n\x1b[31m\ufffd/z", lines[3])
    p.check([line["status"] for line in lines] == [200, 404, 0, 0])
    p.check([line["bytes"] for line in lines] == [5, 0, 0, 0])
    p.check([line["file"] for line in lines] == [where + "/5", None, None, None])
    p.check([line["error"] is None for line in lines] == [True, False, False, False])
    p.check(0 < lines[0]["seconds"] < 10)
    p.check(done.stderr == b"4 given, 1 ok, 3 failed\n", done.stderr)


@test
def a_time_limit_holds_for_each(p, where):
    done = get(where, "--timeout", "200ms", URL + "hang", URL + "bytes/5")
    p.check(done.returncode == 1, done)
    p.check("out of time" in done.stderr, done.stderr)
    p.files(where, "5")
    done = get(where, "--json", "--timeout", "500ms", URL + "slow/1000")
    p.check(json.loads(done.stdout)["status"] == 200, done)


@test
def wrong_usage_is_told(p, where):
    for words, hint in [((), "verb"), (("gett",), "no verb"), (("get",), "no URL"), (("get", "--nope", URL), "--nope"),
                        (("get", "-j", "0", URL), "-j 0"), (("get", "-j", "x", URL), "number"), (("get", URL, "-j"), "value"),
                        (("get", "--via", "x", URL), "threads"), (("get", "-o", "x", URL, URL), "-o"),
                        (("get", "-o", "..", URL), "-o"), (("get", "--timeout", "5", URL), "time"), (("get", "--json=1", URL), "--json"),
                        (("serve", "x"), "x"), (("serve", "-p", "99999"), "65535"), (("serve", "--latency", "5"), "time")]:
        done = run(*words, cwd=where)
        p.check(done.returncode == 2 and done.stdout == "", words, done)
        p.check(hint.lower() in done.stderr.lower(), words, done.stderr)
    p.files(where)


@test
def help_fits_a_screen(p, where):
    for words in ("--help",), ("get", "--help"), ("serve", "--help"), ("get", "-h"):
        done = run(*words)
        lines = done.stdout.splitlines()
        p.check(done.returncode == 0 and done.stderr == "", done)
        p.check(0 < len(lines) <= 24 and max(map(len, lines)) <= 100, words, len(lines))
    p.check(re.fullmatch(r"plait \d+\.\d+\.\d+\n", run("--version").stdout))


@test
def output_that_cannot_be_written_is_told(p, where):
    with open("/dev/full", "w") as full:
        done = subprocess.run([PLAIT, "get", "--dir", where, URL + "bytes/5"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=ENVIRONMENT)
        p.check(done.returncode == 1 and "No space" in done.stderr, done)
        done = subprocess.run([PLAIT, "serve"], stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, timeout=60)
        p.check(done.returncode == 1 and "No space" in done.stderr, done)


# ---- names

@test
def names_stay_in_the_directory(p, where):
    os.mkdir(where + "/in")
    paths = ["bytes/..", "..", "bytes/5/../../bytes/.", "%2e%2e/%2fetc", "bytes/7?a=/../../x#/../y"]
    for path in paths:
        get(where + "/in", URL + path)
    p.files(where, "in")
    p.check("7" in os.listdir(where + "/in"), os.listdir(where + "/in"))
    p.check(set(os.listdir(where + "/in")) <= {"7", "index.html"}, os.listdir(where + "/in"))


@test
def two_urls_of_one_name_do_not_meet(p, where):
    done = get(where, "--json", URL + "bytes/5", URL + "chunked/5", URL + "bytes/6", URL + "bytes/5?again")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    p.check(done.returncode == 1, done)
    p.check([line["error"] is None for line in lines] == [True, False, True, False], lines)
    p.check("URL 1" in lines[1]["error"] and "URL 1" in lines[3]["error"], lines)
    p.check(lines[1]["status"] == 0, lines[1])
    p.files(where, "5", "6")


@test
def the_longest_name_is_possible(p, where):
    longest = "\u00e9" * 127 + "x"
    for name, code in (longest, 0), (longest[1:] + "xx", 0), (longest + "x", 2):
        done = run("get", "-o", name, URL + "bytes/5", cwd=where)
        p.check(done.returncode == code, done)
    p.files(where, longest, longest[1:] + "xx")
    done = get(where, URL + "none/" + "x" * 256)
    p.check(done.returncode == 4 and "too long" in done.stderr and "-o" in done.stderr, done)


@test
def a_name_may_begin_as_an_option(p, where):
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 1) as url:
        done = run("get", url + "-rf", cwd=where)
    p.check(done.returncode == 0 and done.stdout == "-rf\n", done)
    p.check(content(where, "-rf") == b"hi")


@test
def what_is_no_file_is_left_alone(p, where):
    outside = tempfile.NamedTemporaryFile(mode="w+")
    os.mkdir(where + "/5")
    os.symlink(outside.name, where + "/6")
    os.mkfifo(where + "/7")
    done = get(where, *["%sbytes/%d" % (URL, size) for size in range(5, 8)])
    p.check(done.returncode == 4, done)
    for word in "directory", "symbolic link", "not a file":
        p.check(word in done.stderr, word, done.stderr)
    p.check(os.path.getsize(outside.name) == 0)
    done = run("get", "-o", "6", URL + "bytes/6", cwd=where)
    p.check(done.returncode == 4 and "symbolic link" in done.stderr, done)
    p.files(where, "5", "6", "7")


@test
def a_file_of_the_users_is_never_taken_for_a_part(p, where):
    for name in "5.part", "6.part":
        with open(os.path.join(where, name), "w") as file:
            file.write("mine")
    for via in "coroutines", "processes":
        done = get(where, "--via", via, URL + "bytes/5", URL + "cut/6", URL + "bytes/7", URL + "none/7.part")
        p.check(done.returncode == 1, done)
        p.check(content(where, "5.part") == b"mine" and content(where, "6.part") == b"mine")
        p.files(where, "5", "5.part", "6.part", "7")


@test
def a_directory_that_cannot_be_written_is_told(p, where):
    if os.geteuid() == 0:
        done = get("/proc/self", URL + "bytes/5")
    else:
        os.chmod(where, 0o500)
        done = get(where, URL + "bytes/5")
        os.chmod(where, 0o700)
    p.check(done.returncode == 4 and "given, 0 ok, 1 failed" in done.stderr, done)
    with open(where + "/file", "w"):
        pass
    for directory, why in ("/proc/none", "No such file"), (where + "/file", "Not a directory"), (where + "/file/x", "Not a directory"):
        done = get(directory, "--json", URL + "bytes/5", URL + "bytes/6")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        p.check(done.returncode == 4 and done.stderr == "2 given, 0 ok, 2 failed\n", done)
        p.check(all(directory in line["error"] and why in line["error"] for line in lines), lines)
        p.check([line["status"] for line in lines] == [0, 0], lines)     # nothing was fetched in vain


@test
def a_full_disk_leaves_no_file(p, where):
    mount = "mount -t tmpfs -o size=64k none '%s'" % where
    script = mount + " && '%s' get --dir '%s' %sbytes/1000000 %sbytes/5; code=$?; ls '%s'; exit $code" % (PLAIT, where, URL, URL, where)
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        return "no mount of our own"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=ENVIRONMENT)
    p.check(done.returncode == 1 and "No space" in done.stderr, done)
    p.check(done.stdout.split() == [where + "/5", "5"], done.stdout)


@test
def few_descriptors_are_made_do_with(p, where):
    for via, count in ("coroutines", 16), ("coroutines", 40), ("threads", 60), ("processes", 60):
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (count, count))
        done = run("get", "--dir", where, "--via", via, *["%sbytes/%d" % (URL, size) for size in range(60)], preexec_fn=limit)
        p.check(done.returncode == 0, via, count, done.stderr)
        p.check("ulimit -n %d allows" % count in done.stderr, done.stderr)


# ---- signals

@contextlib.contextmanager
def answering(answer, count):
    """A server that answers `count` requests by these bytes, each on a connection of its own."""
    def serve():
        for _ in range(count):
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield "http://127.0.0.1:%d/" % listener.getsockname()[1]
        thread.join()


def wait_for_connections(listener, count):
    return [listener.accept()[0] for _ in range(count)]


def interrupted(p, where, via, *numbers):
    """Half of each body has come when the signal does."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
        command = subprocess.Popen([PLAIT, "get", "--json", "--dir", where, "--via", via, "-j", "3", *[url + str(i) for i in range(9)]],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        connections = wait_for_connections(listener, 3)
        for connection in connections:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        for number in numbers:
            command.send_signal(number)
        out, err = command.communicate(timeout=60)
        for connection in connections:
            connection.close()
    p.check(command.returncode in [128 + number for number in numbers], via, command.returncode, out, err)
    p.check(len(numbers) > 1 or len(out.splitlines()) == 9 and "9 given, 0 ok, 9 failed, interrupted" in err, out, err)
    p.files(where)


@test
def an_interrupt_ends_it_soon(p, where):
    for via in "coroutines", "threads", "processes":
        interrupted(p, where, via, signal.SIGINT)
    interrupted(p, where, "coroutines", signal.SIGTERM)
    interrupted(p, where, "coroutines", signal.SIGHUP)


@test
def two_interrupts_leave_nothing_either(p, where):
    for via in "coroutines", "threads", "processes":
        interrupted(p, where, via, signal.SIGINT, signal.SIGTERM)


@test
def an_interrupt_while_it_writes_leaves_nothing(p, where):
    """The pipe has room for a part of the body, and is not read."""
    os.mkfifo(where + "/pipe")
    reader = os.open(where + "/pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = subprocess.Popen([PLAIT, "get", "-o", "pipe", URL + "bytes/3000000"], cwd=where, stderr=subprocess.PIPE, text=True,
                               env=ENVIRONMENT)
    select.select([reader], [], [], 60)
    command.send_signal(signal.SIGINT)
    err = command.communicate(timeout=60)[1]
    os.close(reader)
    p.check(command.returncode == 130 and "interrupted" in err, command.returncode, err)
    p.files(where, "pipe")


@test
def a_signal_that_is_ignored_stays_so(p, where):
    with serving("--latency", "300ms") as (url, _):
        command = subprocess.Popen([PLAIT, "get", "--dir", where, url + "bytes/5"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True, env=ENVIRONMENT, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        command.send_signal(signal.SIGHUP)
        err = command.communicate(timeout=60)[1]
    p.check(command.returncode == 0 and err == "1 given, 1 ok, 0 failed\n", command.returncode, err)


@test
def a_reader_that_does_not_read_can_be_left(p, where):
    """The names fill the pipe; an interrupt ends the command then too."""
    command = subprocess.Popen([PLAIT, "get", "--json", "--dir", where, *[URL + "none/%d" % i for i in range(1000)]],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    select.select([command.stdout], [], [], 60)
    command.send_signal(signal.SIGINT)
    try:
        p.check(command.wait(60) == -signal.SIGINT, command.returncode)
    finally:
        command.kill()
        command.communicate()


@test
def the_server_ends_by_a_signal(p, where):
    for number in signal.SIGINT, signal.SIGTERM:
        with serving("--host", "127.0.0.1", "-p0") as (url, server):
            p.check(re.fullmatch(r"http://127\.0\.0\.1:\d+/", url), url)
            with socket.create_connection(("127.0.0.1", int(url.split(":")[2].strip("/")))) as idle:
                idle.sendall(b"GET /hang HTTP/1.1\r\n\r\n")
                p.check(get(where, url + "bytes/5").returncode == 0)
                server.send_signal(number)
                p.check(server.wait(timeout=60) == 0, server.returncode)


@test
def a_port_that_is_taken_is_told(p, where):
    port = URL.split(":")[2].strip("/")
    done = run("serve", "--port", port)
    p.check(done.returncode == 1 and "in use" in done.stderr and port in done.stderr, done)
    done = run("serve", "--host", "192.0.2.1")
    p.check(done.returncode == 1 and "try another --host" in done.stderr, done)


@test
def the_server_speaks_ipv6(p, where):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return "no IPv6 here"
    with serving("--host", "::1") as (url, _):
        p.check(url.startswith("http://[::1]:"), url)
        p.check(get(where, url + "bytes/5").returncode == 0)
    p.files(where, "5")


# ---- a terminal

@test
def the_bar_is_for_terminals(p, where):
    primary, terminal = pty.openpty()
    command = subprocess.Popen([PLAIT, "get", "--dir", where, URL + "bytes/5", URL + "none\x1b[31m", URL + "slow/30"], stdout=terminal,
                               stderr=terminal, env=dict(ENVIRONMENT, TERM="xterm"))
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):
        while select.select([primary], [], [], 60)[0]:
            shown += os.read(primary, 4096)
    command.wait()
    os.close(primary)
    p.check(b"] 3 of 3" in shown, shown)
    p.check(b"\x1b[31m" not in shown, shown)
    p.check(shown.replace(b"\x1b[K", b"").count(b"\x1b") == 0, shown)


def main():
    global PLAIT, URL
    tap = Tap()
    PLAIT = os.path.abspath(tap.arguments[0])
    with serving() as (URL, _):
        for function in TESTS:
            if not tap.wants(function.__name__):
                continue
            problems = Problems()
            with tempfile.TemporaryDirectory() as where:
                try:
                    skipped = function(problems, where)
                except Exception as error:      # a command that hangs, a file that is not there
                    skipped = None
                    problems.append("%s: %s" % (type(error).__name__, error))
            tap.result(function.__name__, [problem.replace("\n", "\\n") for problem in problems], skipped)
    tap.end()


if __name__ == "__main__":
    main()
