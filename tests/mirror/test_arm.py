"""One candidate as the mirror keeps it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from shadow.config import Candidate, Price
from shadow.egress import Proxy
from shadow.exchange import Reservation
from shadow.mirror.arm import Arm, KeyUnavailableError, state_of
from shadow.mirror.circuit import TRIPS_AFTER, Leave, State
from shadow.mirror.reasons import Withheld

PRICE = Price(input=Decimal(1), output=Decimal(2))


def arm(**more):
    return Arm.of(Candidate(name="ferry", url="https://example.com/v1", models={}, **more))


def test_the_key_is_read_when_it_is_needed(monkeypatch, tmp_path):
    """From the environment or a file, as it is now."""
    monkeypatch.setenv("K", "from-environment")
    path = tmp_path / "key"
    path.write_text("from-file\n")
    assert arm(api_key_env="K").target().key == "from-environment"
    assert arm(api_key_file=path).target().key == "from-file"
    path.write_text("rotated\n")
    assert arm(api_key_file=path).target().key == "rotated"
    assert arm().target().key is None


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"n\xc3\xa9", b"\xff", b"a\x00b"])
def test_a_key_that_no_header_can_hold_is_unavailable(tmp_path, content):
    """An empty file, line breaks, bytes that are no text."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(KeyUnavailableError):
        arm(api_key_file=path).target()


def test_a_key_that_is_not_there_is_unavailable(tmp_path):
    """A missing file and a missing variable."""
    for one in (arm(api_key_file=tmp_path / "none"), arm(api_key_env="SHADOW_TEST_NO_SUCH_VARIABLE")):
        with pytest.raises(KeyUnavailableError):
            one.target()


def test_the_dialect_says_where_the_key_goes():
    """Azure has a header of its own."""
    assert arm(dialect="azure").target().key_header == "api-key"
    assert arm(dialect="vllm").target().key_header == "authorization"


def test_a_rest_ends_by_itself():
    """The candidate is left alone for as long as it asked; a shorter wish does not end a longer one."""
    one = arm()
    one.rest(100.0, 30.0)
    one.rest(100.0, 5.0)
    assert one.withholds(129.0) is Withheld.RETRY_AFTER
    assert one.withholds(130.0) is None


def test_a_proxy_of_the_environment_is_on_the_way(monkeypatch):
    """A pod that may only leave through a proxy reaches its candidates through it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert arm().target().proxy == Proxy("proxy.example", 3128)


def test_a_proxy_that_cannot_be_used_withholds(monkeypatch, caplog):
    """Nothing goes around a proxy, and the recorder starts all the same: other candidates may be reached."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    assert arm().withholds(0.0) is Withheld.PROXY_UNUSABLE
    assert "nothing is replayed to ferry: HTTPS_PROXY: only http:// proxies" in caplog.text


def test_an_open_circuit_withholds():
    """What the breaker says holds for decisions too."""
    one = arm()
    for _ in range(TRIPS_AFTER):
        one.circuit.fail(Leave.ORDINARY, 100.0)
    assert one.withholds(101.0) is Withheld.CIRCUIT_OPEN


def test_its_state_can_be_seen():
    """What metrics and the admin port show."""
    one = replace(arm(), working=3)
    one.rest(100.0, 30.0)
    state = state_of(one, 110.0, date(2026, 12, 1))
    assert (state.arm, state.queued, state.in_flight) == ("ferry", 0, 3)
    assert (state.circuit, state.rest_s, state.budget_remaining_usd) == (State.CLOSED, 20.0, None)


@pytest.mark.parametrize(
    ("budget", "worst", "expected"),
    [
        (None, None, None),
        (1, None, Withheld.PRICE_UNKNOWN),
        (1, 2, Withheld.BUDGET_SPENT),
        (1, 1, Reservation(date(2026, 12, 1), Decimal(1), Decimal(1))),
    ],
)
def test_nothing_is_sent_past_a_budget(budget, worst, expected):
    """Where there is one, a replay holds the most it can cost, or is withheld."""
    one = arm(budget_usd_per_day=None if budget is None else Decimal(budget))
    assert one.reserve(None if worst is None else Decimal(worst), date(2026, 12, 1)) == expected


def test_what_is_left_of_the_budget_can_be_seen():
    """Today's, with what an earlier run spent of it; yesterday's is past."""
    one = Arm.of(arm(budget_usd_per_day=Decimal(2)).candidate, {date(2026, 12, 1): Decimal("0.5")})
    today, tomorrow = (state_of(one, 0.0, date(2026, 12, day)).budget_remaining_usd for day in (1, 2))
    assert (today, tomorrow) == (Decimal("1.5"), 2)


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ({}, False),
        ({"prices": {"small": (PRICE,)}}, False),
        ({"models": {"a": "small", "b": None, "c": "large"}}, True),
    ],
)
def test_the_catalogue_is_needed_where_a_budget_has_no_price(more, needed):
    """It takes a third of a second to load, so that is done before the first decision, and where it is needed only."""
    settings = {"models": {"a": "small", "b": None}, "prices": {"small": (PRICE,)}, **more}
    candidate = Candidate(name="ferry", url="https://example.com/v1", **settings)
    assert Arm.of(candidate).needs_catalogue is False
    assert Arm.of(replace(candidate, budget_usd_per_day=Decimal(1))).needs_catalogue is needed
