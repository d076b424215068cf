#!/usr/bin/env python3
"""Negative controls of the explorer: each planted bug must be found, and the schedule that shows it must show it again.

planted.py ROOT BUILD CC ARGUMENT...     the compiler, and how the explored sources are compiled

A bug is a text of a source that stands there exactly once, and what stands there instead. It is compiled beside the
explored library and linked before it.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "structure"))
from tap import Tap  # noqa: E402

LOOP, STRAND, RECORD = "core/loop.c", "core/strand.c", "core/record.c"
QUEUE, LOCK, EVENT = "sync/queue.c", "sync/lock.c", "sync/event.c"
SEMAPHORE, RWLOCK, CONDITION = "sync/semaphore.c", "sync/rwlock.c", "sync/condition.c"

# What includes a header that a bug is planted in.
SOURCES = [LOOP, STRAND, RECORD, "base/spin.c", QUEUE, LOCK, EVENT, "sync/waiters.c", SEMAPHORE, RWLOCK, CONDITION]
SCENARIOS = ["scenario_wake.c", "scenario_sync.c", "scenario_meet.c", "scenario_group.c"]

# name, the scenario that must find it, and once or more: file, text, and what stands there instead
PLANTED = [
    # park, unpark, the inbox
    ("unpark_looks_and_then_marks", "two_unparkers", STRAND,
     "else if (atomic_exchange_explicit(&strand->remote, 1, memory_order_acq_rel) == 0) {",
     "else if (plait__load(&strand->remote) == 0) { plait__store(&strand->remote, 1);"),
    ("unpark_releases_nothing", "two_unparkers", STRAND,
     "atomic_exchange_explicit(&strand->remote, 1, memory_order_acq_rel)",
     "atomic_exchange_explicit(&strand->remote, 1, memory_order_relaxed)"),
    ("the_loop_looks_and_then_sleeps", "unpark", LOOP,
     "if (!atomic_compare_exchange_strong_explicit(&loop->inbox, &nobody, PLAIT__SLEEPS, memory_order_seq_cst, "
     "memory_order_relaxed))\n"
     "                return;",
     "if (plait__load(&loop->inbox) != nobody)\n                return;\n        "
     "plait__store_release(&loop->inbox, PLAIT__SLEEPS);"),
    ("how_it_sleeps_is_not_released", "unpark_in_poller", LOOP,
     "&nobody, PLAIT__SLEEPS, memory_order_seq_cst,", "&nobody, PLAIT__SLEEPS, memory_order_relaxed,"),
    ("the_bell_is_reset_too_late", "unpark", LOOP,
     "struct plait__kernel_timespec moment = {until / PLAIT_S, until % PLAIT_S};",
     "struct plait__kernel_timespec moment = {until / PLAIT_S, until % PLAIT_S}; "
     "plait__store(plait__load(&loop->bell), 0);"),
    ("a_poller_is_not_rung", "unpark_in_poller", LOOP, "plait__poller_ring(loop);", ""),
    ("push_does_not_see_that_it_sleeps", "unpark", LOOP,
     "if (head == PLAIT__SLEEPS)\n                ring", "if (!head)\n                ring"),
    ("push_releases_nothing", "two_unparkers", LOOP,
     "&head, strand, memory_order_acq_rel, memory_order_relaxed",
     "&head, strand, memory_order_relaxed, memory_order_relaxed"),
    ("push_is_not_atomic", "two_unparkers", LOOP,
     "while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &head, strand, memory_order_acq_rel, "
     "memory_order_relaxed));",
     "while (0); plait__store_release(&loop->inbox, strand);"),
    ("drain_acquires_nothing", "unpark", LOOP,
     "atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire)",
     "atomic_exchange_explicit(&loop->inbox, NULL, memory_order_relaxed)"),
    ("drain_is_not_atomic", "record", LOOP,
     "strand = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);",
     "strand = plait__load_acquire(&loop->inbox); plait__store(&loop->inbox, NULL);"),
    ("remote_is_cleared_without_acquiring", "unpark", LOOP,
     "atomic_exchange_explicit(&list->remote, 0, memory_order_acq_rel)",
     "atomic_exchange_explicit(&list->remote, 0, memory_order_relaxed)"),
    ("remote_is_cleared_after_the_wake_up", "unpark", LOOP,
     "atomic_exchange_explicit(&list->remote, 0, memory_order_acq_rel);", ""),
    ("a_record_is_used_again_while_it_is_in_the_inbox", "record", RECORD,
     "plait__loop_drain(loop);        /* the last", ";        /* the last",
     "task/task.c", "!plait__load(&strand->remote))", "true)"),        # either alone is enough
    # handing over
    ("a_hand_over_releases_nothing", "grant", STRAND,
     "plait__store_release(&strand->granted, PLAIT__GRANTED)", "plait__store(&strand->granted, PLAIT__GRANTED)"),
    ("a_hand_over_is_told_too_early", "record", STRAND,
     "plait__store_release(&strand->granted, PLAIT__GRANTING)",
     "plait__store_release(&strand->granted, PLAIT__GRANTED)"),
    ("a_hand_over_is_not_acquired", "grant", "core/strand.h",
     "plait__load_acquire(&strand->granted)", "plait__load(&strand->granted)"),
    # the guard
    ("a_guard_acquires_nothing", "queue", "base/atomic.h",
     "plait__unlikely(atomic_exchange_explicit(&spin->held, 1, memory_order_acquire))",
     "plait__unlikely(atomic_exchange_explicit(&spin->held, 1, memory_order_relaxed))"),
    ("a_guard_releases_nothing", "queue", "base/atomic.h",
     "plait__store_release(&spin->held, 0)", "plait__store(&spin->held, 0)"),
    ("a_guard_looks_and_then_takes", "queue", "base/atomic.h",
     "else if (plait__unlikely(atomic_exchange_explicit(&spin->held, 1, memory_order_acquire)))",
     "else if (!plait__load_acquire(&spin->held)) plait__store(&spin->held, 1); else"),
    # the queue
    ("a_getter_takes_no_guard", "queue", QUEUE,
     "plait__spin_acquire(&queue->guard);\n        if (!queue->shut && plait__load(&queue->count) == 0)",
     "if (!queue->shut && plait__load(&queue->count) == 0)"),
    ("a_putter_that_waits_is_forgotten", "queue", QUEUE, "if (putter)\n                grant_with(putter, 0);", ""),
    ("an_item_is_copied_after_the_hand_over", "queue", QUEUE,
     "copy(queue, getter->slot, item);\n                queue->unfinished++;",
     "queue->unfinished++; plait__spin_release(&queue->guard); void *slot_ = getter->slot; grant_with(getter, 0); "
     "copy(queue, slot_, item); return 0;"),
    ("a_cancelled_getter_throws_its_item_away", "queue_cancel", QUEUE,
     "if (plait__waiters_leave(strand)) {", "if (plait__waiters_leave(strand) || true) {"),
    ("a_waiter_leaves_without_the_guard", "queue_cancel", QUEUE,
     "if (rc < 0) {\n                plait__spin_acquire(&queue->guard);\n                if "
     "(plait__waiters_leave(strand)) {\n"
     "                        plait__spin_release(&queue->guard);",
     "if (rc < 0) {\n                if (plait__waiters_leave(strand)) {"),
    ("shutdown_forgets_the_getters", "queue_shutdown", QUEUE, "wake_all(queue, &queue->getters, -EPIPE);", ""),
    ("the_guard_is_left_before_the_getter_joins", "queue", QUEUE,
     "plait__waiters_add(waiters, strand);\n        plait__spin_release(&queue->guard);",
     "plait__spin_release(&queue->guard);\n        plait__waiters_add(waiters, strand);"),
    # the lock
    ("a_lock_is_looked_at_and_then_taken", "lock_twice", LOCK,
     "} else if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, HELD, memory_order_acquire, "
     "memory_order_relaxed)) {",
     "} else if (plait__load_acquire(&lock->word) != word || (plait__store(&lock->word, HELD), false)) {"),
    ("a_lock_acquires_nothing", "lock_twice", LOCK,
     "&lock->word, &word, HELD, memory_order_acquire, memory_order_relaxed",
     "&lock->word, &word, HELD, memory_order_relaxed, memory_order_relaxed"),
    ("a_lock_releases_nothing", "lock_twice", LOCK,
     "&lock->word, &word, FREE, memory_order_release,", "&lock->word, &word, FREE, memory_order_relaxed,"),
    ("joining_acquires_nothing", "lock_twice", LOCK,
     "atomic_exchange_explicit(&lock->word, AWAITED, memory_order_acquire)",
     "atomic_exchange_explicit(&lock->word, AWAITED, memory_order_relaxed)"),
    ("a_release_forgets_who_waits", "lock_twice", LOCK,
     "else if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, FREE, memory_order_release, "
     "memory_order_relaxed))\n"
     "                release_awaited(lock);",
     "else if (plait__load(&lock->word) == word)\n                plait__store_release(&lock->word, FREE);\n"
     "        else\n                release_awaited(lock);"),
    ("a_lock_that_was_free_after_all_is_not_noticed", "lock_twice", LOCK, "if (word == FREE) {", "if (false) {"),
    ("the_last_waiter_leaves_it_awaited_no_more", "lock", LOCK,
     "else if (plait__list_empty(&lock->waiters))\n                plait__store(&lock->word, HELD);",
     "else\n                plait__store(&lock->word, HELD);"),
    ("a_cancelled_waiter_drops_the_lock", "lock_cancel", LOCK,
     "if (!plait__waiters_leave(strand))\n                rc = 0;", "plait__waiters_leave(strand);"),
    # the event
    ("a_waiter_does_not_look_again", "event", EVENT, "if (plait__load_acquire(&event->set)) {", "if (false) {"),
    ("set_wakes_one", "event", EVENT,
     "while ((strand = plait__waiters_pop(&waiters))) {", "if ((strand = plait__waiters_pop(&waiters))) {"),
    # what is built on them
    ("a_semaphore_acquires_nothing", "semaphore", SEMAPHORE,
     "free - 1, __ATOMIC_ACQUIRE", "free - 1, __ATOMIC_RELAXED"),
    ("a_semaphore_releases_nothing", "semaphore", SEMAPHORE,
     "free + count, __ATOMIC_RELEASE", "free + count, __ATOMIC_RELAXED"),
    ("a_rwlock_acquires_nothing", "rwlock", RWLOCK,
     "taken_by(kind, word), memory_order_acquire", "taken_by(kind, word), memory_order_relaxed"),
    ("a_rwlock_releases_nothing", "rwlock", RWLOCK,
     "writes ? 0 : word - 1, memory_order_release", "writes ? 0 : word - 1, memory_order_relaxed"),
    ("a_condition_lets_the_lock_go_before_it_waits", "condition", CONDITION,
     "        plait__waiters_add(&condition->waiters, strand);\n        plait__spin_release(&condition->guard);\n"
     "        plait_lock_release(lock);",
     "        plait__spin_release(&condition->guard);\n        plait_lock_release(lock);\n"
     "        plait__spin_acquire(&condition->guard);\n        plait__waiters_add(&condition->waiters, strand);\n"
     "        plait__spin_release(&condition->guard);"),
]


class Control:
    def __init__(self, root, build, compiler, folder):
        self.root, self.build, self.compiler, self.folder = root, build, compiler, folder

    def compile(self, name):
        """Objects of the sources that the bug changes."""
        sources = [os.path.join(self.folder, "src", name)]
        if name.endswith(".h"):
            sources = [os.path.join(self.root, "src", source) for source in SOURCES]
            sources += [os.path.join(self.root, "tests/explore", source) for source in SCENARIOS]
        objects = [os.path.join(self.folder, os.path.basename(source) + ".o") for source in sources]
        for source, made in zip(sources, objects):
            folders = [os.path.join(self.folder, "src")]
            folders += [os.path.join(self.root, folder) for folder in ("src", "include", "tests/explore")]
            subprocess.run(self.compiler + ["-w"] + ["-I" + folder for folder in folders] + ["-c", source, "-o", made],
                           check=True)
        return objects

    def edit(self, name, text, instead):
        with open(os.path.join(self.root, "src", name), encoding="utf-8") as file:
            source = file.read()
        if source.count(text) != 1:
            return ["%s has %d times: %s" % (name, source.count(text), text)]
        os.makedirs(os.path.join(self.folder, "src", os.path.dirname(name)), exist_ok=True)
        with open(os.path.join(self.folder, "src", name), "w", encoding="utf-8") as file:
            file.write(source.replace(text, instead))
        return []

    def make(self, edits):
        objects = []
        for name, text, instead in edits:
            problems = self.edit(name, text, instead)
            if problems:
                return problems
            objects += self.compile(name)
        where = os.path.join(self.build, "tests/explore")
        libraries = [os.path.join(where, "lib%s.a" % library)
                     for library in ("explorer", "explored_scenarios", "explored")]
        subprocess.run(self.compiler[:1] + objects + ["-Wl,--start-group"] + libraries +
                       ["-Wl,--end-group", "-pthread", "-o", self.program()], check=True)
        return []

    def program(self):
        return os.path.join(self.folder, "explore")

    def run(self, *arguments):
        return subprocess.run([self.program()] + list(arguments), stdout=subprocess.PIPE, text=True, check=False,
                              timeout=120).stdout

    def verdict(self, scenario):
        """What was found, and what is wrong with that."""
        found = self.run(scenario)
        match = re.search(r"^# %s: (.*)\n# run (\d+); again: \S+ \S+ (\S+)" % scenario, found, re.M)
        if not match:
            return None, ["not found: " + found.strip().replace("\n", "; ")[:300]]
        again = self.run(scenario, match.group(3))
        kind = re.sub(r"0x\w+|\S*\.c:", "", match.group(1))
        if kind not in re.sub(r"0x\w+|\S*\.c:", "", again):
            return None, ["found (%s), but its schedule shows: %s" % (match.group(1), again.strip().split("\n")[-2:])]
        found = (scenario, match.group(3).rsplit("/", 1)[0], match.group(2), match.group(1))
        return "%s: found by %s in run %s: %s" % found, []


def main():
    tap = Tap()
    root, build, compiler = tap.arguments[0], tap.arguments[1], tap.arguments[2:]
    for name, scenario, *edits in PLANTED:
        if not tap.wants(name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            control = Control(root, build, compiler, folder)
            found, problems = None, control.make(list(zip(*[iter(edits)] * 3)))
            if not problems:
                found, problems = control.verdict(scenario)
        tap.result(name, problems)
        if found:
            print("# " + found, flush=True)
    tap.end()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
