"""A replay that was decided on and has not been sent."""

from dataclasses import replace

from shadow.exchange import Answer, ReplayOutcome, Rewrite, ToolCall
from shadow.mirror.planned import RECORD_BYTES, Planned
from shadow.mirror.reasons import Dropped
from tests.mirror.making import chat, observed


def planned(**changes):
    exchange = chat()
    return replace(Planned(exchange, observed(exchange), "ferry", 0.25, b"12345", Rewrite(("a",))), **changes)


def test_its_size_counts_what_it_holds():
    """The body to send, and the primary's answer that it will be compared with."""
    said = Answer(text="abc", reasoning="de", tool_calls=(ToolCall("f", "{}"),))
    plan = planned(observation=replace(observed(chat()), answer=said))
    assert plan.size == RECORD_BYTES + 5 + 3 + 2 + 2


def test_its_end_keeps_what_was_decided():
    """Its part in the sample and its rewriting belong to the row however it ends."""
    plan = planned(conversation=7)
    replay = plan.ended(ReplayOutcome.DROPPED, Dropped.STOPPING)
    assert (replay.exchange_id, replay.arm, replay.reason) == (plan.exchange_id, "ferry", "stopping")
    assert (replay.probability, replay.conversation, replay.rewrite) == (0.25, 7, Rewrite(("a",)))
    assert type(replay.reason) is str
