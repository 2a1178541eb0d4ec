"""Log lines on standard error: one JSON object per event, or plain text on a terminal.

Every line of this program's own is one of `shadow.events`, told with `tell`: a constant sentence with a few plain
values in it. No body, header value or key is ever logged. JSON escapes what is left, so that a hostile path cannot
forge a line. An error is told by `where`, never by its text.
"""

import logging
import sys
import time
import traceback
from typing import Any, Final, TextIO

import orjson

from shadow.events import Event

OWN: Final = logging.getLogger("shadow")


def tell(event: Event, **fields: Any) -> None:
    """Log an event. `fields` are those of its sentence, and `exchange_id` where it is about one exchange."""
    OWN.log(event.level, "%s", event.text.format(**fields), extra={"event": event, "fields": fields})


def where(error: BaseException) -> str:
    """An error as its type and place, without its text: that may quote a body or a key."""
    places = list(traceback.walk_tb(error.__traceback__))
    if not places:
        return type(error).__name__
    frame, line = places[-1]
    return f"{type(error).__name__} in {frame.f_code.co_filename}:{line}"


class Lines(logging.Formatter):
    """A record as one line of JSON: `time` (UTC), `level`, `process`, `event`, `message`, then the event's fields.

    What a library logs is the event `library`, with its `logger`; of an exception it is told `where`.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        event: Event = getattr(record, "event", Event.LIBRARY)
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "event": event.name.lower(),
            "message": record.getMessage(),
        }
        if event is Event.LIBRARY:
            line["logger"] = record.name
        if record.exc_info and record.exc_info[1]:
            line["error"] = where(record.exc_info[1])
        line |= getattr(record, "fields", {})
        return orjson.dumps(line, default=str).decode()


class Plain(logging.Formatter):
    """A record for people: time of day, level, process, sentence; what could move a terminal's cursor is escaped."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        said = "".join(one if one.isprintable() else repr(one)[1:-1] for one in record.getMessage())
        if record.exc_info and record.exc_info[1]:
            said += f" ({where(record.exc_info[1])})"
        if exchange_id := getattr(record, "fields", {}).get("exchange_id"):
            said += f" [{exchange_id}]"
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{at} {record.levelname.lower():7} {self._process}: {said}"


def configure(process: str, stream: TextIO = sys.stderr) -> None:
    """Send this process's log to `stream`; `process` is `forwarder` or `recorder`. Libraries speak from warnings on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Plain(process) if stream.isatty() else Lines(process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    OWN.setLevel(logging.INFO)
