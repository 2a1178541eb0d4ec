"""The vocabulary: frozen records that the rooms pass to each other.

An `Exchange` is what was seen on the wire of one arm. An `Observation` is what `shadow.wire` reads out of it.
A `Replay` is what became of one exchange on one arm. Everywhere: unknown is None, never 0; names that end in `_s` are
seconds; money is a Decimal in US dollars; header names are lower case.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar, dataclass_transform

PRIMARY: Final = "primary"
CONTROL: Final = "control"

Headers = tuple[tuple[str, str], ...]
T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """A record: a dataclass with slots, equal by value, and frozen.

    Frozen for mypy, which reads every line of this package. Python's own guard against assignment takes 80 ns for each
    field of each record that is made: a tenth of all that it takes to record an exchange.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


def header(headers: Headers, name: str) -> str | None:
    """The value of a header by its lower-case name: the first one's where it is repeated. None where it is absent."""
    for other, value in headers:
        if other == name:
            return value
    return None


class Outcome(StrEnum):
    """How an exchange ended: exactly one of these, decided once, by whoever carried it."""

    COMPLETE = "complete"
    CLIENT_CANCELLED = "client_cancelled"
    UPSTREAM_FAILED = "upstream_failed"  # no answer from upstream reached the client
    UPSTREAM_TRUNCATED = "upstream_truncated"  # the answer began and broke off


class ReplayOutcome(StrEnum):
    """What became of one exchange on one arm that is not the primary."""

    INELIGIBLE = "ineligible"  # ruled out by the request itself
    SAMPLED_OUT = "sampled_out"  # not drawn
    WITHHELD = "withheld"  # policy said no: consent, budget, circuit, pause
    DROPPED = "dropped"  # no room, or the recorder stopped before it was sent
    FAILED = "failed"  # tried and errored
    COMPLETED = "completed"  # answered


class CostSource(StrEnum):
    """Where a cost comes from, best first."""

    REPORTED = "reported"
    CONFIGURED = "configured"
    CATALOGUE = "catalogue"
    UNKNOWN = "unknown"


@record
class Attribution:
    """Who asked, for what, on which plan, with which key. None where no rule resolved it.

    `key_fingerprint` is a keyed hash of the API key (see `shadow.fingerprint`), never the key.
    """

    tenant: str | None = None
    feature: str | None = None
    plan: str | None = None
    key_fingerprint: str | None = None


@record
class Body:
    """What was captured of one message body: the first bytes, and the last ones where it outgrew the bound.

    `size` counts every byte that passed, captured or not; with nothing lost, `head` is the whole body.
    """

    head: bytes = b""
    tail: bytes = b""
    size: int = 0

    @property
    def whole(self) -> bool:
        """Whether `head` is the complete body."""
        return len(self.head) == self.size


@record
class Exchange:
    """One request and its answer on one arm, whole or cut short, as seen on the wire.

    `started_at` is wall-clock Unix time at which the request arrived. All `_s` values count from the moment the
    request's head was sent towards the provider. `arrivals` holds, for each network chunk of the answer's body, how
    many bytes of that body had arrived by when: `((end_offset, at_s), …)`, ascending; a stream with more chunks than
    the capture's bound keeps the first ones. `path` is the request target up to the `?`. Headers are those on the
    allow-lists `KEPT_REQUEST_HEADERS` and `KEPT_RESPONSE_HEADERS` and no others: no credential is among them.
    `failure` names what broke where `outcome` is not complete: a word from a closed set per arm, for people.
    `credential` is the client's key, on its way from the forwarder to the recorder, where delayed costs are configured
    and this exchange may be owed one; everywhere else None. It is never stored, logged or shown.
    """

    exchange_id: str  # UUIDv7, as text
    arm: str
    started_at: float
    method: str
    path: str
    attribution: Attribution
    request_headers: Headers
    request_body: Body
    outcome: Outcome
    status: int | None
    response_headers: Headers
    response_body: Body
    first_byte_s: float | None
    total_s: float
    arrivals: tuple[tuple[int, float], ...] = ()
    failure: str | None = None
    credential: str | None = field(default=None, repr=False)


# What the recorder may know of a request's headers: enough to decode, to recognise retries and replays, to sample.
# Everything else stays in the forwarder, so that no credential can reach a disk or a candidate through the copy.
KEPT_REQUEST_HEADERS: Final = frozenset(
    {
        "content-type",
        "content-encoding",
        "user-agent",
        "x-openrouter-cache",
        "x-provider-api-keys",  # that it was there, never what it held
        "x-session-id",
        "x-shadow-replay",  # set by a sidecar on its replays: a shadow is never shadowed
        "x-shadow-sample",
        "x-stainless-read-timeout",
        "x-stainless-retry-count",
        "x-stainless-timeout",
    }
)
KEPT_RESPONSE_HEADERS: Final = frozenset(
    {
        "content-type",
        "content-encoding",
        "retry-after",
        "x-generation-id",
        "x-openrouter-cache-status",
        "x-request-id",
    }
)


