"""A process that does one timed piece of work for each line it is told.

So that peers written in two languages run turn by turn, and neither's start
is counted.
"""

import json
import selectors
import subprocess

import places  # noqa: F401  (puts demo/ on the path)
from processes import end


class Conversation:
    """Lines out, lines of JSON back."""

    def __init__(self, processes, command, log, patience=500):
        self.patience = patience
        self.log = log
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        processes.callback(end, self.process)
        self.arrivals = selectors.DefaultSelector()
        self.arrivals.register(self.process.stdout, selectors.EVENT_READ)
        self.greeting = self.answer()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.answer()

    def seconds(self, line):
        return self.ask(line)["seconds"]

    def answer(self):
        # Every answer is one line, written whole: what select announces, readline gives.
        if not self.arrivals.select(self.patience):
            raise SystemExit(f"{self.process.args[0]} gave no answer within {self.patience} s")
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[0]} ended:\n" + open(self.log).read()[-2000:])
        return json.loads(line)
