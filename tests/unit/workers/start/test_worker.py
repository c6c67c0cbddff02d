import threading

from workers.start.worker import WorkerParts, _RunningWorker


def test_a_slow_job_holds_up_neither_the_sign_of_life_nor_the_watchdog() -> None:
    running = _RunningWorker("score", lambda _connections, _name: WorkerParts())
    signs, loading, loaded = threading.Semaphore(0), threading.Event(), threading.Event()

    def load() -> None:
        loading.set()
        loaded.wait(60)

    running._start_jobs([signs.release], [load])
    try:
        assert loading.wait(60)
        for _ in range(3):
            assert signs.acquire(timeout=60)
    finally:
        loaded.set()
        running.stop()
