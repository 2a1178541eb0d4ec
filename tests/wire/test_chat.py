"""Chat completions, in the shapes in which providers send them."""

import json
from typing import Any

import pytest

from shadow.exchange import Answer, Observation, Outcome, ToolCall
from shadow.wire.assembly import MAX_TOOL_CALLS
from shadow.wire.sse import MAX_LINE_BYTES
from tests.wire.exchanges import chunk, seen, stream

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def streamed(*chunks: dict[str, Any], **how: Any) -> Observation:
    """What is read out of a stream of these chunks."""
    return seen(stream(*chunks), **how)


def whole(message: dict[str, Any], **body: Any) -> Observation:
    """What is read out of a body with this message."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return seen(json.dumps({"id": "gen-1", "model": "v/m", "choices": [choice], "usage": USAGE, **body}).encode())


def call(index: int | None = None, **function: Any) -> dict[str, Any]:
    """A tool call, or a fragment of one."""
    made: dict[str, Any] = {"id": function.pop("id", None), "type": "function", "function": function}
    return made if index is None else {"index": index, **made}


@pytest.mark.parametrize(
    "last",
    [
        pytest.param({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}]}, id="finish is null"),
        pytest.param({"choices": []}, id="no choices"),
        pytest.param({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, id="finish is repeated"),
    ],
)
def test_the_last_chunk_has_three_shapes(last: dict[str, Any]) -> None:
    """Usage is read wherever OpenRouter put it over the years, and the finish reason is what it was."""
    observation = streamed(chunk("Hi"), chunk("", finish="stop"), last | {"usage": USAGE})
    assert (observation.answer.text, observation.finish_reason) == ("Hi", "stop")
    assert (observation.usage.input_tokens, observation.usage.output_tokens) == (7, 5)
    assert (observation.anomalies, observation.error_kind) == ((), None)


def test_of_several_usages_the_last_is_right() -> None:
    """Google sends running totals on every chunk; they are not added up."""
    running = [{**USAGE, "completion_tokens": n, "total_tokens": 7 + n} for n in (1, 3, 5)]
    observation = streamed(*[chunk("a", usage=usage) for usage in running], chunk("", finish="stop"))
    assert observation.usage.output_tokens == 5


@pytest.mark.parametrize(
    "last",
    [
        pytest.param({"choices": [], "usage": None, "x_groq": {"usage": USAGE}}, id="x_groq"),
        pytest.param({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}, id="choice"),
        pytest.param({"choices": [], "usage": USAGE, "x_groq": {"usage": {"prompt_tokens": 1}}}, id="both"),
    ],
)
def test_usage_may_be_elsewhere(last: dict[str, Any]) -> None:
    """Groq's own place and that of old servers are looked at where the usual one is empty."""
    assert streamed(chunk("Hi", finish="stop"), last).usage.input_tokens == 7


def test_tool_calls_are_assembled_by_index() -> None:
    """Parallel calls that interleave, cut in the middle of a string and of an escape, come out whole."""
    observation = streamed(
        chunk("", tool_calls=[call(0, id="a", name="weather", arguments="")]),
        chunk("", tool_calls=[call(1, id="b", name="time", arguments='{"zo')]),
        chunk("", tool_calls=[call(0, arguments='{"city": "Z\\u00')]),
        chunk("", tool_calls=[call(1, arguments='ne": 1}'), call(0, arguments='fcrich"}')]),
        chunk("", finish="tool_calls", usage=USAGE),
    )
    assert observation.answer.tool_calls == (
        ToolCall("weather", '{"city": "Z\\u00fcrich"}', "a"),
        ToolCall("time", '{"zone": 1}', "b"),
    )
    assert observation.finish_reason == "tool_calls"


def test_whole_tool_calls_at_one_index_are_several() -> None:
    """Google numbers parallel calls all zero and sends each in one piece: their ids tell them apart."""
    observation = streamed(
        chunk("", tool_calls=[call(0, id="a", name="f", arguments="{}")]),
        chunk("", tool_calls=[call(0, id="b", name="f", arguments='{"x": 1}')]),
    )
    assert [(made.id, made.arguments) for made in observation.answer.tool_calls] == [("a", "{}"), ("b", '{"x": 1}')]


