"""The bounds of a SQLite store, each with its reason. A test makes them small."""

from dataclasses import dataclass

from shadow.store.reserve import RESERVE_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    group_rows: int = 200  # beyond this a larger group gains nothing, and those who wait wait longer
    prune_rows: int = 500  # one step of retention: some milliseconds between two commits
    prune_bodies: int = 50  # the same of bodies: usually a few kilobytes, at worst some megabytes together
    prune_pages: int = 256  # one step of giving space back: 1 MiB
    erase_rows: int = 5000  # looked through in one step of an erasure, which deletes at most `prune_rows` of them
    scrub_pages: int = 16_384  # of 4 KiB, read in one step: a fifth of a second, and the database is opened anew
    reserve_bytes: int = RESERVE_BYTES
    log_restart_bytes: int = 16 << 20  # a log beyond this has readers in its way: wait for them, briefly
    log_max_bytes: int = 256 << 20  # a stuck reader must not fill the pod's disk: nothing is stored until it goes
    checkpoint_wait_ms: int = 100  # how long one attempt may hold up the writer
    checkpoint_pause_s: float = 2.0  # between two attempts
