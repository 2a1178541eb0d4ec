"""A shadow sidecar for OpenRouter traffic.

The modules in the order in which data flows:

    cli           commands; reads files, prints, sets exit codes
    configfile    YAML → validated configuration
    config        its frozen records
    values        the kinds of value in it: how they are written, and their bounds
    changes       what differs between two of them
    events        what the log can tell of: a closed set
    log           lines on standard error
    tasks         background tasks that neither vanish nor fail in silence
    priority      how a process gives way to the one that forwards
    egress        the proxy on the way out of the pod, where the environment names one
    probing       whether what a configuration names can be reached
    rereading     a configuration read again and compared, in a process of its own
    reload        a changed configuration, taken over while the service runs
    supervision   the recorder as a child: started again whenever it ends
    service       starts, supervises and drains the two processes
    exchange      the vocabulary: records that the rooms pass to each other
    faults        whose fault an error is
    fingerprint   API keys as keyed hashes
    forward       the request path: accept, attribute, forward, capture, hand over
    exposition    how metrics are written, and how those of both processes make one page
    frames        how finished exchanges cross from the forwarder to the recorder
    record        the recorder: takes exchanges in, stores, mirrors, serves reports
    wire          pure: bytes → facts
    mirror        who is replayed and how
    store         rows and their queries, in SQLite and in ClickHouse
    inventory     pure: what the traffic uses → what a migration has to plan for
    report        pure: stored rows → comparison → text, Markdown, JSON and CSV
    spreadsheet   what a spreadsheet must not take for a formula
    page          pure: comparison, inventory → one HTML document
    demo          stand-in providers and a workload
"""

__version__ = "0.1.0"

USER_AGENT = f"shadow-sidecar/{__version__}"  # of whatever this program asks in its own name