def test_a_repeated_id_does_not_begin_another_call() -> None:
    """Some servers repeat the id and the name on every fragment."""
    observation = streamed(
        chunk("", tool_calls=[call(0, id="a", name="f", arguments='{"x"')]),
        chunk("", tool_calls=[call(0, id="a", name="f", arguments=": 1}")]),
    )
    assert observation.answer.tool_calls == (ToolCall("f", '{"x": 1}', "a"),)


def test_tool_calls_without_index_are_told_apart_by_position() -> None:
    """In a body the calls of a list are as many as it has, whatever indexes they carry."""
    observation = whole({"content": None, "tool_calls": [call(0, name="f", arguments="{}"), call(0, name="g")]})
    assert [made.name for made in observation.answer.tool_calls] == ["f", "g"]


def test_arguments_may_come_as_an_object() -> None:
    """Servers that do not know that arguments are text send their value."""
    observation = whole({"content": None, "tool_calls": [call(0, name="f", arguments={"x": [1, "é"]})]})
    assert observation.answer.tool_calls == (ToolCall("f", '{"x":[1,"é"]}'),)


def test_a_function_call_is_a_tool_call() -> None:
    """The form before tools is read; Snowflake's empty one is none."""
    assert whole({"content": "", "function_call": {"name": "f", "arguments": "{}"}}).answer.tool_calls == (
        ToolCall("f", "{}"),
    )
    assert whole({"content": "x", "function_call": {"name": "", "arguments": ""}}).answer.tool_calls == ()


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"reasoning": "Hm.", "reasoning_details": [{"text": "Hm."}]}, id="OpenRouter"),
        pytest.param({"reasoning_content": "Hm."}, id="DeepSeek"),
        pytest.param({"reasoning": "Hm.", "reasoning_content": "Hm."}, id="both"),
        pytest.param({"reasoning_details": [{"summary": "H"}, {"text": "m."}]}, id="details alone"),
        pytest.param({"content": [{"type": "thinking", "thinking": [{"text": "Hm."}]}]}, id="Mistral"),
    ],
)
def test_reasoning_has_several_spellings(message: dict[str, Any]) -> None:
    """What was thought is found where each server puts it, once."""
    assert whole({"content": "", **message}).answer == Answer(reasoning="Hm.")
    assert streamed(chunk(**{"content": "", **message}), chunk(finish="stop")).answer == Answer(reasoning="Hm.")


def test_content_may_be_a_list_of_parts() -> None:
    """The texts of the parts are the text, the thoughts are apart."""
    parts = [{"type": "thinking", "thinking": [{"text": "Hm."}]}, {"type": "text", "text": "Yes"}]
    assert whole({"content": parts}).answer == Answer("Yes", "Hm.")


def test_a_refusal_is_read_apart() -> None:
    """The refusal's text is neither content nor lost; an empty one is none."""
    assert whole({"content": None, "refusal": "I will not."}).answer == Answer(refusal="I will not.")
    assert streamed(chunk(refusal="I "), chunk(refusal="won't."), chunk(finish="stop")).answer.refusal == "I won't."
    assert whole({"content": "x", "refusal": ""}).answer.refusal is None


def test_of_several_choices_the_first_is_read() -> None:
    """With n > 1 the answers interleave; the first one's text and finish reason are kept apart from the others'."""
    other = {"choices": [{"index": 1, "delta": {"content": "NO"}, "finish_reason": "length"}]}
    observation = streamed(chunk("Y"), other, chunk("es"), other, chunk("", finish="stop"), other)
    assert (observation.answer.text, observation.finish_reason) == ("Yes", "stop")


def test_azures_first_chunk_says_nothing() -> None:
    """A chunk with no choices, an empty id and an empty model does not hide the next one's."""
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    observation = streamed(first, chunk("Hi", finish="stop", usage=USAGE))
    assert (observation.generation_id, observation.response_model) == ("gen-1", "vendor/model")


def test_an_echoed_upstream_body_is_no_answer() -> None:
    """The debugging chunk that OpenRouter puts first on demand leaves no trace of its prompt in the answer."""
    first = {"choices": [], "debug": {"echo_upstream_body": {"messages": [{"content": "SECRET"}]}}}
    assert "SECRET" not in str(streamed(first, chunk("Hi", finish="stop")).answer)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("stop", "stop"), ("eos", "stop"), ("model_length", "length"), ("function_call", "tool_calls"), ("odd", "odd")],
)
def test_finish_reasons_are_in_one_vocabulary(said: str, kept: str) -> None:
    """The same end has one name at every provider; what has no name in common stays as sent."""
    assert streamed(chunk("Hi", finish=said)).finish_reason == kept


