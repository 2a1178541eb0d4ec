"""What candidates took of what the traffic uses."""

from shadow.inventory.compatibility import compatibility
from shadow.inventory.facts import Facts, ReplayUse
from tests.inventory.reading import only, rows

TOOLS = frozenset({"tools"})


def use(outcome: str, reason: str = "", count: int = 1, arm: str = "ferry", **more: object) -> ReplayUse:
    told = {"uses": TOOLS, "dropped": (), "rejected_parameter": "", **more}
    return ReplayUse(arm=arm, outcome=outcome, reason=reason, replays=count, **told)  # type: ignore[arg-type]


def test_every_end_is_counted_where_it_belongs() -> None:
    """Seen = replayed and all else; accepted with less is degraded; a refusal names its parameter."""
    facts = Facts(
        replays=[
            use("completed", count=5),
            use("completed", count=2, dropped=("seed", "top_k")),
            use("failed", "param_rejected", 3, rejected_parameter="logit_bias"),
            use("failed", "param_rejected", 1),
            use("failed", "server_error", 4),
            use("ineligible", "privacy", 6),
            use("sampled_out", "not_drawn", 10),
        ]
    )
    [row] = rows(compatibility(facts))
    assert {key: row[key] for key in ("seen", "replayed", "accepted", "rejected", "degraded", "ineligible")} == {
        "seen": 31,
        "replayed": 15,
        "accepted": 7,
        "rejected": 4,
        "degraded": 2,
        "ineligible": 6,
    }
    assert row["rejected_parameters"] == ("logit_bias 3", "unnamed 1")
    assert row["dropped_fields"] == ("seed 2", "top_k 2")
    assert row["because"] == ("privacy 6",)
    assert row["means"] == "taken in part: change what is rejected"


def test_what_it_comes_to() -> None:
    """From never tried to taken."""
    facts = Facts(
        replays=[
            use("ineligible", "server_tools", arm="never"),
            use("failed", "param_rejected", arm="refused"),
            use("completed", dropped=("seed",), arm="less"),
            use("failed", "deadline", arm="failing"),
            use("completed", arm="well"),
        ]
    )
    assert {row["candidate"]: row["means"] for row in rows(compatibility(facts))} == {
        "never": "never tried",
        "refused": "not taken",
        "less": "taken, with less",
        "failing": "no good answer yet",
        "well": "taken",
    }


def test_a_request_counts_for_everything_it_uses() -> None:
    """And one that uses nothing of the kind is plain."""
    facts = Facts(replays=[use("completed", uses=frozenset({"tools", "stream"})), use("completed", uses=frozenset())])
    assert [only(compatibility(facts), uses=word)["seen"] for word in ("tools", "stream", "plain")] == [1, 1, 1]
