"""Fake candidates have the peculiarities of the real ones."""

from typing import Any

import orjson
import pytest

from shadow.demo import quirks
from shadow.demo.candidates import Candidate
from shadow.demo.provider import StandIn
from shadow.demo.quirks import QUIRKS, Quirks
from shadow.demo.scenarios import Ask
from tests.demo.wire import Heard, hear

MESSAGES = [{"role": "user", "content": "Hello"}]
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


@pytest.mark.parametrize("kind", ["openai", "azure", "vllm", "google"])
async def test_no_usage_unasked(kind: str) -> None:
    """These give usage in a stream only with the flag."""
    assert set(await usages(kind)) == {"absent"}


@pytest.mark.parametrize("kind", ["openai", "azure", "vllm"])
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


@pytest.mark.parametrize("kind", ["mistral", "groq", "deepseek", "together"])
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
    text = "".join(choice["delta"].get("content", "") for chunk in data for choice in chunk["choices"])
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
