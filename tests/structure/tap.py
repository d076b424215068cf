"""What the tests of this folder print: TAP, as the C tests do. Each takes `--only NAME` likewise."""
import sys


class Tap:
    def __init__(self):
        arguments = sys.argv[1:]
        self.only = None
        if "--only" in arguments:
            at = arguments.index("--only")
            self.only = arguments[at + 1]
            del arguments[at:at + 2]
        self.arguments = arguments
        self.count = 0
        self.failed = False

    def wants(self, name):
        return self.only in (None, name)

    def result(self, name, problems, skipped=None):
        """One test: passed when the list of problems is empty."""
        if not self.wants(name):
            return
        self.count += 1
        print("%s %d - %s%s" % ("not ok" if problems else "ok", self.count, name,
                                " # SKIP " + skipped if skipped and not problems else ""))
        for problem in problems:
            print("# " + problem)
        sys.stdout.flush()
        self.failed = self.failed or bool(problems)

    def end(self):
        print("1..%d" % self.count)
        sys.exit(self.failed)
