"""Requests that a proxy could spoil. Every answer says what arrived: `X-Received-SHA256` is the hash of its bytes."""

import base64
from random import Random
from typing import Any, Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.openrouter_wire import dumps
from shadow.demo.request import Request
from shadow.demo.scenarios.scenario import Scenario, identity, usage
from shadow.demo.script import Headers, Script, chunked

IMAGE_BYTES: Final = 5 << 20


def _received(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    proof: Headers = (("X-Received-SHA256", request.sha256), ("X-Received-Bytes", str(request.size)))
    if not request.json:
        problem = dumps(wire.error(400, "Invalid JSON body"))
        return chunked(400, (*wire.headers(), *proof), (problem,))
    choice = wire.choice({"content": request.sha256})
    return chunked(200, (*wire.headers(one), *proof), (dumps(wire.completion(one, [choice], usage())),))


def _image() -> bytes:
    """An image's worth of noise as a data URL: 5 MiB of base64."""
    noise = Random(33).randbytes(IMAGE_BYTES * 3 // 4)  # noqa: S311 (repeatable, not secret)
    url = "data:image/png;base64," + base64.b64encode(noise).decode()
    parts: list[Any] = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return dumps({"model": "fake/large-image", "messages": [{"role": "user", "content": parts}]})


def _odd(name: str, about: str, body: str) -> Scenario:
    return Scenario(35, name, about, _received, body=body.encode)


USER: Final = '"messages":[{"role":"user","content":"hi"}]'
BROKEN: Final = '{"model": "fake/invalid-json", '

SCENARIOS: Final = (
    Scenario(33, "large-image", "5 MiB with an image in base64", _received, body=_image),
    Scenario(33, "expect-continue", "the client waits to be told to go on", _received,
             headers=(("Expect", "100-continue"),)),
    Scenario(33, "chunked-request", "the request's body comes in chunks", _received,
             headers=(("Transfer-Encoding", "chunked"),)),
    Scenario(33, "invalid-json", "the request's body is no JSON", _received, body=BROKEN.encode),
    _odd("odd-key-order", "keys in no usual order", f'{{"stream":false,{USER},"model":"fake/odd-key-order"}}'),
    _odd("odd-duplicate-keys", "a key twice",
         f'{{"model":"first","temperature":1,"temperature":0,{USER},"model":"fake/odd-duplicate-keys"}}'),
    _odd("odd-numbers", "1.0 and 1, 1e0 and -0",
         f'{{"model":"fake/odd-numbers","temperature":1.0,"top_p":1,"n":1e0,"seed":-0,{USER}}}'),
    _odd("odd-escapes", "the same letter escaped and not",
         '{"model":"fake/odd-escapes","messages":[{"role":"user","content":"caf\\u00e9 café \\/ / \\ud83d\\udc4b"}]}'),
    _odd("odd-whitespace", "spaces, line breaks, and one after the end",
         f'\n {{ "model" :\t"fake/odd-whitespace" ,\r\n {USER} }}\n\n'),
)  # fmt: skip
