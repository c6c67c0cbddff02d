"""How the files of a run are shared out between parallel test processes: see `FileSchedule`."""

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

TOGETHER = ("tests/e2e/", "tests/unit/ops/proving/bench/quality/")
"""Folders whose files share something expensive, a running platform or a trained model: one test process takes all."""

ALONE = ("tests/chaos/",)
"""Folders and files that count what gets through in time: nothing else runs beside them."""


def is_alone(nodeid: str) -> bool:
    """Whether a test, or a file of tests, needs the machine for itself."""
    return nodeid.startswith(ALONE)


class FileSchedule(LoadFileScheduling):
    """Gives whole files to the test processes, in the order of the collection, and those of `ALONE` to the last one.

    The collection has the files of `ALONE` at its end. When only they are left, all test processes but one end; that
    one goes on when the others have ended.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))

    def _reschedule(self, node: WorkerController) -> None:
        if len(self.nodes) == 1 or not self._only_alone_is_left:
            super()._reschedule(node)
        elif node is not self.nodes[0]:
            node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        unfinished = super().remove_node(node)
        for other in self.nodes:
            self._reschedule(other)
        return unfinished

    @property
    def _only_alone_is_left(self) -> bool:
        return bool(self.workqueue) and all(map(is_alone, self.workqueue))