def test_padding_before_a_body_is_not_part_of_it() -> None:
    """Keep-alive padding before the JSON, kilobytes of it, does not disturb."""
    body = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": USAGE}).encode()
    assert seen(b"\n         \n" * 900 + body).answer.text == "Hi"


def test_an_answer_is_what_its_bytes_are() -> None:
    """JSON labelled as an event stream and an event stream labelled as JSON are both read."""
    body = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()
    assert seen(body, response_headers=(("content-type", "text/event-stream"),)).answer.text == "Hi"
    assert streamed(chunk("Hi"), response_headers=(("content-type", "application/json"),)).answer.text == "Hi"


def test_the_generation_id_of_the_header_comes_first() -> None:
    """OpenRouter's own id is the one that its bills name."""
    observation = streamed(chunk("Hi"), response_headers=(("x-generation-id", "gen-header"),))
    assert observation.generation_id == "gen-header"


@pytest.mark.parametrize(
    ("stream_end", "anomalies", "kind"),
    [
        (stream(chunk("Hi", finish="stop", usage=USAGE), end=b""), (), None),
        (stream(chunk("Hi", finish="stop"), end=b""), ("end_missing",), None),
        (stream(chunk("Hi", usage=USAGE)), ("finish_missing",), None),
        (stream(chunk("Hi", usage=USAGE), end=b""), (), "truncated"),
        (stream(chunk("Hi", finish="stop", usage=USAGE)) + b"data: {half", ("malformed_event",), None),
        (stream(), (), "empty"),
    ],
)
def test_how_a_stream_ends(stream_end: bytes, anomalies: tuple[str, ...], kind: str | None) -> None:
    """`[DONE]` is usual and not needed; a stream is in error only where nothing says that it was over."""
    observation = seen(stream_end)
    assert (observation.anomalies, observation.error_kind) == (anomalies, kind)


def test_the_last_event_counts_without_its_blank_line() -> None:
    """Usage in an event that the connection's end cut off after its data is still usage."""
    body = stream(chunk("Hi"), chunk("", finish="stop", usage=USAGE), end=b"").rstrip(b"\n")
    assert seen(body).usage.input_tokens == 7


def test_an_empty_completion_is_an_error() -> None:
    """A cold start answers 200 with no content, no tokens and no reason."""
    message = {"message": {"content": None}, "finish_reason": None}
    assert seen(json.dumps({"id": "gen-1", "choices": [message], "usage": USAGE}).encode()).error_kind == "empty"


def test_an_event_that_is_no_json_is_noted_and_passed_over() -> None:
    """What comes after it still counts."""
    body = stream(chunk("He"), end=b"data: {half\n\n") + stream(chunk("llo", finish="stop", usage=USAGE))
    observation = seen(body)
    assert (observation.answer.text, observation.anomalies) == ("Hello", ("malformed_event",))


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_CANCELLED, Outcome.UPSTREAM_TRUNCATED])
def test_half_an_event_at_the_end_of_a_broken_stream_is_nothing_odd(outcome: Outcome) -> None:
    """The outcome has told of the break already."""
    body = stream(chunk("Hello"), end=b'data: {"id": "gen-')
    observation = seen(body, outcome=outcome)
    assert (observation.answer.text, observation.anomalies) == ("Hello", ())


def test_a_line_beyond_all_bounds_is_noted() -> None:
    """What was said before it is kept; no judgement is made of an answer that was not read to its end."""
    body = stream(chunk("Hello"), end=b"data: " + b"x" * MAX_LINE_BYTES)
    observation = seen(body)
    assert observation.answer.text == "Hello"
    assert (observation.anomalies, observation.error_kind) == (("line_too_long",), None)


def test_tool_calls_without_number_are_bounded() -> None:
    """A hostile stream of ever new indexes costs no more than a bound's worth of memory."""
    calls = [call(index, name="f", arguments="{}") for index in range(MAX_TOOL_CALLS + 5)]
    assert len(streamed(chunk("", tool_calls=calls)).answer.tool_calls) == MAX_TOOL_CALLS
