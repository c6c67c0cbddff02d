import subprocess
import sys
from uuid import uuid4

import pytest

from workers.start.node_name import NodeNameTakenError, claim

BROKER = "redis://user:secret@127.0.0.1:6379/0"


def test_a_name_belongs_to_one_worker_of_a_broker_as_long_as_it_lives() -> None:
    name = f"score-1@{uuid4().hex}"
    with claim(name, BROKER):
        with pytest.raises(NodeNameTakenError, match=f"{name} runs on this machine already.*--number"):
            claim(name, BROKER.replace("secret", "another"))
        claim(name, BROKER.replace("/0", "/1")).close()
        claim(f"{name}-2", BROKER).close()
    claim(name, BROKER).close()


def test_the_name_of_a_worker_that_was_killed_is_free_at_once() -> None:
    name = f"score-1@{uuid4().hex}"
    program = f"from workers.start.node_name import claim; held = claim({name!r}, {BROKER!r}); print(1); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with pytest.raises(NodeNameTakenError):
            claim(name, BROKER)
        holder.kill()
        holder.wait()
    claim(name, BROKER).close()
