"""The mirror as the recorder sees it: decide, submit, and a ledger that is told of every end once."""


from aiohttp import web

from shadow.exchange import Exchange, Replay, ReplayOutcome
from shadow.mirror import Mirror
from tests.mirror.making import Ledger, chat, config, observed


async def answer(_request: web.Request) -> web.Response:
    return web.json_response(
        {
            "model": "small-2026",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        }
    )


def submit(mirror: Mirror, exchange: Exchange) -> list[Replay]:
    """Decide and submit, as the recorder does; what ended at once."""
    ended, planned = mirror.decide(exchange, observed(exchange))
    dropped = [mirror.submit(plan) for plan in planned]
    return [*ended, *(one for one in dropped if one is not None)]


async def test_a_replay_becomes_a_complete_pair(serve, mirrors):
    """A good answer of the candidate is settled as completed, observed, priced and compared."""
    mirror, ledger = await mirrors(config(await serve(answer)))
    exchange = chat()
    assert submit(mirror, exchange) == []
    (replay,) = await ledger.ends(1)
    assert (replay.exchange_id, replay.arm, replay.outcome, replay.reason) == (
        exchange.exchange_id,
        "ferry",
        ReplayOutcome.COMPLETED,
        None,
    )
    assert replay.observation.answer.text == "Hi"
    assert str(replay.observation.cost.usd) == "0.000013"  # 9 × $1 + 2 × $2 per million
    assert replay.agreement.finish_reason_same is True


async def test_the_mark_comes_before_the_bytes(serve, mirrors):
    """The ledger has marked a replay as sent before the candidate sees it, and settles it after."""
    ledger = Ledger()

    async def note(request: web.Request) -> web.Response:
        ledger.told.append(("seen", request.headers["X-Shadow-Replay"], "ferry"))
        return await answer(request)

    mirror, _ = await mirrors(config(await serve(note)), ledger)
    submit(mirror, chat())
    await ledger.ends(1)
    assert [what for what, *_ in ledger.told] == ["sent", "seen", "settled"]
