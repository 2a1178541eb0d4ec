import pytest

from shadow.store.clickhouse.errors import Refusal, refused


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"Code: 60, e.displayText() = DB::Exception: Table shadow.exchanges doesn't exist.", Refusal.SCHEMA),
        (b"Code: 193, e.displayText() = DB::Exception: Wrong password for user default", Refusal.CREDENTIALS),
        (b"Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)", Refusal.CREDENTIALS),
        (b"Code: 243. DB::Exception: Cannot reserve 1.00 MiB. (NOT_ENOUGH_SPACE)", Refusal.DISK_FULL),
        (b"Code: 252. DB::Exception: Too many parts (300). (TOO_MANY_PARTS)", Refusal.OVERLOADED),
        (b"Code: 27. DB::Exception: Cannot parse input. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)", Refusal.FAILED),
        (b"<html>Bad gateway</html>", Refusal.FAILED),
    ],
    ids=lambda value: value if isinstance(value, Refusal) else "",
)
def test_an_answer_is_one_of_few_refusals(body: bytes, refusal: Refusal) -> None:
    """By the server's own code, of an old release or a current one."""
    assert refused(500, body).refusal is refusal


def test_what_a_server_says_of_a_row_is_not_repeated() -> None:
    """Its sentence may quote what could not be read of a row, and would end in the log."""
    said = refused(500, b"Code: 27. DB::Exception: Cannot parse input: expected ',' before: 'canary-prompt'")
    assert str(said) == "ClickHouse refused with its error 27"
