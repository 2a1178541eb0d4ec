"""How a process gives way to the one that forwards."""

import os
from contextlib import suppress


def stand_back() -> None:
    """Run only where nobody else wants the processor: for work that a person waits for while clients must not.

    Niceness alone lets a process finish its turn of some milliseconds before a request gets the processor.
    """
    with suppress(AttributeError, OSError):  # where the system knows no such class, niceness is what there is
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        os.nice(19)
