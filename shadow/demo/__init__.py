"""Stand-in providers that speak the real wire, and a workload. Tests and examples use them too.

A behaviour takes a request and returns a script; a stand-in performs it.

The modules in the order in which they rest on each other, from the socket upwards:

    request           requests read off the bytes of a connection, strictly
    script            what an answer is made of: writes, pauses, resets
    provider          the stand-in: performs scripts, remembers what it was asked
    codings           content codings for answers and requests
    model             a tiny seeded language model
    catalogue         which models there are, at what price and speed
    openrouter_wire   the wire of OpenRouter
    scenarios         everything that OpenRouter and the network do, each under a name
    openrouter        a behaviour: OpenRouter
    quirks            what sets candidates apart
    candidates        behaviours: candidates with quirks
    misbehaving       behaviours: candidates that hang, drip, break
    recorded          a behaviour: recorded exchanges served back
    workload          the calls of a small SaaS product
    traffic           the application that sends them
    settings          the sidecar's configuration for the demo
    demo              all of it at once: `shadow demo`

`python -m shadow.demo` starts stand-ins by hand.
"""
