"""How much memory the recorder may take of its container's, so that it fails before the container does.

Where a container is over its limit, Kubernetes has the kernel end every process in it (`memory.oom.group`, from 1.28
on with cgroup v2), the one that forwards included: preferring the recorder is then no help. Within a limit of its own,
the recorder's allocations fail, it ends, and is started again, while requests go on.
"""

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

CGROUP_FILES: Final = (  # cgroup v2, then v1; the container sees its own under this name
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SHARE: Final = 0.6  # the rest is the forwarder's: its connections, captures and what waits for the recorder
LEAST_BYTES: Final = 192 << 20  # it holds a third of that when idle; below this it could do no work
UNLIMITED_BYTES: Final = 1 << 50  # v1 writes a number near 2**63 for none


def allowance(limit: str) -> int | None:
    """What the recorder may take of a container's limit, as its cgroup file says it. None where it has none."""
    limit = limit.strip()
    if not limit.isdigit() or int(limit) >= UNLIMITED_BYTES:
        return None
    return max(LEAST_BYTES, int(int(limit) * SHARE))


def stay_within_container() -> int | None:
    """Bound this process's memory by its container's, if that has a limit. Returns the bound, in bytes."""
    for path in CGROUP_FILES:
        with suppress(OSError, ValueError):
            bound = allowance(path.read_text())
            if bound is not None:
                resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
            return bound
    return None
