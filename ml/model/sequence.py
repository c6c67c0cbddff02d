"""The sequence component: an LSTM that reads a customer's last transactions in order, supervised on the last one.

Its head sees the LSTM's last state beside the last step itself: facts about the present transaction need not
pass through the memory.

The same head, applied to the memory after every earlier step and to that step itself, gives a running log-odds: the
component's answer if the sequence ended there. The last one is the component's answer. Which step mattered most is
read from all of them by `ml.explanation.sequence_reading`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder
from ml.model.scaling import RobustScaling, fit_scaling

HIDDEN = 24
HEAD_HIDDEN = 32
EPOCHS = 10
BATCH_ROWS = 256
LEARNING_RATE = 1e-2
LEGITIMATE_ROWS = 60_000
"""Most legitimate rows that are trained on; the head's bias is corrected for the ones left out."""

SCALING_ROWS = 50_000


class SequenceModel:
    """A fitted LSTM over sequences [B, S, K], oldest transaction first, the scored one last."""

    def __init__(self, scaling: RobustScaling, lstm: Any, head: Any) -> None:
        self._scaling = scaling
        self._lstm = lstm
        self._head = head

    def logits(self, sequences: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the log-odds [B], computed by torch."""
        import torch

        with torch.no_grad():
            scaled = torch.from_numpy(self._scaling.apply(sequences))
            return np.asarray(_log_odds(self._lstm, self._head, scaled).numpy())

    def running_logits(self, sequences: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the log-odds after every step [B, S], computed by torch; the last are `logits`."""
        import torch

        with torch.no_grad():
            scaled = torch.from_numpy(self._scaling.apply(sequences))
            memory, _ = self._lstm(scaled)
            return np.asarray(self._head(torch.cat([memory, scaled], dim=2))[:, :, 0].numpy())

    def add_to(self, graph: GraphBuilder, sequences: str) -> tuple[str, str]:
        """Appends the network; returns the names of the log-odds [B, 1] and of those after every step [B, S]."""
        scaled = self._scaling.add_to(graph, sequences)
        by_step = graph.add("Transpose", scaled, perm=[1, 0, 2])
        weights = self._lstm.state_dict()
        inputs, recurrent = (_onnx_gates(weights[name].numpy()) for name in ("weight_ih_l0", "weight_hh_l0"))
        biases = [_onnx_gates(weights[name].numpy()) for name in ("bias_ih_l0", "bias_hh_l0")]
        memory = graph.add(
            "LSTM",
            by_step,
            graph.constant(inputs[None]),
            graph.constant(recurrent[None]),
            graph.constant(np.concatenate(biases)[None]),
            hidden_size=HIDDEN,
        )
        first, _, second = self._head
        joined = graph.add("Concat", graph.add("Squeeze", memory, graph.integers([1])), by_step, axis=2)
        hidden = graph.add("Relu", graph.linear_by_step(joined, first))
        by_row = graph.add("Transpose", graph.linear_by_step(hidden, second), perm=[1, 0, 2])
        running = graph.add("Squeeze", by_row, graph.integers([2]))
        return graph.add("Gather", running, graph.integers([-1]), axis=1), running


def fit_sequence_model(
    sequences: NDArray[np.float32],
    labels: NDArray[np.integer[Any]],
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    after_epoch: Callable[[int], None] = lambda _epoch: None,
) -> SequenceModel:
    """Fits on all frauds and a sample of the legitimate rows of [N, S, K].

    Source of the correction of the intercept: King, Zeng, "Logistic Regression in Rare Events Data", 2001.
    """
    import torch
    from torch import nn

    # Matrices this small gain little from a second thread, and become much slower when other processes use that core.
    torch.set_num_threads(1)
    rows, thinning = _sample(labels, np.random.default_rng(seed))
    chosen = sequences[rows]
    channels = chosen.shape[2]
    scaling = fit_scaling(chosen[:SCALING_ROWS].reshape(-1, channels))
    data, targets = torch.from_numpy(scaling.apply(chosen)), torch.from_numpy(labels[rows].astype(np.float32))
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lstm, head = (
            nn.LSTM(channels, HIDDEN, batch_first=True),
            nn.Sequential(nn.Linear(HIDDEN + channels, HEAD_HIDDEN), nn.ReLU(), nn.Linear(HEAD_HIDDEN, 1)),
        )
    parameters = [*lstm.parameters(), *head.parameters()]
    steps = epochs * -(-len(rows) // BATCH_ROWS)
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=steps)
    for epoch in range(epochs):
        for batch in torch.randperm(len(rows), generator=generator).split(BATCH_ROWS):
            log_odds = _log_odds(lstm, head, data[batch])
            loss = nn.functional.binary_cross_entropy_with_logits(log_odds, targets[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
        after_epoch(epoch + 1)
    with torch.no_grad():
        head[-1].bias -= math.log(thinning)
    return SequenceModel(scaling, lstm.eval(), head.eval())


def _sample(labels: NDArray[np.integer[Any]], random: np.random.Generator) -> tuple[NDArray[np.intp], float]:
    """Returns row indices in time order, and how many legitimate rows each kept one stands for."""
    frauds, legitimate = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    kept = random.permutation(legitimate)[:LEGITIMATE_ROWS]
    return np.sort(np.concatenate([frauds, kept])), len(legitimate) / max(len(kept), 1)


def _log_odds(lstm: Any, head: Any, scaled: Any) -> Any:
    import torch

    _, (memory, _) = lstm(scaled)
    return head(torch.cat([memory[0], scaled[:, -1]], dim=1))[:, 0]


def _onnx_gates(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorders torch's gates (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    i, f, c, o = np.split(values, 4)
    return np.concatenate([i, o, f, c])
