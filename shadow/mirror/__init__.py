"""Who is replayed, to whom and how: decided purely, then performed.

The modules in the order in which an exchange meets them:

    mirror       all of it: decides for every exchange what each arm gets, has the replays performed, drains
    client_keys  which keys clients use: the control replays under none of them
    eligibility  whether a request may be replayed at all
    retries      a client's own retries, which are not replayed again
    decision     what becomes of one exchange on one arm: a replay's end, or its plan
    models       which model of a candidate answers for which of the router's
    sampling     who is drawn, by conversation
    floors       what is replayed of thin segments, whatever the rate
    consent      whose prompts a candidate may see
    rewrite      the request as a candidate takes it: kept, mapped, dropped or refused
    messages     its messages and tools
    dialects     what each dialect takes, as a table
    notes        what was done to it
    control      the control's request: the client's own, as it is
    worst_case   the most that a replay can cost, known before it is sent
    arm          a candidate or the control, and what was learnt of it while running
    circuit      a candidate that fails again and again is left alone
    budget       what an arm may spend on a UTC day
    planned      a replay that was decided on and has not been sent
    waiting      replays that wait for their turn, one bounded queue per arm
    performer    sees each of them to its end, and tells the ledger
    replay       sends one and brings back the candidate's exchange
    intake       its answer while it comes in: bounded
    failures     what went wrong, and what that says of the candidate
    reasons      why a replay ended as it did, as closed sets of words
"""

from shadow.mirror.mirror import Mirror
from shadow.mirror.performer import Ledger
from shadow.mirror.planned import Planned

__all__ = ["Ledger", "Mirror", "Planned"]
