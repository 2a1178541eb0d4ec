"""Sockets: what is set on them, and what the kernel knows."""

import select
import socket

import pytest

from shadow.forward.sockets import KEEPALIVE_IDLE_S, keep_alive, reset, tells
from tests.forward.fakes import FakeTransport


def on(sock: socket.socket) -> FakeTransport:
    """A transport of this socket."""
    transport = FakeTransport()
    transport.sock.close()
    transport.sock = sock
    return transport


def test_quiet_peers_are_asked_whether_they_are_there() -> None:
    """Keep-alive is on, at the configured pace; the descriptor is the socket's."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        transport = on(sock)
        assert keep_alive(transport) == sock.fileno()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_S


def test_a_silent_socket_tells_nothing() -> None:
    """Neither bytes nor an end have arrived."""
    transport = FakeTransport()
    assert not tells(transport.sock.fileno(), select.POLLIN)


def test_what_arrived_is_told_before_it_is_read() -> None:
    """To whoever asks for it."""
    transport = FakeTransport()
    transport.peer.send(b"x")
    assert tells(transport.sock.fileno(), select.POLLIN)
    assert not tells(transport.sock.fileno())


def test_an_end_is_told() -> None:
    """An orderly end is something to read; a peer that is gone altogether is told unasked."""
    transport = FakeTransport()
    transport.peer.shutdown(socket.SHUT_WR)
    assert tells(transport.sock.fileno(), select.POLLRDHUP)
    assert not tells(transport.sock.fileno())
    transport.peer.close()
    assert tells(transport.sock.fileno())


def test_a_reset_is_no_orderly_end() -> None:
    """The peer reads an error, where it would else read the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        transport = on(server.accept()[0])
        reset(transport)
        assert transport.aborted
        transport.sock.close()
        with peer, pytest.raises(ConnectionResetError):
            peer.recv(1)
