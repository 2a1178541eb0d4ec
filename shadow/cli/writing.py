"""Rows as files: each writer takes them one by one and holds few of them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import IO, Any, Final

import orjson

from shadow.spreadsheet import inert
from shadow.store.export import NUMBERS, TRUTHS, WHOLE

PARQUET: Final = find_spec("pyarrow") is not None
NUMBER: Final = re.compile(r"-[0-9]+(\.[0-9]+)?", re.ASCII)  # a refund is money, and nothing that is executed
GROUP: Final = 20_000  # rows of a group of Parquet: some ten megabytes

Row = Mapping[str, Any]


def jsonl(file: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """One JSON object a line."""
    del columns  # each row names its own
    for row in rows:
        file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def comma_separated(file: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Comma-separated values with a heading, as RFC 4180 has them; lists and objects are JSON.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    text.detach()


def parquet(file: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Apache Parquet; lists and objects are JSON text, times are timestamps in UTC."""
    pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")  # an extra: not everybody has it

    schema = pa.schema([(column, _type(pa, column)) for column in columns])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows):
            columns_of = ([_plain(row[field.name]) for row in group] for field in schema)
            arrays = [pa.array(values).cast(field.type) for values, field in zip(columns_of, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while group := list(islice(remaining, GROUP)):
        yield group


def _type(pa: Any, column: str) -> Any:
    if column == "started_at":
        return pa.timestamp("us", tz="UTC")
    if column in TRUTHS:
        return pa.bool_()
    if column in WHOLE:
        return pa.int64()
    if column.endswith("_s") or column in NUMBERS:
        return pa.float64()
    return pa.string()


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | dict():
            return orjson.dumps(value).decode()
        case str() if not NUMBER.fullmatch(value):
            return inert(value)
    return value
