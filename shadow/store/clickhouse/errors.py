"""What a ClickHouse server's refusal means, as one exception with a kind from a closed set."""

import re
from enum import StrEnum
from typing import Final

from shadow.store.errors import StoreError, Trouble


class Refusal(StrEnum):
    """Why the server did not do what it was asked: a metric label, hence few."""

    UNREACHABLE = "unreachable"  # no answer, or none in time
    CREDENTIALS = "credentials"
    SCHEMA = "schema"  # its tables are missing, older or newer
    DISK_FULL = "disk_full"
    OVERLOADED = "overloaded"  # out of memory, too many parts or queries
    FAILED = "failed"  # any other error


class ClickHouseError(StoreError):
    """Nothing is known to be done; the same call may succeed later. The text names codes, never values of rows."""

    def __init__(self, refusal: Refusal, text: str, code: int | None = None) -> None:
        super().__init__(Trouble.FAILED, text)
        self.refusal: Final = refusal
        self.code: Final = code


UNKNOWN_TABLE: Final = 60
UNKNOWN_DATABASE: Final = 81

# Error codes of the server (https://github.com/ClickHouse/ClickHouse, src/Common/ErrorCodes.cpp).
_REFUSALS: Final = {
    **dict.fromkeys((192, 193, 194, 492, 497, 516), Refusal.CREDENTIALS),
    **dict.fromkeys((8, 16, 47, UNKNOWN_TABLE, UNKNOWN_DATABASE), Refusal.SCHEMA),
    **dict.fromkeys((74, 75, 76, 243), Refusal.DISK_FULL),  # what a full disk is to 18.16: it cannot write
    **dict.fromkeys((159, 202, 241, 252, 439), Refusal.OVERLOADED),
}
_CODE: Final = re.compile(rb"Code: (\d+)")


def refused(status: int, body: bytes) -> ClickHouseError:
    """The error in an answer that is none. Its text may quote rows, and is left out but for its code."""
    found = _CODE.search(body[:4096])
    if found is None:
        return ClickHouseError(Refusal.FAILED, f"ClickHouse answered with status {status}")
    code = int(found[1])
    return ClickHouseError(_REFUSALS.get(code, Refusal.FAILED), f"ClickHouse refused with its error {code}", code)
