from ops.proving.running_stack import readiness


def test_a_start_names_the_next_processes_it_waits_for() -> None:
    assert readiness([], ["redis", "mongo", "kafka", "web-1"]) == (
        "0 of 4 processes are ready, waiting for redis, mongo, kafka, …"
    )
    assert readiness(["redis"], ["mongo"]) == "1 of 2 processes are ready, waiting for mongo"
    assert readiness(["redis", "mongo"], []) == "2 of 2 processes are ready"
