"""Processes that the demo and the benchmarks start, and end on every way out, Ctrl-C included."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request


given = set()


def free_port():
    """A loopback port that nothing listens on, and that was not given before: the system gives one twice."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        if port not in given:
            given.add(port)
            return port


class Processes(contextlib.ExitStack):
    """Leaving the `with` block ends what was started in it, last first."""

    def __enter__(self):
        # SIGTERM (a CI time-out) leaves by the same door as Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        return super().__enter__()

    def start(self, command, log):
        """Starts a process group of its own; output goes to the file `log`."""
        with open(log, "w") as output:
            process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.callback(end, process)
        return process


def end(process):
    """Asks a process group to end, then makes it."""
    for sign, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def wait_for(what, limit, answer, process, log):
    """Calls `answer` until it gives something, at most `limit` seconds, as long as `process` lives."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{what}: the process ended\n{tail(log)}")
        if found := answer():
            return found
        time.sleep(0.3)
    raise SystemExit(f"{what}: not within {limit} s\n{tail(log)}")


def tail(log, lines=25):
    with open(log) as file:
        return f"--- the end of {log} ---\n" + "".join(file.readlines()[-lines:])


def http(method, url, body=None):
    """The body of a 2xx answer, or None."""
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()
    except OSError:
        return None
