"""The control: the same request once more, under a key that no client uses."""

from dataclasses import replace

import orjson
import pytest
from aiohttp import web

from shadow.exchange import Attribution, ReplayOutcome
from shadow.fingerprint import fingerprint
from shadow.mirror import Mirror
from shadow.mirror.client_keys import MAX_SEEN, ClientKeys
from shadow.mirror.reasons import Ineligible, SampledOut, Withheld
from tests.mirror.making import ANSWER, HELLO, JSON, KEY, KEY_VARIABLE, Ledger, chat, config, ends, submit

SECRET = b"secret"
OWN = fingerprint(KEY, SECRET)
ASKED = {
    "model": "openai/gpt-4o-mini:nitro",
    "messages": [{"role": "developer", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "x"}}]}],
    "provider": {"zdr": True, "order": ["azure"]},
    "reasoning": {"effort": "high"},
    "session_id": "s1",
    "stream_options": {"include_usage": False},
    "top_k": 7,
}


class Clients(ClientKeys):
    """Clients' keys, of which the store knows some; `asked` counts how often it was asked."""

    def __init__(self, *stored, registered=()):
        self.asked = 0
        super().__init__(SECRET, registered, self._in_store)
        self.stored = set(stored)

    async def _in_store(self, key_fingerprint):
        self.asked += 1
        if "broken" in self.stored:
            raise OSError
        return key_fingerprint in self.stored


def with_control(url, **more):
    """A configuration whose candidate gets nothing and whose control gets everything."""
    control = {"url": f"{url}/api/v1", "api_key_env": KEY_VARIABLE, "sample": {"rate": 1}, **more}
    return config(sample={"rate": 0}, more=f"control: {orjson.dumps(control).decode()}")


@pytest.fixture
async def replayed(serve):
    """Replays exchanges to a control, and gives its settlements and what it was sent."""
    started = []

    async def replay(*exchanges, clients=None, **more):
        seen = []

        async def answer(request: web.Request) -> web.Response:
            seen.append((request.path, request.headers["Authorization"], await request.read()))
            return web.json_response(ANSWER)

        ledger = Ledger()
        mirror = Mirror(with_control(await serve(answer), **more), ledger, client_keys=clients or Clients())
        started.append(mirror)
        await mirror.start()
        over = [one for exchange in exchanges for one in submit(mirror, exchange) if one.arm == "control"]
        return [*over, *await ledger.ends(len(exchanges) - len(over))], seen

    yield replay
    for mirror in started:
        await mirror.close()


async def test_the_request_goes_out_as_it_came(replayed):
    """The model and every field stay, whatever they are; only the key is another, and headers are none of the
    client's."""
    [replay], [(path, key, body)] = await replayed(chat(ASKED))
    assert ends([replay]) == [(ReplayOutcome.COMPLETED, None)]
    assert (replay.arm, replay.rewrite.mapped, replay.rewrite.dropped, replay.rewrite.tags) == ("control", (), (), ())
    assert (path, key, body) == ("/api/v1/chat/completions", f"Bearer {KEY}", orjson.dumps(ASKED))


async def test_it_costs_what_openrouter_says(replayed):
    """The charge that the answer states, as with the primary."""
    [replay], _ = await replayed(chat())
    assert (str(replay.observation.cost.usd), replay.observation.cost.source) == ("0.0001", "reported")


async def test_routers_and_fallbacks_choose_anew(replayed):
    """What they choose is part of the noise; the pair says that it may be another model."""
    request = {**HELLO, "model": "openrouter/auto", "models": ["a/b", "c/d"]}
    [replay], [(_, _, body)] = await replayed(chat(request))
    assert orjson.loads(body) == request
    assert replay.rewrite.tags == ("routed",)


@pytest.mark.parametrize(
    ("request_changes", "reason"),
    [
        ({"model": None}, Ineligible.MODEL_UNMAPPED),
        ({"model": "a/b:free"}, Ineligible.FREE_VARIANT),
        ({"tools": [{"type": "openrouter:web_search"}]}, Ineligible.SERVER_TOOLS),
        ({"n": 2}, Ineligible.SEVERAL_CHOICES),
    ],
)
async def test_what_no_replay_may_carry_is_not_asked_again(replayed, request_changes, reason):
    """What is ineligible for all is so for the control; without a model, the account decides who answers."""
    [replay], seen = await replayed(chat({**HELLO, **request_changes}))
    assert (ends([replay]), seen) == ([(ReplayOutcome.INELIGIBLE, reason)], [])


async def test_privacy_is_no_obstacle(replayed):
    """OpenRouter keeps its promises to the caller, as they go along."""
    [replay], _ = await replayed(chat({**HELLO, "provider": {"zdr": True, "data_collection": "deny"}}))
    assert replay.outcome is ReplayOutcome.COMPLETED


