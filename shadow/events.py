"""Every event that the log can tell of: a closed set, for whoever alerts on one or searches for it.

An event's name is what stands under `event` in the log, in lower case, and is never renamed. Its text is one sentence
with fields in braces; their values stand beside the sentence, under the fields' names. What is told of an error is
where it happened (`shadow.log.where`), never its own text.
"""

import logging
from enum import Enum
from typing import Final, Self

INFO: Final = logging.INFO  # as it should be
WARNING: Final = logging.WARNING  # look in the morning
ERROR: Final = logging.ERROR  # something is lost, broken or given up; clients are served all the same


class Event(Enum):
    """What happened. Ordered by who tells of it."""

    level: int
    text: str

    # The service, and background tasks of either process.
    STARTING = INFO, "shadow {version} starts: Python {python}, aiohttp {aiohttp}, configuration {configuration}"
    FORWARDING = INFO, "ready: forwarding {listen} to {upstream}"
    DRAINING = INFO, "draining: running answers have {drain_s:g} s"
    STOPPED = INFO, "stopped"
    RECORDER_ENDED = ERROR, "the recorder {how}; it starts again in {pause_s:.1f} s"
    RECORDER_HUNG = ERROR, "the recorder has answered nothing for {silent_s:g} s and is killed"
    RECORDER_OVERDUE = WARNING, "the recorder did not stop within {limit_s:g} s and is killed"
    CONFIG_CHANGED = INFO, "the configuration has changed: {change}"
    CONFIG_WAITS = WARNING, "the configuration has changed, and this waits for the next start: {change}"
    CONFIG_CHANGED_MORE = INFO, "the configuration has changed in {count} more places"
    CONFIG_UNCHANGED = INFO, "the configuration was read again: nothing has changed"
    RELOAD_REFUSED = ERROR, "the configuration was read again and is refused; the old one stays: {problems}"
    RECORDER_RENEWED = INFO, "the recorder starts again with the new configuration"
    TASK_CRASHED = ERROR, "the task {task} crashed: {error}"
    LIBRARY = WARNING, "{message}"  # a library that the service is built on says so; never below a warning

    # The request path.
    CONNECTION_BROKE = ERROR, "a connection to the upstream failed: {error}"
    EXCHANGE_UNCAPTURED = ERROR, "an exchange could not be captured: {error}"
    EXCHANGE_REFUSED = ERROR, "the recorder refused an exchange as malformed"
    EXCHANGE_GIVEN_UP = ERROR, "the recorder ended {deaths} times in a row over one exchange, which is dropped"
    HANDOFF_OVERDUE = WARNING, "{exchanges} exchanges could not be handed to the recorder in time"

    # The recorder.
    RECORDING = INFO, "ready: recording"
    RECORDER_UNSTARTED = ERROR, "the recorder cannot start: {reason}"
    TRACES_OFF = ERROR, "no traces are sent: {error}"
    SPAN_UNTOLD = ERROR, "a span could not be made: {error}"
    BATCH_REFUSED = ERROR, "a batch was refused: {error}"
    ANSWER_UNREAD = ERROR, "an answer was not read: {error}"
    COST_UNKNOWN = ERROR, "a delayed cost stays unknown: {error}"
    PENDING_LEFT = WARNING, "pending replays could not be ended, the next start does it: {trouble}"
    EXPIRED_DELETED = INFO, "{exchanges} exchanges older than {days} days were deleted"
    BODIES_DELETED = INFO, "{rows} rows of bodies were deleted, older than {days} days or without consent by now"
    BODIES_UNKEPT = ERROR, "the bodies of an exchange are not kept: {error}"
    STORE_CAPPED = (
        WARNING,
        "over store.max_bytes: {unshipped} unshipped and {shipped} shipped exchanges deleted, {bodies} bodies",
    )
    ERASED = INFO, "a tenant was erased: {deleted} rows"
    ERASURE_FAILED = ERROR, "a tenant could not be erased wholly, {deleted} rows were: {reason}"
    STORED_REPLAY_BEGAN = INFO, "stored requests are replayed to {arm}"
    STORED_REPLAY_ENDED = INFO, "the replay of stored requests to {arm} is {how}: {ended} ended, {left} left"
    CLOCK_LEAPT = WARNING, "the clock has leapt by {leap_s:.0f} s: nothing is deleted by it for an hour"
    EXPIRED_LEFT = WARNING, "old exchanges could not be deleted: {trouble}"

    # The store.
    STORE_OPENED = INFO, "SQLite {sqlite} keeps {path}"
    STORE_MIGRATED = INFO, "the database {path} was migrated: {migration}"
    STORE_SAMPLED = INFO, "the database {path} is large: checked in samples"
    STORE_TROUBLED = ERROR, "the database {path} takes no rows: {trouble}: {reason}"
    STORE_WELL = WARNING, "the database {path} takes rows again"
    STORE_GONE = ERROR, "the database {path} is gone from its place: opening what is there now"
    STORE_SET_ASIDE = ERROR, "the database {path} was set aside as {aside}: {reason}; a fresh one takes its place"
    STORE_UNMOVED = ERROR, "the damaged database {path} cannot be set aside: {reason}"
    STORE_LOG_SET_ASIDE = ERROR, "the log {path} is not readable and was set aside as {aside}: its commits are missing"
    STORE_LOG_FULL = WARNING, "the log of {path} could not be checkpointed: {reason}"
    RESERVE_MISSING = WARNING, "no room could be reserved in {path}: {reason}"

    # ClickHouse.
    SHIPPING = INFO, "rows are shipped to ClickHouse at {url}"
    SHIP_MIGRATED = INFO, "the tables in ClickHouse were migrated: {migration}"
    SHIP_WELL = WARNING, "ClickHouse takes rows again"
    SHIP_TROUBLED = ERROR, "no rows can be shipped to ClickHouse, they wait: {reason}"

    # The mirror.
    CONTROL_KEY_SHARED = (
        ERROR,
        (
            "nothing is replayed to control: its key is one that clients use, and OpenRouter would hold what replays "
            "may cost against those clients' balance and refuse their requests; give it a key of an account of its own"
        ),
    )
    ARM_UNREACHABLE = ERROR, "nothing is replayed to {arm}: {reason}"
    EXCHANGE_UNCONSIDERED = ERROR, "a request was not considered: {error}"
    EXCHANGE_UNDECIDED = ERROR, "a request was not decided on for {arm}: {error}"
    COST_UNFORESEEN = (
        WARNING,
        "a replay to {arm} cost more than could be foreseen: the day's budget may be exceeded by it",
    )
    REPLAY_BROKE = ERROR, "a replay to {arm} broke: {error}"
    REPLAY_UNMARKED = ERROR, "a replay to {arm} could not be marked as sent: {error}"
    REPLAY_UNSETTLED = ERROR, "the end of a replay to {arm} was not stored: {error}"

    def __new__(cls, level: int, text: str) -> Self:
        event = object.__new__(cls)
        event._value_ = text
        event.level, event.text = level, text
        return event
