"""What Linux says of a process's memory."""

import pathlib


def memory_mib(line, pid="self"):
    """A line of the process's status, MiB: VmRSS is in use now, VmHWM the most there has been.

    None when the process has ended.
    """
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(said.split()[1]) / 1024 for said in status if said.startswith(line + ":")), None)
