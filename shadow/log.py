"""Log lines on standard error: one JSON object per event, or plain text on a terminal.

Messages are constant sentences with a few plain values in them; no body, header value or key is ever logged. JSON
escapes what is left, so that a hostile path cannot forge a line. An error is told by `where`, never by its text.
"""

import logging
import sys
import time
import traceback
from typing import Final, TextIO

import orjson

PLAIN: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class JSONLines(logging.Formatter):
    """A record as one line: `time` (UTC), `level`, `process`, `logger`, `message`, and for an exception `error`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def where(error: BaseException) -> str:
    """An error as its type and place, without its text: that may quote a body or a key."""
    places = list(traceback.walk_tb(error.__traceback__))
    if not places:
        return type(error).__name__
    frame, line = places[-1]
    return f"{type(error).__name__} in {frame.f_code.co_filename}:{line}"


def configure(process: str, stream: TextIO = sys.stderr) -> None:
    """Send this process's log to `stream`; `process` is `forwarder` or `recorder`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(PLAIN) if stream.isatty() else JSONLines(process))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
