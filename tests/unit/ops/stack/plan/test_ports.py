import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ops.errors import StackError
from ops.processes.ports import free_port, reserve
from ops.stack.plan import ports
from ops.stack.plan.ports import Ports
from settings import Settings


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PATIENCE_SECONDS", 0.0)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def chosen(**given: object) -> Settings:
    """Returns settings as a user gives them: these fields and no others count as chosen."""
    return Settings(_env_file=None, **given)


def usual(*chosen: str, **ports: int) -> Settings:
    """Returns settings whose usual ports lie where a test can take them; the named ones count as chosen."""
    return Settings.model_construct(set(chosen), **ports)


@pytest.mark.parametrize("setting", ["web_port", "flower_port"])
def test_a_chosen_port_that_is_taken_is_refused_by_name(listener: int, setting: str) -> None:
    sentence = f"{setting.upper()} {listener} is taken by another process; end that one, choose another port"
    with pytest.raises(StackError, match=re.escape(sentence)):
        Ports().of_people(chosen(**{setting: listener}))


def test_a_usual_port_that_is_taken_is_replaced_and_said(listener: int) -> None:
    handed_out = Ports()
    found = handed_out.of_people(usual(web_port=listener, flower_port=0))
    assert found["web"] != listener
    assert handed_out.notes == [f"Port {listener} is taken; the API listens on {found['web']} instead."]


def test_two_chosen_ports_that_are_equal_are_refused() -> None:
    port = free_port()
    with pytest.raises(StackError, match=f"FLOWER_PORT {port} is the port of the API already; choose another."):
        Ports().of_people(chosen(web_port=port, flower_port=port))


def test_a_chosen_port_goes_before_the_usual_one_of_another() -> None:
    port = free_port()
    handed_out = Ports()
    found = handed_out.of_people(usual("flower_port", web_port=port, flower_port=port))
    assert found["flower"] == port
    assert found["web"] != port
    assert len(handed_out.notes) == 1


def test_an_api_that_shares_its_port_starts_beside_another(listener: int) -> None:
    found = Ports().of_people(chosen(web_port=listener, web_reuse_port=True, flower_port=0))
    assert found["web"] == listener


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("setting", ["web_host", "flower_host"])
def test_an_address_of_another_machine_is_refused_by_name(setting: str, host: str) -> None:
    with pytest.raises(StackError, match=f"{setting.upper()} {host} is no address of this machine"):
        Ports().of_people(chosen(**{setting: host, "web_port": 0, "flower_port": 0}))


def test_a_metrics_port_is_named_as_unused() -> None:
    handed_out = Ports()
    handed_out.of_people(chosen(web_port=0, flower_port=0, metrics_port=9100))
    assert [note.startswith("METRICS_PORT 9100 is not used") for note in handed_out.notes] == [True]


def test_no_port_is_handed_out_twice() -> None:
    handed_out = Ports()
    wanted = free_port()
    taken = [handed_out.take(wanted, "a"), handed_out.take(wanted, "b"), handed_out.take(0, "c")]
    assert len(set(taken)) == 3
    assert len(handed_out.notes) == 1


RESERVING = "import sys; from ops.processes.ports import reserve; print(reserve(int(sys.argv[1])), flush=True); input()"


@pytest.fixture
def reserved() -> Iterator[int]:
    """A port that another stack has planned with and on which nobody listens yet."""
    port = free_port()
    command = [sys.executable, "-c", RESERVING, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        yield port
        other.kill()


def test_what_another_stack_has_planned_with_is_taken_although_nobody_listens_there_yet(reserved: int) -> None:
    found = Ports().of_people(usual(web_port=reserved, flower_port=0))
    assert found["web"] != reserved
    with pytest.raises(StackError, match=f"WEB_PORT {reserved} is taken by another process"):
        Ports().of_people(chosen(web_port=reserved))


def test_a_reservation_ends_with_its_process() -> None:
    port = free_port()
    subprocess.run([sys.executable, "-c", RESERVING, str(port)], input=b"\n", check=True, capture_output=True)
    assert reserve(port)


def test_a_reserved_port_can_be_listened_on_and_stays_this_processs() -> None:
    port = free_port()
    assert reserve(port)
    with socket.create_server(("127.0.0.1", port)):
        assert reserve(port)
