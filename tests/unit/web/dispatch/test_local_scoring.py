import threading

from web.dispatch.local_scoring import LocalScoring

PATIENCE_SECONDS = 20.0


def test_the_model_is_loaded_when_start_returns_and_looked_for_again() -> None:
    looked = threading.Semaphore(0)
    versions: list[str] = []

    def refresh() -> None:
        versions.append(f"v{len(versions) + 1}")
        looked.release()

    local = LocalScoring(refresh=refresh, version=lambda: versions[-1] if versions else None, poll_seconds=0.001)
    assert local.version is None
    local.start()
    assert local.version is not None
    for _ in range(3):
        assert looked.acquire(timeout=PATIENCE_SECONDS)
    local.stop()
    assert local.version == f"v{len(versions)}"


def test_the_model_is_checked_again_and_again_beside_requests() -> None:
    checked = threading.Event()
    local = LocalScoring(refresh=lambda: None, version=lambda: None, poll_seconds=0.001, check=checked.set)
    local.start()
    try:
        assert checked.wait(60)
    finally:
        local.stop()
