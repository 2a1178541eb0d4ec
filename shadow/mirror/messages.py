"""Messages and tools, rewritten for a candidate: only what is documented of them goes on.

OpenRouter's extras (cache markers, reasoning of earlier turns, annotations) are left out and noted. Pure.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shadow.mirror.dialects import Rules
from shadow.mirror.notes import Notes
from shadow.mirror.reasons import Ineligible

CALL_ID_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHORT_CALL_ID: Final = 9  # Mistral takes exactly nine letters and digits

DROPPED_TAGS: Final[Mapping[str, str]] = {
    "cache_control": "prompt-cache",
    "prompt_cache_breakpoint": "prompt-cache",
    "reasoning": "reasoning-history",
    "reasoning_content": "reasoning-history",
    "reasoning_details": "reasoning-history",
    "annotations": "annotations",
}


def refused_picture(messages: Sequence[Mapping[str, Any]], rules: Rules) -> Ineligible | None:
    """The reason against messages with a picture that the dialect cannot be shown; nothing else of them is refused."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if part["type"] == "image_url" and not _shown(_image_of(part).get("url"), rules):
                return Ineligible.IMAGE_INPUT
    return None


def rewrite_messages(messages: Sequence[Mapping[str, Any]], rules: Rules, notes: Notes) -> list[Mapping[str, Any]]:
    """The messages as the dialect takes them, where it refuses none."""
    return [_message(message, rules, notes) for message in messages]


def rewrite_tools(tools: Sequence[Mapping[str, Any]], rules: Rules, notes: Notes) -> list[dict[str, Any]]:
    """Function tools with their documented fields."""
    return [_tool(tool, rules, notes) for tool in tools]


def _tool(tool: Mapping[str, Any], rules: Rules, notes: Notes) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, dict):
        return {"type": "function", "function": function}  # the candidate says what it makes of it
    _drop_others(tool, {"type", "function"}, "tools[]", notes)
    kept = {"name", "description", "parameters"} | ({"strict"} if rules.strict_tools else set())
    _drop_others(function, kept, "tools[].function", notes)
    return {"type": "function", "function": _only(function, kept)}


def _message(message: Mapping[str, Any], rules: Rules, notes: Notes) -> Mapping[str, Any]:
    role = message["role"]
    if len(message) == 2 and isinstance(message.get("content"), str) and role != "developer":
        return message  # most of every conversation: nothing to leave out
    kept = {"role", "content"}
    if rules.names:
        kept.add("name")
    if role == "assistant":
        kept |= {"tool_calls", "refusal"} if rules.refusals else {"tool_calls"}
    elif role == "tool":
        kept.add("tool_call_id")
    _drop_others(message, kept, "messages[]", notes)
    written = _only(message, kept)
    if role == "developer" and not rules.developer_role:
        written["role"] = "system"
        notes.map("messages[].role: developer → system")
    return _with_content(_with_calls(written, rules, notes), rules, notes)


def _with_content(message: dict[str, Any], rules: Rules, notes: Notes) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    written = [_part(part, rules, notes) for part in content]
    if not rules.text_parts:
        if len(written) > 1:
            notes.tag("text-parts")
        notes.map("messages[].content: parts → text")
        return message | {"content": "\n".join(str(part["text"]) for part in written)}
    return message | {"content": written}


def _part(part: Mapping[str, Any], rules: Rules, notes: Notes) -> dict[str, Any]:
    kind = part["type"]
    if kind == "image_url":
        return _image(part, notes)
    if kind == "refusal" and not rules.refusals:
        notes.map("messages[].content[].refusal → text")
        return {"type": "text", "text": part.get("refusal")}
    _drop_others(part, {"type", kind}, "messages[].content[]", notes)
    return _only(part, {"type", kind})


def _image(part: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    _drop_others(part, {"type", "image_url"}, "messages[].content[]", notes)
    image = _image_of(part)
    _drop_others(image, {"url", "detail"}, "messages[].content[].image_url", notes)
    return {"type": "image_url", "image_url": _only(image, {"url", "detail"})}


def _image_of(part: Mapping[str, Any]) -> Mapping[str, Any]:
    given = part.get("image_url")
    return given if isinstance(given, dict) else {"url": given}


def _shown(url: object, rules: Rules) -> bool:
    """Whether the dialect can be shown a picture at this address."""
    if not isinstance(url, str) or rules.images == "none":
        return False
    return rules.images == "any" or url.startswith("data:")


def _with_calls(message: dict[str, Any], rules: Rules, notes: Notes) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message = message | {"tool_calls": [_call(call, rules, notes) for call in calls]}
        if not calls:
            del message["tool_calls"]  # refused by some, and means the same as none
    if rules.short_call_ids and isinstance(message.get("tool_call_id"), str):
        message = message | {"tool_call_id": _short_id(message["tool_call_id"], notes)}
    return message


def _call(call: Any, rules: Rules, notes: Notes) -> Any:
    if not isinstance(call, dict):
        return call
    _drop_others(call, {"id", "type", "function"}, "messages[].tool_calls[]", notes)
    written = _only(call, {"id", "type", "function"})
    if isinstance(call.get("function"), dict):
        _drop_others(call["function"], {"name", "arguments"}, "messages[].tool_calls[].function", notes)
        written["function"] = _only(call["function"], {"name", "arguments"})
    if rules.short_call_ids and isinstance(call.get("id"), str):
        written["id"] = _short_id(call["id"], notes)
    return written


def _short_id(call_id: str, notes: Notes) -> str:
    """The same nine characters for the call and for its result, whatever the id was."""
    if len(call_id) == SHORT_CALL_ID and call_id.isascii() and call_id.isalnum():
        return call_id
    notes.map("messages[].tool_calls[].id → nine characters")
    number = int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    characters = []
    for _ in range(SHORT_CALL_ID):
        number, digit = divmod(number, len(CALL_ID_ALPHABET))
        characters.append(CALL_ID_ALPHABET[digit])
    return "".join(characters)


def _only(node: Mapping[str, Any], kept: set[str]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key in kept}


def _drop_others(node: Mapping[str, Any], kept: set[str], path: str, notes: Notes) -> None:
    for key, value in node.items():
        if key not in kept and value is not None:
            notes.drop(f"{path}.{key}", DROPPED_TAGS.get(key))
