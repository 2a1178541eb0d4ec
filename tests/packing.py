"""Exchanges as frames, for tests of whoever reads frames: the forwarder packs without making an Exchange first."""

from itertools import starmap

from shadow.exchange import Exchange
from shadow.frames import ARRIVAL, FACTS, Frame, join, pack, written


def packed(exchange: Exchange) -> bytes:
    """The bytes from which the recorder reads this very exchange."""
    return join([frame(exchange)])


def frame(exchange: Exchange) -> Frame:
    """The frame of an exchange."""
    as_stated = {
        "attribution": written(exchange.attribution),
        "request_headers": dict(exchange.request_headers),
        "response_headers": dict(exchange.response_headers),
    }
    facts = tuple(as_stated[name] if name in as_stated else getattr(exchange, name) for name in FACTS)
    credential = () if exchange.credential is None else (exchange.credential,)
    request, response = exchange.request_body, exchange.response_body
    return pack(
        facts + credential,
        ([request.head], len(request.head), request.tail, request.size),
        ([response.head], len(response.head), response.tail, response.size),
        b"".join(starmap(ARRIVAL.pack, exchange.arrivals)),
    )
