"""Overwrites what SQLite leaves of deleted rows: `python -m shadow.store.scrub PATH FIRST COUNT`, pages from 1.

With `secure_delete` SQLite overwrites a row where it is deleted. But before that it may have moved the row from one
page to another, to balance them, and of what it moved it leaves a copy behind, in the unallocated space of the page:
nothing reads it, and nothing overwrites it. So this does, as SQLite's own `ext/misc/scrub.c` does for a copy
(https://sqlite.org/fileformat2.html has the layout).

The file must be as its writer closed it, with an empty log, and nobody may write to it meanwhile; readers may read. It
is a process of its own because to close any descriptor of a database drops the locks that its process holds on it.
"""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAGIC: Final = b"SQLite format 3\0"
HEADER_BYTES: Final = 100
NODE: Final = struct.Struct(">BHHH")  # kind, first free block, cells, where their content begins; 0: at 65536
CELLS_AT: Final = {2: 12, 5: 12, 10: 8, 13: 8}  # kind of b-tree page → where the list of its cells begins
CELL_BYTES: Final = 2  # in that list
# In a database that can give space back, the second page and every so many after it say what the next ones are.
ENTRY_BYTES: Final = 5
NODES: Final = (1, 5)  # entries of b-tree pages: roots and others
LOCKS_AT: Final = 1 << 30  # the page in which this byte lies holds locks, and no data


class LayoutError(Exception):
    """The file is not laid out as the databases of this program are."""


def scrub(path: Path, first: int, count: int) -> int:
    """Overwrite the unallocated space of `count` pages from `first` on; how many pages there are in all."""
    with path.open("r+b", buffering=0) as file:
        descriptor = file.fileno()
        size, usable = _sizes(os.pread(descriptor, HEADER_BYTES, 0))
        total = path.stat().st_size // size
        for number in _nodes(descriptor, first, min(first + count, total + 1), size, usable):
            at = (number - 1) * size
            page = os.pread(descriptor, size, at)
            begin, end = _unallocated(page, HEADER_BYTES if number == 1 else 0)
            if page[begin:end].strip(b"\0"):
                os.pwrite(descriptor, bytes(end - begin), at + begin)
        os.fsync(descriptor)
    return total


def _sizes(header: bytes) -> tuple[int, int]:
    """Of a page, and of what is used of it."""
    if not header.startswith(MAGIC) or len(header) < HEADER_BYTES:
        raise LayoutError("no database")
    size = int.from_bytes(header[16:18])
    size = 1 << 16 if size == 1 else size
    if int.from_bytes(header[52:56]) == 0:
        raise LayoutError("a database that does not say what its pages are")
    return size, size - header[20]


def _nodes(descriptor: int, first: int, last: int, size: int, usable: int) -> Iterator[int]:
    """Those pages from `first` on and before `last` that are nodes of b-trees."""
    if first <= 1 < last:
        yield 1
    entries, mapped = b"", 0
    for number in range(max(first, 2), last):
        map_page = _map_page(number, size, usable)
        if map_page != mapped:
            entries, mapped = os.pread(descriptor, usable, (map_page - 1) * size), map_page
        if number in (map_page, LOCKS_AT // size + 1):
            continue
        if entries[ENTRY_BYTES * (number - map_page - 1)] in NODES:
            yield number


def _map_page(number: int, size: int, usable: int) -> int:
    """The page that says what a page is; itself where it is such a one (SQLite's `ptrmapPageno`)."""
    together = usable // ENTRY_BYTES + 1
    found = (number - 2) // together * together + 2
    return found + 1 if found == LOCKS_AT // size + 1 else found


def _unallocated(page: bytes, header: int) -> tuple[int, int]:
    """From the end of a node's list of cells to where their content begins."""
    kind, _, cells, content = NODE.unpack_from(page, header)
    begin, end = header + CELLS_AT.get(kind, 0) + CELL_BYTES * cells, content or 1 << 16
    if kind not in CELLS_AT or not begin <= end <= len(page):
        raise LayoutError("a page that is not what the database says it is")
    return begin, end


if __name__ == "__main__":
    sys.stdout.write(str(scrub(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
