"""How a process gives way to the one that forwards."""

import os
from contextlib import suppress


def stand_back(pid: int = 0) -> None:
    """Have a process run only where nobody else wants the processor: one whose work a person waits for while clients
    must not. 0 is this process.

    Niceness alone lets a process finish its turn of some milliseconds before a request gets the processor.
    """
    with suppress(AttributeError, OSError):  # where the system knows no such class, niceness is what there is
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, 19)
