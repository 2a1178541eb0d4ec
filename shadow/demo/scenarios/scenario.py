"""What a scenario is: a request that brings it about, and the exact answer it gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.catalogue import OPENROUTER
from shadow.demo.openrouter_wire import Json, dumps, event
from shadow.demo.request import Request, RequestHead
from shadow.demo.script import Headers, Part, Script, chunk, chunked

Answer = Callable[[Request, int], Script]  # the request, and how many like it came before

MODEL_PREFIX: Final = "fake/"
HEADER: Final = "X-Scenario"
CHAT_PATH: Final = "/api/v1/chat/completions"
GREETING: Final = ("Grüße aus Zürich", " — the invoice of May is", " paid. 👋")  # two, three and four byte characters
TEXT: Final = "".join(GREETING)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that brings a scenario about, without host and credentials."""

    method: str
    path: str
    headers: Headers
    body: bytes

    def wire(self, host: str) -> bytes:
        """The request as bytes; the body in chunks where the headers say so."""
        lines: list[tuple[str | bytes, str | bytes]] = [("Host", host), *self.headers]
        framed = self.body
        if ("Transfer-Encoding", "chunked") in self.headers:
            middle = len(self.body) // 2
            framed = chunk(self.body[:middle]) + chunk(self.body[middle:]) + b"0\r\n\r\n"
        elif self.body:
            lines.append(("Content-Length", str(len(self.body))))
        text = "".join(f"{name!s}: {value!s}\r\n" for name, value in lines)
        return f"{self.method} {self.path} HTTP/1.1\r\n{text}\r\n".encode() + framed


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that OpenRouter or the network before it does. `row` numbers the situations; several may share one.

    `fields` go into the JSON body of the request, beside the model that names the scenario; `body` replaces it whole.
    `early` answers from the head alone, before any of the body has been read.
    """

    row: int
    name: str
    about: str
    answer: Answer
    fields: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    path: str = CHAT_PATH
    headers: Headers = ()
    body: Callable[[], bytes] | None = None  # made when it is asked for: some are large
    early: Callable[[RequestHead], Script] | None = None

    @property
    def ask(self) -> Ask:
        """A request that brings it about."""
        if self.method == "GET":
            return Ask(self.method, self.path, (*self.headers, (HEADER, self.name)), b"")
        kind = ("Content-Type", "application/json")
        if self.body is not None:
            return Ask(self.method, self.path, (kind, (HEADER, self.name), *self.headers), self.body())
        messages = [{"role": "user", "content": "Has the invoice of May been paid?"}]
        body = dumps({"model": MODEL_PREFIX + self.name, "messages": messages, **self.fields})
        return Ask(self.method, self.path, (kind, *self.headers), body)


STREAM: Final = {"stream": True}


def identity(request: Request, nth: int) -> str:
    """A generation id that tells the n-th answer to a request from the others."""
    return wire.generation_id(request.sha256, nth)


def usage(prompt: int = 20, completion: int = 12, **more: Any) -> Json:
    """Usage with the cost of the cheapest model."""
    return wire.usage(prompt, completion, OPENROUTER[0].cost(prompt, completion), **more)


def reply(of: Callable[[str], Json], headers: Headers = (), status: int = 200) -> Answer:
    """An answer in JSON, chunked as OpenRouter's edge sends it; `of` makes it from the generation's id."""

    def answer(request: Request, nth: int) -> Script:
        one = identity(request, nth)
        return chunked(status, (*wire.headers(one), *headers), (dumps(of(one)),))

    return answer


def stream(of: Callable[[str], Sequence[Json | Part]], headers: Headers = (), done: bool = True) -> Answer:
    """A stream: JSON becomes an event in a chunk of its own, bytes and pauses go out as they are; then `[DONE]`."""

    def answer(request: Request, nth: int) -> Script:
        one = identity(request, nth)
        parts = events(of(one), done)
        return chunked(200, (*wire.headers(one, "text/event-stream"), *headers), parts)

    return answer


def events(items: Sequence[Json | Part], done: bool = True) -> list[Part]:
    """The parts of a stream's body."""
    parts = [event(item) if isinstance(item, dict) else item for item in items]
    return [*parts, wire.DONE] if done else parts


def message(one: str, spent: Json | None = None, **more: Any) -> Json:
    """The ordinary whole answer."""
    return wire.completion(one, [wire.choice({"content": TEXT})], spent or usage(), **more)


def said(one: str, pieces: Sequence[str] = GREETING, **more: Any) -> list[Json]:
    """The ordinary chunks of content."""
    return [wire.chunk(one, [wire.delta({"content": piece})], **more) for piece in pieces]


def ended(one: str, spent: Json | None = None, finish: str = "stop", **more: Any) -> list[Json]:
    """The ordinary end of a stream, without `[DONE]`."""
    return list(wire.usage_chunks(one, "C", spent or usage(), finish, **more))
