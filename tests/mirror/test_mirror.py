"""The mirror as the recorder sees it: decide, submit, pause, close."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from shadow.configfile import parse
from shadow.exchange import Attribution, ReplayOutcome
from shadow.mirror.reasons import Dropped, Failed, Ineligible, SampledOut, Withheld
from shadow.mirror.waiting import MAX_COUNT
from shadow.wire.request import read_request
from tests.mirror.making import (
    HELLO,
    JSON,
    Gate,
    answer,
    chat,
    config,
    ends,
    observed,
    submit,
)


async def test_without_candidates_nothing_is_decided(mirrors, tmp_path):
    """A sidecar that only records has no arms."""
    mirror, _ = await mirrors(parse("upstream: {url: 'https://openrouter.ai'}", tmp_path, {}))
    exchange = chat()
    assert mirror.decide(exchange, observed(exchange), read_request(exchange)) == ((), ())


async def test_every_arm_gets_its_own_decision(mirrors):
    """One exchange, three candidates: planned, not drawn, ineligible."""
    more = (
        "- {name: never, url: 'http://127.0.0.1:9', models: {'*': x}, sample: {rate: 0}}\n"
        "- {name: others, url: 'http://127.0.0.1:9', models: {'*': null}, sample: {rate: 1}}\n"
    )
    mirror, _ = await mirrors(config(more=more))
    exchange = chat()
    ended, planned = mirror.decide(exchange, observed(exchange), read_request(exchange))
    assert [(one.arm, one.outcome, one.reason, one.probability) for one in ended] == [
        ("never", ReplayOutcome.SAMPLED_OUT, SampledOut.NOT_DRAWN, 0.0),
        ("others", ReplayOutcome.INELIGIBLE, Ineligible.MODEL_EXCLUDED, None),
    ]
    assert [(one.arm, one.probability) for one in planned] == [("ferry", 1.0)]


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (chat(path="/api/v1/models", method="GET"), Ineligible.NOT_INFERENCE),
        (chat(b"{"), Ineligible.UNREADABLE),
        (chat({**HELLO, "n": 3}), Ineligible.SEVERAL_CHOICES),
        (chat({**HELLO, "provider": {"zdr": True}}), Ineligible.PRIVACY),
        (chat({**HELLO, "reasoning": {"max_tokens": 99}}), Ineligible.REASONING),
    ],
)
async def test_what_is_ineligible_has_its_reason(mirrors, exchange, expected):
    """Each stage of the decision can end it."""
    mirror, _ = await mirrors(config())
    assert ends(submit(mirror, exchange)) == [(ReplayOutcome.INELIGIBLE, expected)]


async def test_a_clients_retry_is_one_request(mirrors):
    """The second of two equal requests is recognised by its retry count."""
    mirror, _ = await mirrors(config(sample={"rate": 0}))
    first = submit(mirror, chat(request_headers=(*JSON, ("x-stainless-retry-count", "0"))))
    second = submit(mirror, chat(request_headers=(*JSON, ("x-stainless-retry-count", "1"))))
    assert [first[0].reason, second[0].reason] == [SampledOut.NOT_DRAWN, Ineligible.CLIENT_RETRY]


async def test_without_consent_nothing_is_sent(mirrors):
    """A tenant that no rule lets through is withheld, drawn or not asked about."""
    mirror, _ = await mirrors(config(head="consent_default: deny"))
    (replay,) = submit(mirror, chat())
    assert ends([replay]) == [(ReplayOutcome.WITHHELD, Withheld.CONSENT)]
    assert replay.probability == 0.0  # nothing drawn stands for it


async def test_always_does_not_override_consent(mirrors):
    """The application's wish is about sampling, not about whose eyes may see the prompt."""
    mirror, _ = await mirrors(config(head="consent_default: deny"))
    exchange = chat(request_headers=(*JSON, ("x-shadow-sample", "always")))
    assert ends(submit(mirror, exchange)) == [(ReplayOutcome.WITHHELD, Withheld.CONSENT)]


async def test_a_pause_withholds_what_is_decided_and_what_waits(serve, mirrors):
    """From the pause on nothing is sent; what was sent before finishes."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=1))
    submit(mirror, chat())
    submit(mirror, chat())
    await gate.has(1)
    mirror.pause()
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.WITHHELD, Withheld.PAUSED)]
    gate.open.set()
    assert ends(await ledger.ends(2)) == [(ReplayOutcome.COMPLETED, None), (ReplayOutcome.WITHHELD, Withheld.PAUSED)]


async def test_after_a_pause_replays_flow_again(serve, mirrors):
    """Resume is all it takes."""
    mirror, ledger = await mirrors(config(await serve(answer)))
    mirror.pause()
    mirror.resume()
    submit(mirror, chat())
    assert ends(await ledger.ends(1)) == [(ReplayOutcome.COMPLETED, None)]


async def test_concurrency_is_bounded_and_used(serve, mirrors):
    """Three at a time, never more, and all are served in the end."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=3))
    for _ in range(10):
        submit(mirror, chat())
    await gate.has(3)
    assert mirror.states()[0].in_flight == 3
    assert mirror.states()[0].queued == 7
    gate.open.set()
    await ledger.ends(10)
    assert gate.most == 3


