import socket

from ops.processes.ports import LOOPBACK, free_port, is_free


def test_a_free_port_is_given_once() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200


def test_a_free_port_is_kept_from_those_who_take_any() -> None:
    ports = {free_port() for _ in range(50)}
    for _ in range(2000):
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            assert probe.getsockname()[1] not in ports


def test_a_server_can_listen_on_a_free_port() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
