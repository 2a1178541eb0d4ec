"""What differs between two configurations, and what of it can be taken over by a service that runs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

from shadow.config import Config

# What a running service takes over. All else belongs to sockets, files and processes that are already there.
LIVE: Final = ("candidates", "control", "registry", "consent_default")
SHOWN_CHARACTERS: Final = 200  # of a value in the log: a line stays a line
TOLD_MOST: Final = 50  # changes of one reload, each in a line of the log; and mistakes, in one; then how many more
SHOWN_MOST: Final = 1000  # changes in the answer to who asked, then how many more: 0.4 MB at most
ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is not what it was: its key path, and both values as text; None where there is none."""

    where: str
    before: str | None
    after: str | None

    @property
    def live(self) -> bool:
        """Whether a running service takes it over."""
        return self.where.partition(".")[0] in LIVE

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.where}: added: {self.after}"
        return f"{self.where}: removed" if self.after is None else f"{self.where}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says that is not in force: the first changes and how many more, and all of it as text.

    `live`: a running service takes some of it over.
    """

    first: tuple[Change, ...]
    more: int
    live: bool
    text: str


def changes(before: Config, after: Config) -> tuple[Change, ...]:
    """Every value that differs, in the order of the configuration."""
    return tuple(_changes("", before, after))


def found(differing: Sequence[Change]) -> Found:
    """What is told of all changes."""
    text = "".join(f"{line}\n" for line in _lines(differing)) or "Nothing has changed.\n"
    first = tuple(differing[:TOLD_MOST])
    return Found(first, len(differing) - len(first), any(one.live for one in differing), text)


def taken_over(running: Config, wanted: Config) -> Config:
    """The running configuration with all of the wanted one that can be had without a restart."""
    return replace(running, **{name: getattr(wanted, name) for name in LIVE})


def _lines(differing: Sequence[Change]) -> Iterator[str]:
    ordered = sorted(differing, key=lambda one: not one.live)
    for one in ordered[:SHOWN_MOST]:
        yield str(one) if one.live else f"{one} (at the next start)"
    if (more := len(ordered) - SHOWN_MOST) > 0:
        yield f"and {more} more"


def _changes(where: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    old, new = _parts(before), _parts(after)
    if old is None or new is None:
        yield Change(where, _shown(before), _shown(after))
        return
    for name in [*old, *(name for name in new if name not in old)]:
        yield from _changes(f"{where}.{name}".lstrip("."), old.get(name, ABSENT), new.get(name, ABSENT))


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a value consists of, by name: a section's keys, a mapping's, named sections. None for what is one value."""
    if is_dataclass(value) and hasattr(type(value), "__pydantic_config__"):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): one for name, one in value.items()}
    if isinstance(value, Sequence) and value and all(hasattr(one, "name") for one in value):
        return {one.name: one for one in value}
    return {} if value == () else None


def _shown(value: Any) -> str | None:
    if value is ABSENT:
        return None
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