async def test_a_hanging_candidate_does_not_hold_up_another(serve, serve_raw, mirrors):
    """Queues, workers and connections are each candidate's own."""

    async def hang(_reader, _writer):
        await asyncio.Event().wait()

    more = f"- {{name: stuck, url: '{await serve_raw(hang)}', models: {{'*': x}}, sample: {{rate: 1}}}}\n"
    mirror, ledger = await mirrors(config(await serve(answer), more=more))
    for _ in range(30):
        submit(mirror, chat())
    assert {replay.arm for replay in await ledger.ends(30)} == {"ferry"}


async def test_a_full_queue_drops_the_newest(serve_raw, mirrors):
    """With no room left a replay ends at once, and is said to be dropped."""

    async def hang(_reader, _writer):
        await asyncio.Event().wait()

    mirror, _ = await mirrors(config(await serve_raw(hang), max_concurrency=1))
    (plan,) = mirror.decide(exchange := chat(), observed(exchange), read_request(exchange))[1]
    refused = [mirror.submit(plan) for _ in range(MAX_COUNT + 1)]
    assert refused[:-1] == [None] * MAX_COUNT
    assert ends(refused[-1:]) == [(ReplayOutcome.DROPPED, Dropped.QUEUE_COUNT)]


async def test_closing_ends_everything_once(serve, mirrors):
    """What runs is interrupted, what waits is dropped, what comes later finds no room."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=2))
    for _ in range(5):
        submit(mirror, chat())
    await gate.has(2)
    await mirror.close()
    assert Counter(ends(ledger.settled)) == {
        (ReplayOutcome.FAILED, Failed.INTERRUPTED): 2,
        (ReplayOutcome.DROPPED, Dropped.STOPPING): 3,
    }
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.DROPPED, Dropped.STOPPING)]


async def test_a_plan_holds_no_body_of_the_primary(mirrors):
    """A queue that is bounded in bytes must not hold the primary's bodies besides."""
    mirror, _ = await mirrors(config())
    exchange = replace(chat(), arrivals=((1, 0.1),))
    _, (plan,) = mirror.decide(exchange, observed(exchange), read_request(exchange))
    assert (plan.exchange.request_body.size, plan.exchange.response_body.size, plan.exchange.arrivals) == (0, 0, ())


@pytest.mark.parametrize("place", ["mirror.decide", "mirror.wish", "decision.conversation"])
async def test_a_mistake_in_deciding_costs_one_replay(mirrors, monkeypatch, caplog, place):
    """The exchange is recorded all the same, the reason is the sidecar's, and the log quotes nothing."""

    def broken(*_arguments, **_more):
        raise ValueError("the secret prompt")

    monkeypatch.setattr(f"shadow.mirror.{place}", broken)
    mirror, _ = await mirrors(config())
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.FAILED, Failed.INTERNAL)]
    assert "secret prompt" not in caplog.text
    assert "ValueError" in caplog.text


async def test_a_mistake_in_considering_ends_every_arm(mirrors, monkeypatch):
    """Each arm has a row for every exchange, so that the totals reconcile whatever breaks."""

    def broken(*_arguments):
        raise RecursionError

    monkeypatch.setattr("shadow.mirror.mirror.wish", broken)
    mirror, _ = await mirrors(config(more="- {name: canal, url: 'http://127.0.0.1:9', models: {'*': x}}"))
    failed = [(replay.arm, replay.outcome, replay.reason) for replay in submit(mirror, chat())]
    assert failed == [(arm, ReplayOutcome.FAILED, Failed.INTERNAL) for arm in ("ferry", "canal")]


@pytest.mark.parametrize(
    ("rate", "asked", "times"), [(0, (), 0), (0.5, (), 1), (0, (("x-shadow-sample", "always"),), 1)]
)
async def test_a_conversation_is_read_once_for_all_arms(mirrors, monkeypatch, rate, asked, times):
    """And for none where nobody is drawn by it: most of the traffic is at a rate of 0."""
    read = []
    monkeypatch.setattr("shadow.mirror.decision.conversation", lambda *_: read.append(1) or b"key")
    more = f"- {{name: canal, url: 'http://127.0.0.1:9', models: {{'*': x}}, sample: {{rate: {rate}}}}}"
    mirror, _ = await mirrors(config(sample={"rate": rate}, more=more))
    exchange = chat(request_headers=JSON + asked)
    mirror.decide(exchange, observed(exchange), read_request(exchange))
    assert len(read) == times


async def test_a_swallowed_cancellation_does_not_hold_up_the_stop(mirrors, monkeypatch):
    """A library that catches the cancellation and goes on waiting is cancelled again."""
    begun = asyncio.Event()

    async def stubborn(*_arguments, **_more):
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr("shadow.mirror.mirror.CANCEL_AGAIN_S", 0.01)
    monkeypatch.setattr("shadow.mirror.performer.send", stubborn)
    mirror, ledger = await mirrors(config())
    submit(mirror, chat())
    await begun.wait()
    await asyncio.wait_for(mirror.close(), 30)
    assert ends(ledger.settled) == [(ReplayOutcome.FAILED, Failed.INTERRUPTED)]


async def test_nobodys_exchange_is_decided_like_others(mirrors):
    """Unattributed traffic follows the defaults."""
    mirror, _ = await mirrors(config())
    exchange = chat(attribution=Attribution())
    _, planned = mirror.decide(exchange, observed(exchange), read_request(exchange))
    assert len(planned) == 1
