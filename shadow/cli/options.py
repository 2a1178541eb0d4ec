"""Types and options that several commands take."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from shadow.report.totals import DIMENSIONS, Dimension

AGE: Final = re.compile(r"(\d+)([smhdw])")
AGE_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType[datetime]):
    """An ISO 8601 time, in UTC unless it says otherwise, or an age such as 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if age := AGE.fullmatch(value):
                return datetime.now(UTC) - timedelta(**{AGE_UNITS[age[2]]: int(age[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither an ISO 8601 time nor an age such as 90m, 24h or 7d", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Breakdown(click.ParamType[tuple[Dimension, ...]]):
    """A comma-separated combination of what to break a report down by."""

    name = "dimensions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Dimension, ...]:
        if isinstance(value, tuple):
            return value
        found = tuple(one for name in value.split(",") for one in DIMENSIONS if one == name.strip())
        if len(found) != len(value.split(",")) or len(set(found)) != len(found):
            self.fail(f"{value!r} is not a combination of {', '.join(DIMENSIONS)}", param, ctx)
        return found


class Condition(click.ParamType[tuple[Dimension, str]]):
    """KEY=VALUE, where KEY is a dimension; an empty VALUE asks for exchanges without one."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Dimension, str]:
        if isinstance(value, tuple):
            return value
        key, equals, wanted = value.partition("=")
        for dimension in DIMENSIONS:
            if equals and dimension == key:
                return dimension, wanted
        return self.fail(f"{value!r} is not KEY=VALUE with a KEY of {', '.join(DIMENSIONS)}", param, ctx)


ConfigFile = click.Path(dir_okay=False, path_type=Path)


def config_option(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "-c", "--config", "config_path", type=ConfigFile, required=required, help="The YAML configuration file."
    )
