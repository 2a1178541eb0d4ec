"""The recorder: takes finished exchanges in, reads them, stores them, has them mirrored, and serves its pages.

The modules in the order in which exchanges meet them, then what runs beside:

    recorder      wires store, mirror, inbox and pages together, and takes them down in order
    memory        how much of its container's memory the recorder may take
    pages         what it answers on its socket: the inbox, its metrics, the pages that the admin port passes on
    inbox         takes exchanges in: observed, attributed, decided on, committed; only then acknowledged
    attribution   who asks, completed by rules that look into the body: pure
    bodies        what is kept of prompts and answers
    redaction     takes out of them what the configured patterns match
    ledger        the mirror's ledger over the store
    delayed_cost  costs that are told only later: asked for a few times, then given up
    generations   asks the upstream for one
    stored        replays of what is stored, to a candidate that came later
    run           one run of them: what was ordered, and how far it is
    pause         an operator's pause of replays, which outlives the recorder
    reports       reports for the admin pages, each computed by a process of its own
    erasures      erases a tenant on demand
    retention     deletes what is too old and what is too much
    dates         what day it is, for those who delete by it
    shipping      ships rows to ClickHouse
    traces        sends spans to a collector
    spans         a model call as a span: pure
    metrics       what was stored and what became of replays
    traffic       metrics of exchanges, by who asks which arm for which model
    pairs         metrics of replays beside their primaries
    series        counters and histograms as plain numbers, bounded whatever clients send

`python -m shadow.record` is its process.
"""
