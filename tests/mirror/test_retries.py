"""A client's own retries are one request."""

from shadow.exchange import Attribution
from shadow.mirror.retries import WITHIN_S, Retries
from tests.mirror.making import HELLO, JSON, chat


def retried(count, **changes):
    return chat(request_headers=(*JSON, ("x-stainless-retry-count", str(count))), **changes)


def test_a_retry_of_a_remembered_request_is_recognised():
    """The same bytes with a count above zero are the request again."""
    retries = Retries()
    assert retries.is_retry(retried(0)) is False
    assert retries.is_retry(retried(1)) is True
    assert retries.is_retry(retried(2)) is True


def test_a_retry_of_an_unknown_request_is_the_request():
    """The first attempt failed and was never considered, so the retry stands for both, and for the next."""
    retries = Retries()
    assert retries.is_retry(retried(1)) is False
    assert retries.is_retry(retried(2)) is True


def test_the_same_question_asked_again_is_another_request():
    """Equal bytes without a retry count are two requests of a program that repeats itself."""
    retries = Retries()
    assert retries.is_retry(retried(0)) is False
    assert retries.is_retry(retried(0)) is False
    assert retries.is_retry(chat()) is False


def test_a_client_that_does_not_count_is_not_remembered():
    """The libraries count the first attempt, too; what comes without a count is nobody's first attempt."""
    retries = Retries()
    assert retries.is_retry(chat()) is False
    assert retries.is_retry(retried(1)) is False
    assert retries.is_retry(retried(2)) is True


def test_other_bytes_are_another_request():
    """One byte of difference is a difference."""
    retries = Retries()
    retries.is_retry(retried(0))
    assert retries.is_retry(retried(1, request={**HELLO, "seed": 1})) is False


def test_another_owners_bytes_are_another_request():
    """Two keys that send the same prompt do not retry each other."""
    retries = Retries()
    retries.is_retry(retried(0, attribution=Attribution(key_fingerprint="a")))
    assert retries.is_retry(retried(1, attribution=Attribution(key_fingerprint="b"))) is False


def test_the_same_exchange_handed_over_again_is_not_its_own_retry():
    """The forwarder sends again what was not acknowledged."""
    retries = Retries()
    exchange = retried(1)
    assert [retries.is_retry(exchange), retries.is_retry(exchange)] == [False, False]


def test_memory_fades():
    """After the client's longest wait the same bytes are a new request."""
    retries = Retries()
    retries.is_retry(retried(0, started_at=1000.0))
    assert retries.is_retry(retried(1, started_at=1001.0 + WITHIN_S)) is False


def test_memory_is_bounded():
    """The oldest is forgotten first."""
    retries = Retries(max_count=2)
    for number in range(3):
        retries.is_retry(retried(0, request={"n": number}))
    assert retries.is_retry(retried(1, request={"n": 2})) is True
    assert retries.is_retry(retried(1, request={"n": 0})) is False


def test_an_odd_count_is_no_retry():
    """A header that is no small number says nothing."""
    retries = Retries()
    retries.is_retry(retried(0))
    assert [retries.is_retry(retried(odd)) for odd in ("", "-1", "many", "٣", "9" * 5000)] == [False] * 5
