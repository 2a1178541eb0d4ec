"""A client that names its tenant in its base URL."""

from pathlib import Path

from tests.end_to_end.raw import answer, eventually, post, wired

COMPLETION = (
    b'{"id":"gen-1","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",'
    b'"content":"Hello."}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"cost":0.0001}}'
)
ANSWER = answer(COMPLETION, b"Content-Type: application/json")


def test_a_tenant_in_the_path_is_taken_off_it(tmp_path: Path) -> None:
    """The upstream gets its own path, with the query as it was sent; the row is one of an inference call, and names
    the tenant, although a rule before that of the path decided."""
    rules = {"tenant": [{"header": "X-Team"}, {"path_prefix": "/t/"}]}
    question = post(b'{"model":"m","messages":[]}', b"X-Team: mine", target=b"/t/acme/api/v1/chat/completions?a=%2F&b")
    with wired(tmp_path, attribution=rules) as wire:
        received, came = wire.exchange(question, ANSWER)
        [row] = eventually(lambda: wire.rows("SELECT tenant, path, inference, input_tokens FROM exchanges"))
    assert received.startswith(b"POST /api/v1/chat/completions?a=%2F&b HTTP/1.1\r\n")
    assert came.endswith(COMPLETION)
    assert row == {"tenant": "mine", "path": "/api/v1/chat/completions", "inference": 1, "input_tokens": 3}
