"""What each arm has spent of its budget on each UTC day, and what is reserved for replays that have not ended.

A row of `spend` holds both in one sum, so that whatever becomes of the process no reserved dollar is free again before
it is known what the replay cost. A row of `reservations` is what one replay that was sent holds of it. Written in the
commits that mark the replay as sent and that end it; what a killed process left reserved stays spent.
"""

import sqlite3
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final

from shadow.exchange import Replay, Reservation
from shadow.store.ids import blob
from shadow.store.rows import Row, nano_usd, usd

RESERVE: Final = "INSERT INTO reservations (exchange_id, arm, day, nano_usd) VALUES (?, ?, ?, ?)"
# A fresh database, in the place of one that was set aside, learns here what the running process has spent.
SPEND: Final = """INSERT INTO spend (arm, day, nano_usd) VALUES (?, ?, ?)
    ON CONFLICT (arm, day) DO UPDATE SET nano_usd = nano_usd + ?"""
CHARGE: Final = """UPDATE spend SET nano_usd = spend.nano_usd + ? - held.nano_usd FROM reservations AS held
    WHERE held.exchange_id = ? AND held.arm = ? AND spend.arm = held.arm AND spend.day = held.day"""
RELEASE: Final = "DELETE FROM reservations WHERE exchange_id = ? AND arm = ?"
ABANDON: Final = "DELETE FROM reservations"
READ: Final = "SELECT arm, day, nano_usd FROM spend WHERE day >= ?"

Spend = dict[str, dict[date, Decimal]]  # US dollars by arm and UTC day


def reserve_row(exchange_id: str, arm: str, reservation: Reservation) -> Row:
    """For RESERVE."""
    return blob(exchange_id), arm, reservation.day.isoformat(), nano_usd(reservation.usd)[0]


def spend_row(arm: str, reservation: Reservation) -> Row:
    """For SPEND."""
    return arm, reservation.day.isoformat(), nano_usd(reservation.day_usd)[0], nano_usd(reservation.usd)[0]


def charge_rows(replays: Iterable[Replay]) -> tuple[Row, ...]:
    """For CHARGE, of those that held something; without their first value for RELEASE."""
    charged = ((one.charged_usd, blob(one.exchange_id), one.arm) for one in replays if one.charged_usd is not None)
    return tuple((nano_usd(charge)[0], exchange_id, arm) for charge, exchange_id, arm in charged)


def read(connection: sqlite3.Connection, since: date) -> Spend:
    """What was spent on a day and later."""
    spend: Spend = {}
    for arm, day, nano in connection.execute(READ, (since.isoformat(),)):
        if (known := usd(nano, None)) is not None:
            spend.setdefault(arm, {})[date.fromisoformat(day)] = known
    return spend
