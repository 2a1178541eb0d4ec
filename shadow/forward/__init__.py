"""The request path: accept, attribute, tag, forward, capture, hand over.

The modules in the order in which a request meets them:

    forwarder         the data port, the admin port and the handoff, started and drained together
    server            the data port: what all connections and exchanges share
    downstream        the client's side: one connection, from one request's head to the next
    heads             bytes → heads, read strictly and kept as they came
    framing           how long a body is, followed byte by byte
    refusals          the sidecar's own answers, and what a request is refused for
    relay             one exchange, from its head to its one terminal state
    upload            the way up: what goes upstream of a request, and when it may
    half_closed       a client that sends no more, watched until it is known to be there or gone
    passage           what a relay tells of it: attributed, tagged, captured, handed over
    attribution       who asks, and for what
    crossing          which lines of a head cross the sidecar
    pool              connections to the upstream that wait for their next exchange
    dial              new ones: found, raced, through a proxy, verified
    upstream          the upstream's side: one connection
    tunnel            what becomes of a relay once both sides speak WebSocket
    sockets           what is set on sockets of both sides
    tap               the bounded copy of one exchange
    headers           which headers a record keeps
    credential        the client's key, only where a delayed cost may be asked for later
    identity          names of exchanges
    handoff           finished exchanges, kept until the recorder acknowledges them
    recorder_client   the way to the recorder
    access            who may see the recorder's pages and give commands
    admin             health, readiness, metrics, and the recorder's pages
    metrics           what is counted

`heads`, `framing` and `crossing` touch no socket: they are the core, and are tested byte by byte. `downstream`,
`upstream`, `relay`, `upload` and `tunnel` are the shell around it: no task, no queue, no copy between one socket and
the other.
"""
