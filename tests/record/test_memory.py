"""The recorder's share of a container's memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.record import memory
from shadow.record.memory import LEAST_BYTES, allowance

MIB = 1 << 20


@pytest.mark.parametrize("limit", ["max\n", "9223372036854771712\n", "", "garbage"])
def test_no_limit_is_no_bound(limit: str) -> None:
    """Outside a container, or in one without a limit, nothing is bounded."""
    assert allowance(limit) is None


def test_the_forwarder_keeps_a_share() -> None:
    """Of a limit, the recorder takes a part; however small it is, it gets what it needs to work."""
    assert allowance(f"{1024 * MIB}\n") == int(1024 * MIB * memory.SHARE)
    assert allowance(f"{64 * MIB}\n") == LEAST_BYTES


def test_allocations_fail_at_the_bound(tmp_path: Path) -> None:
    """A process that stays within its container gets a MemoryError where the kernel would have ended them all."""
    (tmp_path / "memory.max").write_text(f"{256 * MIB}\n")
    code = f"""
from pathlib import Path
from shadow.record import memory
memory.CGROUP_FILES = (Path({str(tmp_path / "memory.max")!r}),)
print(memory.stay_within_container())
try:
    bytearray(400 << 20)
except MemoryError:
    print("refused")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.split() == [str(LEAST_BYTES), "refused"]
