"""Exchanges as frames, for tests of whoever reads frames: the forwarder packs without making an Exchange first."""

from array import array
from dataclasses import fields

from shadow.exchange import Exchange
from shadow.frames import Frame, join, pack

APART = ("request_body", "response_body", "arrivals")


def packed(exchange: Exchange) -> bytes:
    """The bytes from which the recorder reads this very exchange."""
    return join([frame(exchange)])


def frame(exchange: Exchange) -> Frame:
    """The frame of an exchange."""
    facts = {one.name: getattr(exchange, one.name) for one in fields(exchange) if one.name not in APART}
    if exchange.credential is None:
        del facts["credential"]
    request, response = exchange.request_body, exchange.response_body
    return pack(
        facts,
        ([request.head], len(request.head), request.tail, request.size),
        ([response.head], len(response.head), response.tail, response.size),
        array("Q", [end for end, _ in exchange.arrivals]),
        array("d", [at_s for _, at_s in exchange.arrivals]),
    )
