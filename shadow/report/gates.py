"""What a candidate must hold: margins within which a difference does not matter. Records, filled from a YAML file.

A margin of 0.02 of cost is 2 % of the primary's cost; of ttft_p95, a share of the primary's 95th percentile; of
error_rate and agreement, percentage points. null: the measure is not judged.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from shadow.report.totals import AGREEMENT
from shadow.values import section

Margin = Annotated[float, Gt(0), Le(10)]


@section
class AgreementMargins:
    """By how many points more answers may differ than the noise is; null: not judged."""

    finish_reason: Margin | None = 0.02
    tool_names: Margin | None = 0.02
    tool_arguments: Margin | None = 0.05
    json: Margin | None = 0.01
    schema: Margin | None = 0.01
    refusal: Margin | None = 0.01
    text: Margin | None = None  # what differs in words need not differ in meaning


@section
class Margins:
    """By how much a candidate may be worse and still be called equivalent; null: not judged."""

    cost: Margin | None = 0.02
    ttft_p95: Margin | None = 0.1
    error_rate: Margin | None = 0.01
    agreement: AgreementMargins = AgreementMargins()


@section
class Gates:
    """`pairs` fewer than these get no verdict. `confidence` is that of all verdicts of a table together.

    `thin_segments` says what `--gate` makes of a segment that has too few pairs for a verdict, and of a question about
    answers that arose in too few of them.
    """

    pairs: Annotated[int, Ge(30)] = 200
    confidence: Annotated[float, Ge(0.5), Lt(1)] = 0.95
    margins: Margins = Margins()
    thin_segments: Literal["ignore", "fail"] = "ignore"

    def judged(self) -> dict[str, float]:
        """The measures that are judged, with their margins, in the order in which they are told."""
        margins = self.margins
        found = {"cost": margins.cost, "ttft_p95": margins.ttft_p95, "error_rate": margins.error_rate}
        found |= {name: getattr(margins.agreement, name) for name in AGREEMENT}
        return {name: margin for name, margin in found.items() if margin is not None}
