"""Fake candidates have the peculiarities of the real ones."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from shadow.demo import quirks
from shadow.demo.candidates import Candidate
from shadow.demo.model import Model
from shadow.demo.provider import StandIn
from shadow.demo.quirks import QUIRKS, Quirks
from shadow.demo.scenarios import Ask
from tests.demo.wire import Heard, hear

MESSAGES = [{"role": "user", "content": "Hello"}]
ASKED = {"model": "thinker", "messages": MESSAGES}
THINKER = Model("thinker", "thinker", "x", Decimal(1), Decimal(2), 0.1, 100, reasons=True)
FLAG = {"stream_options": {"include_usage": True}}


async def ask(kind: str | Quirks, headers: Any = (), key: str | None = None, **body: Any) -> Heard:
    """What a candidate of this kind says to a chat completion."""
    candidate = Candidate(QUIRKS[kind] if isinstance(kind, str) else kind, key=key)
    async with StandIn(candidate, pace=0) as stand_in:
        sent = orjson.dumps({"model": "small", "messages": MESSAGES, **body})
        return await hear(stand_in, Ask("POST", "/any/v1/chat/completions", headers, sent))


async def usages(kind: str, **body: Any) -> list[Any]:
    """For each chunk of a stream its usage, `absent` where it has no such member."""
    return [chunk.get("usage", "absent") for chunk in (await ask(kind, stream=True, **body)).data[:-1]]


@pytest.mark.parametrize("kind", ["openai", "azure", "vllm", "google", "anthropic", "sglang", "llama.cpp", "ollama"])
async def test_no_usage_unasked(kind: str) -> None:
    """These give usage in a stream only with the flag."""
    assert set(await usages(kind)) == {"absent"}


@pytest.mark.parametrize("kind", ["openai", "azure", "vllm", "anthropic", "sglang", "llama.cpp", "ollama"])
async def test_usage_in_an_extra_chunk_with_the_flag(kind: str) -> None:
    """The last chunk has usage and no choices."""
    *_, last, done = (await ask(kind, stream=True, **FLAG)).data
    assert (last["choices"], last["usage"]["prompt_tokens"], done) == ([], 9, "[DONE]")


async def test_openai_gives_null_usage_before_the_last() -> None:
    """With the flag, every other chunk carries `usage: null`."""
    found = await usages("openai", **FLAG)
    assert found[:-1] == [None] * (len(found) - 1)


async def test_openai_pads_its_chunks() -> None:
    """Chunks of content have a member of noise, of different lengths."""
    chunks = (await ask("openai", stream=True)).data[:-2]
    assert len({len(chunk["obfuscation"]) for chunk in chunks}) > 1


async def test_google_counts_up_on_every_chunk() -> None:
    """With the flag, usage is on all chunks and the last is right."""
    counts = [usage["completion_tokens"] for usage in await usages("google", **FLAG)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == (await ask("google")).json["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    "kind", ["mistral", "groq", "deepseek", "together", "fireworks", "xai", "deepinfra", "cerebras"]
)
async def test_usage_with_the_finish_reason_unasked(kind: str) -> None:
    """These always give it, on the chunk that ends the choice."""
    *_, last, _ = (await ask(kind, stream=True)).data
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["prompt_tokens"] == 9


@pytest.mark.parametrize("kind", QUIRKS)
async def test_streams_say_what_plain_answers_say(kind: str) -> None:
    """The text is the same, and so is the whole usage where the stream has one."""
    whole = (await ask(kind)).json
    data = (await ask(kind, stream=True)).data[:-1]
    text = "".join(choice["delta"].get("content") or "" for chunk in data for choice in chunk["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert data[-1].get("usage") in (None, whole["usage"])


async def test_openai_refuses_unknown_fields() -> None:
    """400, naming the first one."""
    heard = await ask("openai", top_k=5)
    assert (heard.status, heard.json["error"]["param"]) == (400, "top_k")


@pytest.mark.parametrize("model", ["o3-mini", "gpt-5-mini"])
@pytest.mark.parametrize("field", ["max_tokens", "temperature", "logit_bias"])
async def test_openai_reasoning_models_refuse_more(model: str, field: str) -> None:
    """400 `unsupported_parameter` for what only other models take."""
    heard = await ask("openai", model=model, **{field: 1})
    assert (heard.status, heard.json["error"]["code"], heard.json["error"]["param"]) == (
        400,
        "unsupported_parameter",
        field,
    )
    assert (await ask("openai", model="gpt-4o-mini", **{field: 1})).status == 200
    assert (await ask("openai", model=model, max_completion_tokens=5)).status == 200


@pytest.mark.parametrize("extra", [FLAG, {"seed": 1}, {"user": "u"}])
async def test_mistral_refuses_extra_fields(extra: dict[str, Any]) -> None:
    """422, with the place of each."""
    heard = await ask("mistral", stream=True, **extra)
    assert heard.status == 422
    assert heard.json["message"]["detail"][0]["loc"] == ["body", *extra]


async def test_groq_has_members_of_its_own() -> None:
    """An id on the first chunk, usage with times on the last."""
    first, *_, last, _ = (await ask("groq", stream=True)).data
    assert first["x_groq"].keys() == {"id"}
    assert last["x_groq"]["usage"] == last["usage"]
    assert last["usage"]["total_time"] == last["usage"]["prompt_time"] + last["usage"]["completion_time"]


async def test_deepseek_keeps_alive_and_splits_the_prompt() -> None:
    """Blank lines before JSON, a comment before a stream, hits and misses that add up, null usage before the last."""
    heard, streamed = await ask("deepseek"), await ask("deepseek", stream=True)
    usage = heard.json["usage"]
    assert heard.chunks[:3] == [b"\n"] * 3
    assert streamed.chunks[0] == b": keep-alive\n\n"
    assert usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"]
    assert (await usages("deepseek"))[0] is None


async def test_together_counts_cached_tokens_at_the_top() -> None:
    """And has a seed that needs 64 bits."""
    heard = await ask("together")
    assert heard.json["usage"]["cached_tokens"] == 3
    assert heard.json["choices"][0]["seed"] > 2**63


async def test_azure_begins_with_its_filters() -> None:
    """The first chunk has no choices, no id and no model."""
    first, second, *_ = (await ask("azure", stream=True)).data
    assert (first["choices"], first["id"], first["model"]) == ([], "", "")
    assert first["prompt_filter_results"]
    assert second["choices"][0]["delta"]["role"] == "assistant"


async def test_azure_looks_for_the_key_in_a_header_of_its_own() -> None:
    """A bearer token there is no key."""
    right, wrong = (("Api-Key", "sk-right"),), (("Authorization", "Bearer sk-right"),)
    assert [(await ask("azure", key="sk-right", headers=sent)).status for sent in (right, wrong)] == [200, 401]


async def test_google_refuses_in_an_array() -> None:
    """400 without a word of OpenAI's, for what it does not know."""
    heard = await ask("google", seed=1)
    assert (heard.status, heard.json[0]["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert '"seed"' in heard.json[0]["error"]["message"]


async def test_anthropics_layer_gives_one_answer_and_no_details() -> None:
    """`n` must be one; usage has the three counts alone."""
    assert (await ask("anthropic", n=2)).status == 400
    assert set((await ask("anthropic", n=1)).json["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}


async def test_mistral_thinks_in_parts_of_the_content() -> None:
    """Where a model reasons, the content is a list of thinking and text."""
    async with StandIn(Candidate(QUIRKS["mistral"], (THINKER,)), pace=0) as stand_in:
        whole, streamed = [
            await hear(stand_in, Ask("POST", "/v1/chat/completions", (), orjson.dumps({**ASKED, "stream": stream})))
            for stream in (False, True)
        ]
    parts = whole.json["choices"][0]["message"]["content"]
    assert [part["type"] for part in parts] == ["thinking", "text"]
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in streamed.data[:-1]]
    thought = "".join(content[0]["thinking"][0]["text"] for content in contents if isinstance(content, list))
    assert thought == parts[0]["thinking"][0]["text"]
    assert "".join(content for content in contents if isinstance(content, str)) == parts[1]["text"]


async def test_xai_counts_reasoning_on_top_and_states_its_price() -> None:
    """The total has both; the charge is in ticks of a ten-billionth of a dollar."""
    async with StandIn(Candidate(QUIRKS["xai"], (THINKER,)), pace=0) as stand_in:
        usage = (await hear(stand_in, Ask("POST", "/v1/chat/completions", (), orjson.dumps(ASKED)))).json["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + reasoning
    assert usage["cost_in_usd_ticks"] > 0


async def test_fireworks_measures_in_headers_and_begins_with_nothing() -> None:
    """Its times come before the answer; the first delta has no content."""
    heard = await ask("fireworks", stream=True)
    assert b"fireworks-server-time-to-first-token" in {name.lower() for name, _ in heard.headers}
    assert heard.data[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}


async def test_together_repeats_the_role_and_names_tokens() -> None:
    """On every delta."""
    deltas = [chunk["choices"][0]["delta"] for chunk in (await ask("together", stream=True)).data[:-2]]
    assert {(delta["role"], delta["token_id"]) for delta in deltas} == {("assistant", 791)}


@pytest.mark.parametrize(("kind", "member"), [("llama.cpp", "timings"), ("cerebras", "time_info")])
async def test_servers_that_measure_themselves(kind: str, member: str) -> None:
    """On what ends an answer, streamed or not, whether usage was asked for or not."""
    assert (await ask(kind)).json[member]
    for more in ({}, FLAG):
        assert (await ask(kind, stream=True, **more)).data[-2][member]


async def test_sglang_counts_reasoning_at_the_top() -> None:
    """And has no details."""
    usage = (await ask("sglang")).json["usage"]
    assert (usage["reasoning_tokens"], usage["prompt_tokens_details"]) == (0, None)


async def test_deepinfra_estimates_its_price() -> None:
    """In the usage, in dollars."""
    assert (await ask("deepinfra")).json["usage"]["estimated_cost"] > 0


async def test_ollama_takes_no_addresses_of_pictures() -> None:
    """400 for one, and none for the picture itself."""
    for url, status in (("https://example.com/a.png", 400), ("data:image/png;base64,AAAA", 200)):
        content = [{"type": "image_url", "image_url": {"url": url}}]
        assert (await ask("ollama", messages=[{"role": "user", "content": content}])).status == status


async def test_vllm_takes_anything() -> None:
    """Unknown fields are ignored."""
    assert (await ask("vllm", top_k=5, made_up=True)).status == 200


async def test_a_key_is_checked() -> None:
    """With a key, anything else is 401."""
    assert (await ask(quirks.VLLM, key="sk-right", headers=(("Authorization", "Bearer sk-wrong"),))).status == 401
    assert (await ask(quirks.VLLM, key="sk-right", headers=(("Authorization", "Bearer sk-right"),))).status == 200


async def test_any_model_is_served_under_its_name() -> None:
    """Tests choose model names freely."""
    assert (await ask("vllm", model="made/up")).json["model"] == "made/up"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/models", 200), ("POST", "/v1/other", 404)])
async def test_other_paths(method: str, path: str, status: int) -> None:
    """The list of models is there; nothing else is."""
    async with StandIn(Candidate(quirks.OPENAI), pace=0) as stand_in:
        assert (await hear(stand_in, Ask(method, path, (), b""))).status == status


async def test_a_body_without_messages_is_a_mistake() -> None:
    """400 in OpenAI's envelope."""
    heard = await ask("openai", messages=[])
    assert (heard.status, heard.json["error"]["code"]) == (400, "invalid_request_error")