@pytest.mark.parametrize(("compliant", "sent"), [([], 0), (["zdr", "no_data_collection"], 1)])
async def test_privacy_of_the_clients_account_is_to_be_declared(serve, mirrors, compliant, sent):
    """What no body says would not hold for the control: its account must have the same settings, and say so."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    settings = with_control(await serve(answer), compliant=compliant)
    settings = replace(settings, upstream=replace(settings.upstream, privacy=("zdr",)))
    mirror, ledger = await mirrors(settings, client_keys=Clients())
    reasons = [one.reason for one in submit(mirror, chat()) if one.arm == "control"]
    assert reasons == [Ineligible.PRIVACY] * (1 - sent)
    assert len(await ledger.ends(sent)) == sent


async def test_consent_is_asked_for(mirrors):
    """A prompt is not sent once more unless the tenant lets it: the control is named like a candidate."""
    settings = with_control("http://127.0.0.1:9")
    object.__setattr__(settings, "consent_default", "deny")
    mirror, _ = await mirrors(settings, client_keys=Clients())
    assert ends(submit(mirror, chat())) == [
        (ReplayOutcome.SAMPLED_OUT, SampledOut.NOT_DRAWN),
        (ReplayOutcome.WITHHELD, Withheld.CONSENT),
    ]


async def test_with_a_budget_the_answer_is_bounded(replayed):
    """The control has a budget like any arm: the limit is sent, and the dearest of its models reserved."""
    request = {**HELLO, "reasoning": {"max_tokens": 2000}}
    [replay], [(_, _, body)] = await replayed(chat(request), budget_usd_per_day=1, max_output_tokens=500)
    assert orjson.loads(body) == {**request, "max_tokens": 2500}
    assert replay.rewrite.tags == ("output-cap",)
    assert replay.charged_usd == replay.observation.cost.usd


async def test_a_router_has_no_price_to_hold_against_a_budget(replayed):
    """Nobody knows what it would choose."""
    [replay], _ = await replayed(chat({**HELLO, "model": "openrouter/auto"}), budget_usd_per_day=1)
    assert ends([replay]) == [(ReplayOutcome.WITHHELD, Withheld.PRICE_UNKNOWN)]


WITHHELD = [(ReplayOutcome.WITHHELD, Withheld.CONTROL_KEY)]


@pytest.mark.parametrize(
    "clients",
    [Clients(OWN), Clients(registered=[OWN]), Clients("broken")],
    ids=["in the store", "in the registry", "nobody can tell"],
)
async def test_a_clients_key_is_not_used(replayed, clients):
    """Nothing is sent under a key of which it is not certain that no client uses it."""
    replays, seen = await replayed(chat(), clients=clients)
    assert (ends(replays), seen) == (WITHHELD, [])


async def test_without_knowledge_of_clients_keys_nothing_is_sent(mirrors):
    """Whoever builds a mirror and forgets them gets no control, not an unguarded one."""
    mirror, ledger = await mirrors(with_control("http://127.0.0.1:9"))
    submit(mirror, chat())
    assert ends(await ledger.ends(1)) == WITHHELD


async def test_a_shared_key_is_said_once_at_the_start(mirrors, caplog):
    """The log says so before anything was to be replayed, and why it matters."""
    mirror, ledger = await mirrors(with_control("http://127.0.0.1:9"), client_keys=Clients(OWN))
    for count in (1, 2):
        submit(mirror, chat())
        await ledger.ends(count)
    [line] = [record.message for record in caplog.records if "control" in record.message]
    assert "its key is one that clients use" in line
    assert "account of its own" in line
    assert KEY not in caplog.text


async def test_a_client_that_begins_to_use_the_key_stops_the_control(serve, mirrors):
    """From the first exchange that comes with it, whatever it is about; a sidecar's own replay does not count."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    clients = Clients()
    mirror, ledger = await mirrors(with_control(await serve(answer)), client_keys=clients)
    own = Attribution("acme", key_fingerprint=OWN)
    submit(mirror, chat())
    await ledger.ends(1)
    submit(mirror, chat(attribution=own, request_headers=(*JSON, ("x-shadow-replay", "1"))))
    submit(mirror, chat())
    await ledger.ends(2)
    submit(mirror, chat(attribution=own, method="GET", path="/api/v1/key"))
    submit(mirror, chat())
    assert ends(await ledger.ends(3)) == [(ReplayOutcome.COMPLETED, None)] * 2 + WITHHELD
    assert clients.asked == 1


async def test_a_rotated_key_is_looked_at_anew():
    """Keys in files change: what was found of one says nothing of the next."""
    clients = Clients(OWN)
    assert [await clients.include(key) for key in (KEY, "another", "another", KEY)] == [True, False, False, True]
    assert clients.asked == 2


async def test_keys_that_were_seen_are_bounded():
    """A client that makes keys up fills no memory."""
    clients = Clients()
    for number in range(MAX_SEEN + 10):
        clients.note(f"{number}")
    assert len(clients._seen) == MAX_SEEN
