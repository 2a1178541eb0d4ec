"""What is set on sockets of both sides, and what the kernel knows of them before the loop does."""

import asyncio
import contextlib
import select
import socket
import struct
from typing import Any, Final

KEEPALIVE_IDLE_S: Final = 60  # a peer whose machine vanished is noticed within two minutes, however quiet a stream is
KEEPALIVE_INTERVAL_S: Final = 15
KEEPALIVE_PROBES: Final = 4
AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


def keep_alive(transport: asyncio.BaseTransport) -> int:
    """Have the kernel ask quiet peers whether they are there. Returns the socket's descriptor."""
    sock: Any = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it may be gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    descriptor: int = sock.fileno()
    return descriptor


def tells(descriptor: int, events: int = 0) -> bool:
    """Whether the kernel tells of one of these events now, or of an error or a reset, which it always does.

    The poll object is made for the question: kept with each of ten thousand connections, they would be megabytes.
    """
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(0))


def reset(transport: asyncio.Transport) -> None:
    """Close with a reset, where an orderly end would tell the peer that a message is complete."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()
