"""What becomes of one exchange on one arm: eligible? → drawn? → consent, pause, circuit, budget? → planned.

Sends nothing. Whether a dialect can say the request is asked before the draw, and it is written after it: most are
drawn for no arm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shadow.config import Config, Control, Promise
from shadow.exchange import Body, Exchange, Observation, Replay, ReplayOutcome, Rewrite
from shadow.mirror import control, eligibility
from shadow.mirror.arm import Arm
from shadow.mirror.consent import consents
from shadow.mirror.models import Mapped
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Ineligible, SampledOut, Withheld
from shadow.mirror.rewrite import Rewritten, refusal, rewrite
from shadow.mirror.sampling import Draw, conversation, draw, number_of, segment
from shadow.mirror.worst_case import limited, worst_usd_of
from shadow.wire.request import InferenceRequest


@dataclass(slots=True)
class Considered:
    """A primary exchange that some arm might replay, with what was read of it."""

    exchange: Exchange
    observation: Observation
    request: InferenceRequest
    wish: Draw | None  # of the application, in the place of every arm's draw
    _conversation: bytes | None = field(default=None, init=False)

    @property
    def conversation(self) -> bytes:
        """The key of the draw. Found for the first arm that asks: at a rate of 0 none does."""
        if self._conversation is None:
            self._conversation = conversation(self.exchange, self.request.body)
        return self._conversation


class Moment(NamedTuple):
    """How things stand at a draw. `now` is the mirror's clock, as the arm's times are, `at` is Unix time."""

    paused: bool
    now: float
    at: float


def decide(considered: Considered, arm: Arm, config: Config, moment: Callable[[], Moment]) -> Replay | Planned:
    """The end of the replay, or its plan. `moment` is asked where there is something to draw."""
    exchange = considered.exchange
    model = _mapped(considered, arm, config.upstream.privacy)
    if isinstance(model, Ineligible):
        return _ended(exchange, arm, ReplayOutcome.INELIGIBLE, model)
    rate = arm.rates.of(exchange.attribution, considered.request.model)
    if not rate and considered.wish is None:  # neither a floor nor consent can change it
        return _ended(exchange, arm, ReplayOutcome.SAMPLED_OUT, SampledOut.NOT_DRAWN, rate)
    paused, now, at = moment()
    consented = consents(config, exchange.attribution.tenant, arm.name)
    drawn = considered.wish or _drawn(considered, arm, rate, consented=consented, now=now)
    # Drawn or not, what may not be sent had no chance: no estimate may speak for it.
    chance = 0.0 if drawn.probability is not None and not consented else drawn.probability
    if not drawn.drawn:
        reason = SampledOut.ASKED_NEVER if drawn.asked else SampledOut.NOT_DRAWN
        return _ended(exchange, arm, ReplayOutcome.SAMPLED_OUT, reason, chance)
    rewritten = _rewritten(considered.request.body, model, arm)
    withheld = _withheld(arm, consented=consented, paused=paused, now=now)
    if withheld is not None:
        return _ended(exchange, arm, ReplayOutcome.WITHHELD, withheld, chance, rewritten.rewrite)
    try:
        body = rewritten.encode()
    except (ValueError, RecursionError):
        return _ended(exchange, arm, ReplayOutcome.INELIGIBLE, Ineligible.UNREADABLE)
    when = datetime.fromtimestamp(at, UTC)
    worst_usd = None if arm.budget is None else worst_usd_of(rewritten.body, len(body), arm.book, when)
    withheld = arm.affords(worst_usd, when.date())
    if withheld is not None:
        return _ended(exchange, arm, ReplayOutcome.WITHHELD, withheld, chance, rewritten.rewrite)
    return Planned(
        exchange=replace(exchange, request_body=Body(), response_body=Body(), arrivals=()),
        observation=considered.observation,
        arm=arm.name,
        probability=1.0 if drawn.probability is None else drawn.probability,
        body=body,
        rewrite=rewritten.rewrite,
        stream=rewritten.stream,
        conversation=number_of(considered.conversation),
        worst_usd=worst_usd,
    )


def _drawn(considered: Considered, arm: Arm, rate: float, *, consented: bool, now: float) -> Draw:
    """The draw, with the floor on top of it where the exchange may be sent."""
    exchange, key = considered.exchange, considered.conversation
    drawn = draw(arm.name, key, rate)
    if not consented or not arm.floors.per_hour:
        return drawn
    place = segment(exchange.attribution, considered.request.model)
    return arm.floors.lift(drawn, place, number_of(key), exchange.exchange_id, now)


def _mapped(considered: Considered, arm: Arm, demanded: tuple[Promise, ...]) -> Mapped | Ineligible | None:
    """The candidate's model for a request that may be sent to it, or why it may not, whatever the draw says.

    None where the control may be sent it: the model stays.
    """
    request, observation, candidate = considered.request, considered.observation, arm.candidate
    if isinstance(candidate, Control):
        return control.refused(request.body, candidate, demanded)
    reason = eligibility.of_candidate(request, observation, candidate, demanded)
    if reason is not None:
        return reason
    model = arm.models.of(request.model, observation.response_model, fallbacks="fallbacks" in request.features)
    if isinstance(model, Ineligible):
        return model
    return refusal(request, candidate.dialect) or model


def _rewritten(body: Mapping[str, Any], model: Mapped | None, arm: Arm) -> Rewritten:
    """The request as it would be sent; where there is a budget, with a limit to its answer."""
    candidate = arm.candidate
    if isinstance(candidate, Control) or model is None:
        written = control.as_asked(body)
    else:
        written = rewrite(body, model, candidate.dialect, stream_options=arm.takes_stream_options)
    return written if arm.budget is None else limited(written, arm.limit, candidate.max_output_tokens)


def _withheld(arm: Arm, *, consented: bool, paused: bool, now: float) -> Withheld | None:
    if not consented:
        return Withheld.CONSENT
    return Withheld.PAUSED if paused else arm.withholds(now)


def _ended(
    exchange: Exchange,
    arm: Arm,
    outcome: ReplayOutcome,
    reason: Ineligible | SampledOut | Withheld,
    probability: float | None = None,
    noted: Rewrite | None = None,
) -> Replay:
    return Replay(exchange.exchange_id, arm.name, outcome, reason.value, probability, noted)
