"""Everything that OpenRouter, its edge and the network do to a client, each under a name.

A request brings a scenario about by `model: "fake/<name>"` in its JSON body, or by the header `X-Scenario: <name>`.

The modules in the order in which a client meets what they are about:

    scenario   what a scenario is: a request that brings it about, and the exact answer it gets
    answers    good answers, and what is odd about them
    streams    the shapes of a stream: last chunks, comments, reasoning, tool calls
    errors     failures: inside an answer of 200, in the middle of a stream, by status
    faults     what the transport does wrong, and what is rare but right
    framing    the same stream in every framing
    endpoints  endpoints beside chat completions
    uploads    requests that a proxy could spoil
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
