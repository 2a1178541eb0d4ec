"""The recorded exchanges: real answers of real providers, kept outside this repository.

`SHADOW_RECORDED` names the file; without it, `../shared/recorded/exchanges.jsonl` beside the checkout is tried.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest

PATH = Path(
    os.environ.get("SHADOW_RECORDED") or Path(__file__).parents[1] / "../shared/recorded/exchanges.jsonl"
).resolve()

requires_recorded = pytest.mark.skipif(
    not PATH.exists(), reason="the recorded exchanges are not here: set SHADOW_RECORDED to exchanges.jsonl"
)


@functools.cache
def _rows() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in PATH.read_text().splitlines())


def load(host: str | None = None) -> list[dict[str, Any]]:
    """The recorded exchanges, or those of one host. The rows are shared: do not change them."""
    return [row for row in _rows() if host in (None, row["host"])]
