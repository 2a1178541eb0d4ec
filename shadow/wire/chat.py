"""Chat completions: `POST /chat/completions`, whole and streamed, as OpenRouter and those it is compared with send it.

(OpenAI's and OpenRouter's API references; recorded exchanges.) Of several choices the first is read.
"""

from collections.abc import Mapping
from typing import Any

from shadow.wire.assembly import Assembly
from shadow.wire.documents import as_json, mapping, sequence, text
from shadow.wire.errors import error_kind


def read_body(answer: Assembly, body: Mapping[str, Any]) -> None:
    """The answer of a call that did not stream."""
    answer.identify(body)
    read_usage(answer, body)
    choices = sequence(body.get("choices"))
    if not choices:
        return
    choice = mapping(choices[0])
    message = mapping(choice.get("message"))
    _read_message(answer, message)
    if "tool_calls" in message:
        for position, call in enumerate(sequence(message["tool_calls"])):
            _read_tool_call(answer, mapping(call), position)
    _read_end(answer, choice)


def read_event(answer: Assembly, chunk: Mapping[str, Any], kind: str | None) -> None:
    """One chunk of a stream."""
    del kind  # chat streams name their events only for errors, whose data says so as well
    answer.identify(chunk)
    read_usage(answer, chunk)
    for choice in sequence(chunk.get("choices")):
        choice = mapping(choice)
        if choice.get("index"):
            continue
        delta = mapping(choice.get("delta"))
        _read_message(answer, delta)
        if "tool_calls" in delta:
            for position, call in enumerate(sequence(delta["tool_calls"])):
                index = mapping(call).get("index")
                _read_tool_call(answer, mapping(call), position if index is None else index)
        _read_end(answer, choice)


def read_usage(answer: Assembly, document: Mapping[str, Any]) -> None:
    """Usage where OpenAI puts it, else where Groq did, else where old llama.cpp servers did."""
    usage = document.get("usage")
    if not usage and "x_groq" in document:
        usage = mapping(document["x_groq"]).get("usage")
    if not usage:
        choices = sequence(document.get("choices"))
        usage = mapping(choices[0]).get("usage") if choices else None
    if usage:
        answer.usage(usage)


def _read_message(answer: Assembly, message: Mapping[str, Any]) -> None:
    """A message or a piece of one, but for its tool calls. Most pieces hold one of these and nothing else."""
    reasoning = _reasoning(message)
    if reasoning:
        answer.reasoning(reasoning)
    content = message.get("content")
    if isinstance(content, str):
        answer.content(content)
    elif content:
        _read_content(answer, content)
    if message.get("refusal"):
        answer.refusal(text(message["refusal"]))
    if message.get("function_call"):  # OpenAI before tools
        function = mapping(message["function_call"])
        answer.tool_call("function_call", None, function.get("name"), function.get("arguments"))


def _read_content(answer: Assembly, content: object) -> None:
    """A list of parts, of which some are thoughts, as Mistral's reasoning models send it."""
    for part in map(mapping, sequence(content)):
        answer.content(text(part.get("text")))
        for thought in map(mapping, sequence(part.get("thinking"))):
            answer.reasoning(text(thought.get("text")))


def _reasoning(message: Mapping[str, Any]) -> str:
    """What was thought, in one of three spellings: servers that send several say the same in each."""
    said = text(message.get("reasoning") or message.get("reasoning_content"))
    if said or "reasoning_details" not in message:
        return said
    details = map(mapping, sequence(message["reasoning_details"]))
    return "".join(text(detail.get("text")) or text(detail.get("summary")) for detail in details)


def _read_tool_call(answer: Assembly, call: Mapping[str, Any], key: object) -> None:
    """A call or a fragment of one. Some servers send the arguments as an object instead of its text."""
    function = mapping(call.get("function"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = as_json(arguments)
    answer.tool_call(key, call.get("id"), function.get("name"), arguments)


def _read_end(answer: Assembly, choice: Mapping[str, Any]) -> None:
    if choice.get("finish_reason"):
        answer.finish(choice["finish_reason"])
    if choice.get("error"):
        answer.error_kind = error_kind(None, choice)
