"""Everything that OpenRouter, its edge and the network do to a client, each under a name.

A request brings a scenario about by `model: "fake/<name>"` in its JSON body, or by the header `X-Scenario: <name>`.
"""

from typing import Final

from shadow.demo.scenarios import answers, endpoints, errors, faults, framing, streams, uploads
from shadow.demo.scenarios.scenario import HEADER, MODEL_PREFIX, Ask, Scenario

__all__ = ["HEADER", "MODEL_PREFIX", "SCENARIOS", "Ask", "Scenario"]

SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for module in (answers, streams, errors, faults, framing, endpoints, uploads)
    for scenario in module.SCENARIOS
}
