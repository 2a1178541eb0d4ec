"""The circuit breaker: opens after failures in a row, probes with one replay, backs off."""

from hypothesis import given
from hypothesis import strategies as st

from shadow.mirror.circuit import FIRST_OPEN_S, LONGEST_OPEN_S, TRIPS_AFTER, Circuit, Leave, State


def opened():
    circuit = Circuit()
    for _ in range(TRIPS_AFTER):
        circuit.fail(circuit.claim(0.0), 0.0)
    return circuit


def test_failures_in_a_row_open_it():
    """One less is bad luck, and a good answer in between starts the count anew."""
    circuit = Circuit()
    for _ in range(TRIPS_AFTER - 1):
        circuit.fail(Leave.ORDINARY, 0.0)
    circuit.succeed()
    for _ in range(TRIPS_AFTER - 1):
        circuit.fail(Leave.ORDINARY, 0.0)
    assert circuit.state(0.0) is State.CLOSED
    circuit.fail(Leave.ORDINARY, 0.0)
    assert circuit.state(0.0) is State.OPEN


def test_open_it_gives_no_leave():
    """Nothing is sent until the pause is over."""
    circuit = opened()
    assert not circuit.admits(FIRST_OPEN_S - 0.1)
    assert circuit.claim(FIRST_OPEN_S - 0.1) is None


def test_half_open_it_gives_leave_to_one_probe():
    """The first to ask is the probe; the others wait for what it finds."""
    circuit = opened()
    assert circuit.state(FIRST_OPEN_S) is State.HALF_OPEN
    assert circuit.claim(FIRST_OPEN_S) is Leave.PROBE
    assert circuit.claim(FIRST_OPEN_S) is None


def test_a_good_probe_closes_it():
    """One good answer and replays flow."""
    circuit = opened()
    circuit.claim(FIRST_OPEN_S)
    circuit.succeed()
    assert circuit.claim(FIRST_OPEN_S) is Leave.ORDINARY


def test_bad_probes_back_off():
    """Each failed probe doubles the pause, up to a bound."""
    circuit, now, pauses = opened(), FIRST_OPEN_S, []
    for _ in range(8):
        circuit.fail(circuit.claim(now), now)
        pauses.append(circuit.open_for_s)
        now += circuit.open_for_s
    assert pauses[:3] == [60.0, 120.0, 240.0]
    assert pauses[-1] == LONGEST_OPEN_S


def test_a_probe_that_tells_nothing_makes_room_for_another():
    """A probe that was interrupted proves nothing."""
    circuit = opened()
    circuit.release(circuit.claim(FIRST_OPEN_S))
    assert circuit.claim(FIRST_OPEN_S) is Leave.PROBE


def test_late_failures_do_not_lengthen_the_pause():
    """Replays sent before it opened fail when they fail: that is no news."""
    circuit = opened()
    for _ in range(20):
        circuit.fail(Leave.ORDINARY, 10.0)
    assert circuit.state(FIRST_OPEN_S) is State.HALF_OPEN


def test_asking_whether_it_admits_changes_nothing():
    """Decisions ask; only sending claims."""
    circuit = opened()
    assert [circuit.admits(FIRST_OPEN_S) for _ in range(3)] == [True] * 3


@given(st.lists(st.tuples(st.sampled_from(["claim", "succeed", "fail", "release"]), st.floats(0, 400)), max_size=60))
def test_there_is_never_more_than_one_probe(steps):
    """Whatever the interleaving, half-open lets one replay out at a time, and it never stays shut for good."""
    circuit, now, out = Circuit(), 0.0, []
    for step, passed in steps:
        now += passed
        if step == "claim":
            leave = circuit.claim(now)
            out += [leave] if leave else []
        elif out:
            leave = out.pop(0)
            if step == "succeed":
                circuit.succeed()
                out = [Leave.ORDINARY for _ in out]  # what is still out no longer guards anything
            elif step == "fail":
                circuit.fail(leave, now)
            else:
                circuit.release(leave)
        assert out.count(Leave.PROBE) <= 1
    for leave in out:
        circuit.release(leave)
    assert circuit.admits(now + LONGEST_OPEN_S)
