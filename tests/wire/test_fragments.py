"""Fragments: what the ends of a cut answer tell."""

import pytest

from shadow.wire.fragments import usage_in_fragment, word_in_fragment


@pytest.mark.parametrize(
    ("start", "model"),
    [
        (b'{"id" : "gen-1", "model":"v/m", "choi', "v/m"),
        (b'{"checks": [{"model": "guard"}], "model": "v/m", "choi', "v/m"),
        (b'{"text": "}]\\"", "model": "v/m", "choi', "v/m"),
        (b'{"checks": [{"model": "guard"', None),
        (b'{"id": "gen-1", "mo', None),
        (b'{"model": ["v/m"]', None),
    ],
)
def test_a_word_of_a_fragment_is_the_whole_answers(start: bytes, model: str | None) -> None:
    """The model of something inside the answer is not the answer's."""
    assert word_in_fragment(start, "model") == model


@pytest.mark.parametrize(
    ("end", "usage"),
    [
        (b'half a text"}],"usage":{"prompt_tokens":3}}', {"prompt_tokens": 3}),
        (b'half"}],"usage":{"prompt_tokens":3},"x":[{"y":"}]\\"}"}]}\n', {"prompt_tokens": 3}),
        (b'half"}],"usage":{"prompt_tokens":3},"breakdown":[{"usage":{"prompt_tokens":1}}]}', {"prompt_tokens": 3}),
        (b'half"}],"breakdown":[{"usage":{"prompt_tokens":1}}]}', {}),
        (b'half"}],"usage":{"prompt_tokens":3}', {}),
        (b'half"}],"usage":{"prompt_tok', {}),
        ('é"}],"usage":{"é":1}}'.encode(), {"Ã©": 1}),
    ],
)
def test_the_usage_of_a_fragment_is_the_whole_answers(end: bytes, usage: dict[str, int]) -> None:
    """A count of a part of the answer, or one whose place cannot be told, is not taken for it."""
    assert usage_in_fragment(end) == usage
