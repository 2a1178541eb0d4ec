from shadow.record.labels import Labels


def test_the_first_label_sets_pass() -> None:
    """Up to the bound, values are what they are, however often they come."""
    labels = Labels(most=2)
    assert [labels.bounded("acme", str(number % 2)) for number in range(4)] == [("acme", "0"), ("acme", "1")] * 2


def test_later_label_sets_are_other() -> None:
    """A hundred thousand random tenants make as many series as the bound, and one more."""
    labels = Labels(most=50)
    assert len({labels.bounded(str(number), "chat") for number in range(100_000)}) == 51
    assert labels.bounded("new", "chat") == ("other", "other")


def test_a_known_label_set_stays_known() -> None:
    """What had its series before the bound was reached keeps it."""
    labels = Labels(most=1)
    labels.bounded("acme")
    labels.bounded("umbrella")
    assert labels.bounded("acme") == ("acme",)


def test_long_values_are_cut() -> None:
    """A label is no place for a novel."""
    assert Labels().bounded("x" * 5000) == ("x" * 100,)
