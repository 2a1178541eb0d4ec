"""The request path: accept, attribute, tag, forward, capture, hand over.

The modules in the order in which a request meets them:

    forwarder     the data port, the admin port and the handoff, started and drained together
    listener      aiohttp's server at its edges: connections, and heads written as given
    server        the data port, and the loop that moves chunks both ways
    refusals      which requests are not forwarded, and the sidecar's own answers
    passage       one request's way through, whichever engine moves the bytes
    attribution   who asks, and for what
    identity      names of exchanges
    headers       which headers cross the sidecar
    upstream      the way upstream
    framing       how an answer's body is delimited towards the client
    tap           the bounded copy of one exchange
    handoff       finished exchanges, kept until the recorder acknowledges them
    recorder      the way to the recorder
    admin         health, readiness, metrics, and the recorder's pages
    metrics       what is counted
    tasks         background tasks that neither vanish nor fail in silence

An engine is `listener`, `server` and `upstream`; nothing else knows of it, and all else takes raw header lists.
"""
