"""What the stand-in for OpenRouter answers: a scenario where the request names one, else what its models say."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.catalogue import OPENROUTER
from shadow.demo.model import Generation, Model, generate
from shadow.demo.openrouter_wire import Json
from shadow.demo.request import Request, RequestHead
from shadow.demo.scenarios import HEADER, MODEL_PREFIX, SCENARIOS
from shadow.demo.scenarios.endpoints import generation
from shadow.demo.scenarios.scenario import CHAT_PATH
from shadow.demo.script import Part, Pause, Script, chunked, whole

TOKENS_PER_CHUNK: Final = 3  # providers batch a few tokens into a network chunk
GENERATION_PATH: Final = "/api/v1/generation"
ENDPOINTS: Final = {("GET", SCENARIOS[name].path): SCENARIOS[name] for name in ("models", "key", "credits")}


class OpenRouter:
    """A behaviour for `StandIn`. The n-th of several equal requests gets an id of its own, all else is the same."""

    def __init__(self, models: Sequence[Model] = OPENROUTER, seed: int = 0) -> None:
        self._models = {model.name: model for model in models}
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self._costs: dict[str, Decimal] = {}  # by generation id, for `GET /generation`

    def early(self, head: RequestHead) -> Script | None:
        """What is answered before the body has come: one scenario does that."""
        scenario = SCENARIOS.get(head.header(HEADER) or "")
        return scenario.early(head) if scenario and scenario.early else None

    def __call__(self, request: Request) -> Script:
        """The answer to a request."""
        head = request.head
        name = _scenario_named(request)
        if name is not None:
            scenario = SCENARIOS.get(name)
            if scenario is None:
                return failure(400, f"{MODEL_PREFIX}{name} is not a valid model ID")
            return scenario.answer(request, self._count(f"{name} {head.target}"))
        if (head.method, head.path) == ("POST", CHAT_PATH):
            return self._chat(request)
        if (head.method, head.path) == ("GET", GENERATION_PATH):
            return self._generation(request)
        standing = ENDPOINTS.get((head.method, head.path))
        return standing.answer(request, self._count(head.target)) if standing else failure(404, "Not Found")

    def _count(self, what: str) -> int:
        """How many like it came before."""
        self._asked[what] += 1
        return self._asked[what] - 1

    def _generation(self, request: Request) -> Script:
        """The facts of a generation, after a while. Ids of scenarios are known, too, at the price of a short answer."""
        asked = request.head.query.get("id", "")
        if asked in self._costs:
            cost = self._costs[asked]
            return generation(total_cost=cost, usage=cost)(request, self._count(request.head.target))
        if not asked.startswith("gen-"):
            return failure(404, f"Generation {asked} not found")
        return generation()(request, self._count(request.head.target))

    def _chat(self, request: Request) -> Script:
        problem = invalid(request)
        if problem:
            return failure(400, problem)
        asked = str(request.json.get("model"))
        model = self._models.get(asked.partition(":")[0])
        if model is None:
            return failure(400, f"{asked} is not a valid model ID")
        said = generate(model, request.json, self._seed)
        identity = wire.generation_id(said.digest, self._count(said.digest))
        self._costs[identity] = said.cost_usd
        if request.json.get("stream"):
            return chunked(200, wire.headers(identity, "text/event-stream"), _stream(identity, said))
        length = Pause(said.first_token_s + said.token_s * said.completion_tokens)
        body = wire.dumps(_completion(identity, said))
        # The status line goes out before the model is done, as it does at OpenRouter.
        return chunked(200, wire.headers(identity), (length, body))


def _scenario_named(request: Request) -> str | None:
    """The scenario that a request names, by header or by its model (`fake/plain`, `fake/plain:nitro`)."""
    name = request.head.header(HEADER)
    if name is not None:
        return name
    model = request.json.get("model")
    if not isinstance(model, str) or not model.startswith(MODEL_PREFIX):
        return None
    return model.removeprefix(MODEL_PREFIX).partition(":")[0]


def failure(status: int, message: str) -> Script:
    """An error before any generation."""
    return whole(status, wire.headers(), wire.dumps(wire.error(status, message)))


def invalid(request: Request) -> str | None:
    """What is wrong with the body of a chat completion, if anything is."""
    messages = request.json.get("messages")
    if not request.json:
        return "Invalid JSON body"
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        return "Input required: specify 'messages'"
    return None


def _completion(identity: str, said: Generation) -> Json:
    message: Json = {"content": said.text or None}
    if said.thoughts:
        message["reasoning"] = "".join(said.thoughts)
    if said.tool is not None:
        message["tool_calls"] = [tool_call(said)]
    choice = wire.choice(message, said.finish_reason, _native(said))
    return wire.completion(identity, [choice], _usage(said), **_served(said))


def _stream(identity: str, said: Generation) -> Iterator[Part]:
    yield wire.COMMENT
    yield Pause(said.first_token_s)
    for change in changes(said, reasoning="reasoning"):
        yield wire.event(wire.chunk(identity, [wire.delta(change)], **_served(said)))
        yield Pause(said.token_s * TOKENS_PER_CHUNK)
    for data in wire.usage_chunks(identity, "C", _usage(said), said.finish_reason, **_served(said)):
        yield wire.event(data)
    yield wire.DONE


def changes(said: Generation, reasoning: str) -> Iterator[Json]:
    """The deltas of a streamed answer: reasoning (under the name this provider has for it), text, tool call."""
    for start in range(0, len(said.thoughts), TOKENS_PER_CHUNK):
        yield {reasoning: "".join(said.thoughts[start : start + TOKENS_PER_CHUNK])}
    for start in range(0, len(said.pieces), TOKENS_PER_CHUNK):
        yield {"content": "".join(said.pieces[start : start + TOKENS_PER_CHUNK])}
    if said.tool is not None:
        call = tool_call(said)
        text = call["function"]["arguments"]
        yield {"tool_calls": [{**call, "function": {"name": said.tool, "arguments": ""}}]}
        for start in range(0, len(text), 12):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": text[start : start + 12]}}]}


def tool_call(said: Generation) -> Json:
    """The whole call of a tool."""
    function = {"name": said.tool, "arguments": said.arguments}
    return {"index": 0, "id": f"call_{said.digest[:24]}", "type": "function", "function": function}


def _usage(said: Generation) -> Json:
    return wire.usage(said.prompt_tokens, said.completion_tokens, said.cost_usd, reasoning_tokens=len(said.thoughts))


def _native(said: Generation) -> str:
    return said.model.native_stop if said.finish_reason == "stop" else said.finish_reason


def _served(said: Generation) -> Json:
    return {"model": said.model.permaslug, "provider": said.model.provider}
