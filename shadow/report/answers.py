"""How far a candidate's answers are from the primary's, and how far that is above noise. Pure.

Models do not answer alike twice. What is noise is told by the control, the primary's own model replayed once more:
where there is one, a candidate's excess is the difference of two shares. Where there is none, what can be asked of one
answer alone (is it the JSON that was asked for, did the model decline) is held against the primary's own answers to
the same requests; for the rest there is no floor, and nobody can say what of it is noise.
"""

from dataclasses import dataclass
from typing import Final, Literal

from shadow.report.estimates import Estimate, Unknown, difference, excess, share
from shadow.report.totals import AGREEMENT, Moments, Replays

OF_ONE_ANSWER: Final = frozenset({"json", "schema", "refusal"})

Floor = Literal["control", "primary"]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One measure over the `pairs` in which the question arises. Shares are weighted, and more is worse.

    `candidate` is the share of the candidate's answers that differ, are not valid, decline; of texts, the part of the
    characters that differs. `primary` is that of the primary's own answers in the same pairs, None where an answer is
    held against the primary's. `control` is the control's, over `control_pairs`. `excess` is above the `floor`.
    """

    measure: str
    pairs: int
    candidate: Estimate | Unknown
    primary: Estimate | Unknown | None
    control_pairs: int
    control: Estimate | Unknown
    floor: Floor | None
    excess: Estimate | Unknown


def disagreements(replays: Replays, control: Replays | None) -> tuple[Disagreement, ...]:
    """Every measure whose question arose, in the order of AGREEMENT."""
    noise = control.agreement if control else {}
    return tuple(
        _disagreement(measure, replays.agreement[measure], noise.get(measure))
        for measure in AGREEMENT
        if measure in replays.agreement
    )


def _disagreement(measure: str, ones: Moments, noise: Moments | None) -> Disagreement:
    alone = measure in OF_ONE_ANSWER
    none = Unknown("no control")
    control = none if noise is None else share(noise)
    floor: Floor | None = None
    above: Estimate | Unknown = none
    if noise is not None and not isinstance(control, Unknown):
        floor, above = "control", excess(ones, noise)
    elif alone:
        floor, above = "primary", difference(ones)
    return Disagreement(
        measure,
        ones.pairs,
        share(ones),
        share(_primary(ones)) if alone else None,
        noise.pairs if noise else 0,
        control,
        floor,
        above,
    )


def _primary(of: Moments) -> Moments:
    """The same moments with the primary's value in the candidate's place."""
    return Moments(of.pairs, of.w, 0.0, of.p, of.ww, 0.0, of.wp, 0.0, 0.0, of.pp, of.draws, of.squares)
