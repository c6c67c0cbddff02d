"""Starts the compared paths on this machine: beside a stack, and the peers on a Redis of their own."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ops.proving.bench.latency.changed_settings import batch_size, in_process, perf_mode
from ops.proving.bench.latency.paths import CELERY_DEFAULT, FASTAPI_TWO_HOP, IN_PROCESS, PERF_MODE, SHRIKE
from ops.proving.bench.latency.peers import celery_default, fastapi_two_hop, peers_redis
from ops.proving.bench.load.contender import Contender
from ops.proving.bench.platform.own_stack import OwnStack


@contextmanager
def running(names: Sequence[str], stack: OwnStack, *, batch_sizes: Sequence[int] = ()) -> Iterator[list[Contender]]:
    """Starts the named paths for the length of a block.

    Args:
        names: which, in the order in which they are returned.
        stack: what they run beside.
        batch_sizes: further values of INFER_BATCH_SIZE, each a path after the named ones.

    Raises:
        OpsError: something did not start; the message names it.
    """
    contenders: dict[str, Contender] = {SHRIKE: stack.platform}
    with ExitStack() as started:
        for name, start in ((IN_PROCESS, in_process), (PERF_MODE, perf_mode)):
            if name in names:
                contenders[name] = started.enter_context(start(stack))
        sized = [started.enter_context(batch_size(stack, size)) for size in batch_sizes]
        peers = {FASTAPI_TWO_HOP: fastapi_two_hop, CELERY_DEFAULT: celery_default}
        if peers.keys() & set(names):
            redis = started.enter_context(peers_redis(stack))
            for name, start_peer in peers.items():
                if name in names:
                    contenders[name] = started.enter_context(start_peer(stack, redis))
        yield [*(contenders[name] for name in names), *sized]