@record
class Usage:
    """Token counts by OpenTelemetry's GenAI names. `input_tokens` includes cached ones, `output_tokens` reasoning.

    `anomalies` names what did not add up, from a closed set in `shadow.wire.usage`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    anomalies: tuple[str, ...] = ()


@record
class Cost:
    """Cost in US dollars, exact, with where it comes from.

    `normalised_usd` is the same call with every prompt token at the uncached price, so that a warm cache is not
    mistaken for a saving. `price_version` names the price list: the catalogue's release, or the configured date.
    `stated_usd` is the charge that the answer itself states, to the digit and whatever the billing mode: what an
    invoice is held against. It is not `usd` where a provider bills part of the call apart.
    """

    usd: Decimal | None = None
    source: CostSource = CostSource.UNKNOWN
    normalised_usd: Decimal | None = None
    price_version: str | None = None
    stated_usd: Decimal | None = None


UNKNOWN_COST: Final = Cost()


@record
class Timings:
    """When what arrived, in seconds after the request was sent.

    `ttft_s` is the first non-empty content, reasoning or tool-call delta of a stream; None for a plain answer, and
    where compression or coalescing hides it (then `note` says so).
    """

    first_byte_s: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None  # (total − ttft) / (output tokens − 1)
    largest_gap_s: float | None = None
    total_s: float | None = None
    note: str | None = None


@record
class ToolCall:
    """One assembled tool call. `arguments` is the text as sent, whether or not it is JSON."""

    name: str | None
    arguments: str
    id: str | None = None


@record
class Answer:
    """What a provider said, whole or partial: the part of an observation that is never stored without consent."""

    text: str = ""
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()


@record
class Bodies:
    """What is kept of an exchange's bodies, for a tenant that consents: made by `shadow.record.bodies`.

    `request` and `answer` are redacted JSON documents, compressed (zstd); None where there is none. `whole` is False
    where something is missing that no pattern replaced. `redactions` counts what patterns replaced.
    """

    tenant: str
    request: bytes | None
    answer: bytes | None
    whole: bool
    redactions: int


@record
class Observation:
    """The facts derived from one exchange. Read by `shadow.wire`, stored without `answer`.

    `inference` tells whether the exchange is a model call at all; where False, only transport facts are set.
    `error_kind` is None for a good answer, else a word from the closed set in `shadow.wire.errors`.
    `features` is a subset of `shadow.wire.features.FEATURES`. `anomalies` names what was odd, from closed sets.
    `byok` tells whether the caller's own provider key paid for it, `client_timeout_s` after how many seconds without a
    byte the client says that it gives up; None where neither is told.
    """

    inference: bool = False
    stream: bool | None = None
    request_model: str | None = None
    response_model: str | None = None
    provider: str | None = None
    generation_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Cost = UNKNOWN_COST
    timings: Timings = field(default_factory=Timings)
    finish_reason: str | None = None
    error_kind: str | None = None
    features: frozenset[str] = frozenset()
    anomalies: tuple[str, ...] = ()
    answer: Answer = field(default_factory=Answer)
    byok: bool | None = None
    client_timeout_s: float | None = None


@record
class Agreement:
    """How alike two answers are. None where the question does not arise, such as tool calls where neither made any.

    `tool_names_same` is about the functions called, `tool_calls_same` about these and their arguments. What is asked
    of one answer alone (is it JSON, does it fit the schema, did the model decline) is told of both arms. `notes` says
    why something was not judged, or not whole: words from a closed set in `shadow.wire.agreement`.
    """

    finish_reason_same: bool | None = None
    tool_calls_same: bool | None = None
    json_valid: bool | None = None
    text_similarity: float | None = None
    tool_names_same: bool | None = None
    schema_valid: bool | None = None
    refused: bool | None = None
    primary_json_valid: bool | None = None
    primary_schema_valid: bool | None = None
    primary_refused: bool | None = None
    notes: tuple[str, ...] = ()


@record
class Rewrite:
    """What was done to a request so that a candidate would take it: what made the arms differ."""

    mapped: tuple[str, ...] = ()  # "model: openai/gpt-4o-mini → gpt-4o-mini"
    dropped: tuple[str, ...] = ()  # field paths
    tags: tuple[str, ...] = ()  # caveats for the reader of a pair, such as "prompt-cache"


@record
class Replay:
    """One exchange × arm, ended: exactly one outcome with one reason.

    `reason` is a word from `shadow.mirror.reasons`; None only for `completed`. `probability` is the chance with which
    the draw would have included it: 0 where consent is withheld, None where no draw took place. `exchange` and
    `observation` are the candidate's own, set where something was sent and observed. `conversation` is a number below
    2 ** 63 that the exchanges share which are drawn together, set where one was drawn and may be sent. `charged_usd`
    takes the place of what was reserved of the arm's budget; None where nothing was. `rejected_parameter` is the one
    that the candidate named where it refused the request for its form.
    """

    exchange_id: str
    arm: str
    outcome: ReplayOutcome
    reason: str | None
    probability: float | None = None
    rewrite: Rewrite | None = None
    exchange: Exchange | None = None
    observation: Observation | None = None
    agreement: Agreement | None = None
    conversation: int | None = None
    bodies: Bodies | None = None
    charged_usd: Decimal | None = None
    rejected_parameter: str | None = None


@record
class Reservation:
    """The most that a replay can cost, held against its arm's budget of a UTC day until it is known what it cost.

    Amounts are whole nano-dollars. `day_usd` is what the day comes to with it, costs and reservations together.
    """

    day: date
    usd: Decimal
    day_usd: Decimal


@record
class Pending:
    """A replay that was drawn and admitted and has not ended: committed before it is sent."""

    arm: str
    probability: float
    conversation: int | None = None


@record
class Recorded:
    """One primary exchange as it is committed: its facts, and for every other arm its end or that it is pending."""

    exchange: Exchange
    observation: Observation
    ended: tuple[Replay, ...] = ()
    pending: tuple[Pending, ...] = ()
    bodies: Bodies | None = None
