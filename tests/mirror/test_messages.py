"""Messages and tools as candidates get them."""

import pytest

from shadow.mirror.dialects import RULES
from shadow.mirror.messages import refused_picture, rewrite_messages, rewrite_tools
from shadow.mirror.notes import Notes
from shadow.mirror.reasons import Ineligible

MARK = {"type": "ephemeral"}
PNG = "data:image/png;base64,AAAA"


def one(message, dialect="openai"):
    """One message rewritten, and what was noted."""
    notes = Notes()
    written = rewrite_messages([message], RULES[dialect], notes)
    return written[0], notes.rewrite()


def refused(part, dialect="openai"):
    """The reason against a message that holds this part."""
    return refused_picture([{"role": "user", "content": [part]}], RULES[dialect])


def test_cache_markers_are_stripped_and_tagged():
    """No candidate dialect takes Anthropic's cache markers; without them prompt prices differ."""
    message = {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": MARK}]}
    written, noted = one(message)
    assert written == {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    assert (noted.dropped, noted.tags) == (("messages[].content[].cache_control",), ("prompt-cache",))


def test_reasoning_of_earlier_turns_is_stripped_and_tagged():
    """Only the model that wrote its reasoning can go on from it."""
    message = {
        "role": "assistant",
        "content": "Yes",
        "reasoning": "so",
        "reasoning_details": [{"type": "reasoning.text", "text": "so", "signature": "abc"}],
    }
    written, noted = one(message)
    assert written == {"role": "assistant", "content": "Yes"}
    assert noted.tags == ("reasoning-history",)


def test_annotations_of_earlier_turns_are_stripped_and_tagged():
    """Citations and parsed files belong to the router's plugins."""
    written, noted = one({"role": "assistant", "content": "Yes", "annotations": [{"type": "file"}]})
    assert written == {"role": "assistant", "content": "Yes"}
    assert noted.tags == ("annotations",)


def test_null_extras_are_no_difference():
    """Clients send the whole earlier answer back, nulls included."""
    written, noted = one({"role": "assistant", "content": "Yes", "reasoning": None, "refusal": None, "audio": None})
    assert written["content"] == "Yes"
    assert (noted.dropped, noted.tags) == ((), ())


@pytest.mark.parametrize("dialect", [name for name in RULES if name not in ("openai", "azure")])
def test_developers_speak_as_system(dialect):
    """Only OpenAI's own endpoints know the developer role."""
    written, noted = one({"role": "developer", "content": "Be brief"}, dialect)
    assert written == {"role": "system", "content": "Be brief"}
    assert noted.mapped == ("messages[].role: developer → system",)


def test_openai_keeps_developers_names_and_refusals():
    """What OpenAI documents goes on to OpenAI."""
    for message in (
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": "Hi", "name": "ann"},
        {"role": "assistant", "content": None, "refusal": "No"},
    ):
        assert one(message) == (message, Notes().rewrite())


def test_names_are_dropped_where_unknown():
    """Mistral refuses extra fields of a message."""
    written, noted = one({"role": "user", "content": "Hi", "name": "ann"}, "mistral")
    assert written == {"role": "user", "content": "Hi"}
    assert noted.dropped == ("messages[].name",)


CALL = {"id": "call_1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}", "strict": None}}


def test_tool_calls_keep_their_documented_fields():
    """An answer's call sent back carries `index` and more, which requests do not document."""
    written, noted = one({"role": "assistant", "content": None, "tool_calls": [CALL]})
    assert written["tool_calls"] == [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert noted.dropped == ("messages[].tool_calls[].index",)


def test_mistral_gets_call_ids_of_nine_characters():
    """The call and its result still name each other."""
    notes = Notes()
    written = rewrite_messages(
        [
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        ],
        RULES["mistral"],
        notes,
    )
    made = written[0]["tool_calls"][0]["id"]
    assert made == written[1]["tool_call_id"]
    assert len(made) == 9
    assert made.isascii()
    assert made.isalnum()


def test_mistrals_own_call_ids_go_on():
    """An id that fits already is the one the history was made with."""
    written, noted = one({"role": "tool", "tool_call_id": "D681PevKs", "content": "42"}, "mistral")
    assert written["tool_call_id"] == "D681PevKs"
    assert noted.mapped == ()


def test_an_empty_list_of_calls_is_left_out():
    """Some endpoints refuse it, and it means the same as none."""
    written, _ = one({"role": "assistant", "content": "Yes", "tool_calls": []})
    assert written == {"role": "assistant", "content": "Yes"}


@pytest.mark.parametrize("dialect", [name for name in RULES if name not in ("deepseek", "ollama")])
def test_images_go_on_by_address(dialect):
    """Most endpoints fetch an image themselves."""
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    written, _ = one({"role": "user", "content": [image]}, dialect)
    assert written["content"] == [image]
    assert refused(image, dialect) is None


def test_ollama_takes_images_as_data_alone():
    """An address is refused there, data goes on."""
    data = {"type": "image_url", "image_url": {"url": PNG}}
    address = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert one({"role": "user", "content": [data]}, "ollama")[0]["content"] == [data]
    assert refused(address, "ollama") is Ineligible.IMAGE_INPUT


def test_deepseek_takes_no_images():
    """Its chat endpoint documents text alone."""
    part = {"type": "image_url", "image_url": {"url": PNG}}
    assert refused(part, "deepseek") is Ineligible.IMAGE_INPUT


@pytest.mark.parametrize("image", [None, 1, {}, {"url": None}, ["x"]])
def test_an_image_without_an_address_is_refused(image):
    """What no documentation describes is not guessed at."""
    part = {"type": "image_url", "image_url": image}
    assert refused(part) is Ineligible.IMAGE_INPUT


def test_an_image_as_a_plain_string_is_put_as_documented():
    """Mistral's short form of an image, which the router takes too."""
    written, _ = one({"role": "user", "content": [{"type": "image_url", "image_url": PNG}]})
    assert written["content"] == [{"type": "image_url", "image_url": {"url": PNG}}]


def test_deepseek_gets_text_as_one_string():
    """It refuses content in parts; joining several is a change that the reader sees."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    written, noted = one({"role": "user", "content": parts}, "deepseek")
    assert written == {"role": "user", "content": "a\nb"}
    assert noted.tags == ("text-parts",)
    assert one({"role": "user", "content": parts[:1]}, "deepseek")[1].tags == ()


def test_a_refusal_in_parts_becomes_text_elsewhere():
    """Only OpenAI knows refusal parts."""
    message = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]}
    assert one(message)[0] == message
    assert one(message, "vllm")[0]["content"] == [{"type": "text", "text": "No"}]


def test_tools_keep_their_documented_fields():
    """Cache markers and the router's extras go; the function stays whole."""
    notes = Notes()
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    tool = {"type": "function", "cache_control": MARK, "eager_input_streaming": True, "function": function}
    assert rewrite_tools([tool], RULES["openai"], notes) == [{"type": "function", "function": function}]
    assert notes.rewrite().dropped == ("tools[].cache_control", "tools[].eager_input_streaming")
    assert notes.rewrite().tags == ("prompt-cache",)


def test_strictness_goes_where_it_is_documented():
    """Elsewhere `strict` may be refused, and is noted as dropped."""
    notes = Notes()
    tool = {"type": "function", "function": {"name": "f", "strict": True}}
    assert rewrite_tools([tool], RULES["google"], notes) == [{"type": "function", "function": {"name": "f"}}]
    assert notes.rewrite().dropped == ("tools[].function.strict",)


def test_the_client_is_not_changed():
    """Rewriting leaves the parsed request as it was: other arms read it too."""
    message = {"role": "developer", "content": [{"type": "text", "text": "a", "cache_control": MARK}], "name": "x"}
    copy = {"role": "developer", "content": [{"type": "text", "text": "a", "cache_control": MARK}], "name": "x"}
    one(message, "deepseek")
    assert message == copy
