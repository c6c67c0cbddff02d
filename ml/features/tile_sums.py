"""Sums over the payments that an entity holds in tiles, as features see them: counts, amounts, labels per window.

- Windows of a day and less read hours, longer ones days. A window's far border is rounded to the nearest border of a
  tile, and every tile on the near side of it counts as a whole. The transaction's own hour or day counts as far as it
  is filled.
- A label counts from the end of the hour in which it became known, so that no tile shows a label before its time.
- A transaction that comes late sees no hours (days) if payments in more than `SPARE_TILES` hours (days) after its own
  arrived before it: the tiles that it needs may have made room for newer ones.

Online the sums are read from tiles (`sums_of_tiles`), offline from the payments themselves, either as tiles of one
payment each (`sums_of_payments`) or from running totals (`ml.features.running_totals`). All numbers are whole and below
2^53, so that every way leads to the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS
from ml.features.definition import RISK_WINDOWS, SPARE_TILES, VELOCITY_WINDOWS
from ml.features.entries import LABEL_FRAUD, LABEL_ORDINARY_FRAUD, amount_units
from ml.features.entries import labels as labels_of
from ml.features.history import tile_parts

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]

_VELOCITY_SECONDS = np.array(list(VELOCITY_WINDOWS.values()))
_RISK_SECONDS = np.array(list(RISK_WINDOWS.values()))
# Windows stand in order of their length: so many of them read hours.
_HOURLY = int((_VELOCITY_SECONDS <= DAY_SECONDS).sum())
_RISK_HOURLY = int((_RISK_SECONDS <= DAY_SECONDS).sum())
_WIDTHS = np.where(_VELOCITY_SECONDS <= DAY_SECONDS, HOUR_SECONDS, DAY_SECONDS)
_RISK_WIDTHS = np.where(_RISK_SECONDS <= DAY_SECONDS, HOUR_SECONDS, DAY_SECONDS)

# Tiles as `ml.features.tiles` packs them; fields of three and seven bytes are read with a neighbour's byte.
_THREE_BYTES = np.uint32((1 << 24) - 1)
_TILE = np.dtype({"names": ["start", "count", "amount"], "formats": ["<u4", "<u4", "<u8"], "offsets": [0, 3, 5]})
_LABEL_TILE = np.dtype(
    {
        "names": ["start", "labels", "frauds", "ordinary"],
        "formats": ["<u4", "<u4", "<u2", "<u2"],
        "offsets": [0, 3, 6, 8],
    }
)


@dataclass(frozen=True, slots=True)
class TileSums:
    """The sums over tiles that B transactions see; whole numbers.

    Attributes:
        counts, amounts: payments and the sum of their amounts in 1e-4 currency units, per velocity window [4, B].
        span: how long before the transaction the oldest tile of the longest window begins, seconds [B]; 0 if none.
        labels: labels, frauds and ordinary frauds that became known, per risk window [3, 4, B].
    """

    counts: Floats
    amounts: Floats
    span: Floats
    labels: Floats

    @classmethod
    def none(cls, rows: int) -> "TileSums":
        """Returns the sums of rows whose entities have no tiles."""
        windows, risk_windows = len(VELOCITY_WINDOWS), len(RISK_WINDOWS)
        return cls(
            np.zeros((windows, rows)), np.zeros((windows, rows)), np.zeros(rows), np.zeros((3, risk_windows, rows))
        )

    def halves(self) -> tuple["TileSums", "TileSums"]:
        """Returns the sums of the first and of the last half of the rows."""
        half = len(self.span) // 2
        first, last = slice(None, half), slice(half, None)
        return (
            TileSums(self.counts[:, first], self.amounts[:, first], self.span[first], self.labels[:, :, first]),
            TileSums(self.counts[:, last], self.amounts[:, last], self.span[last], self.labels[:, :, last]),
        )

    def put(self, rows: NDArray[np.intp], sums: "TileSums") -> None:
        """Writes the sums of some rows into these."""
        self.counts[:, rows], self.amounts[:, rows] = sums.counts, sums.amounts
        self.span[rows], self.labels[:, :, rows] = sums.span, sums.labels


def payment_borders(now: Seconds) -> Seconds:
    """Returns the far border of each velocity window [4, B]: the start of the first tile that counts.

    >>> ((7_205 - payment_borders(np.array([7_205]))[0]) / 3600).round(1).tolist()  # 1 h, seen at 02:00:05
    [1.0]
    """
    return _rounded(now, _VELOCITY_SECONDS, _WIDTHS)


def label_borders(now: Seconds) -> Seconds:
    """Returns the far border of each risk window [4, B], likewise."""
    return _rounded(now, _RISK_SECONDS, _RISK_WIDTHS)


def label_end(now: Seconds) -> Seconds:
    """Returns until when labels must have become known in order to count [B]."""
    return now // HOUR_SECONDS * HOUR_SECONDS


def _rounded(now: Seconds, windows: NDArray[np.int64], widths: NDArray[np.int64]) -> Seconds:
    windows, widths = windows[:, None], widths[:, None]
    borders: Seconds = np.maximum((now - windows + widths // 2) // widths * widths, 0)
    return borders


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Tiles of R entities as numbers [R, K, fields], starts in tiles since the epoch; empty ones hold zeros."""

    hours: Floats
    days: Floats
    label_hours: Floats
    label_days: Floats


def sums_of_tiles(tiles: Sequence[bytes], now: Seconds, epochs: Seconds) -> TileSums:
    """Returns each transaction's sums over its entity's tiles.

    Args:
        tiles: per transaction its view's tiles.
        now: event times [B].
        epochs: event times of the payments that the view holds one by one [B, W], 0 where there is none.
    """
    sums = TileSums.none(len(now))
    rows = np.array([row for row, packed in enumerate(tiles) if packed], np.intp)
    if len(rows):
        hours, days, label_hours, label_days = zip(*(tile_parts(tiles[row]) for row in rows), strict=True)
        numbers = _Tiles(_payments(hours), _payments(days), _labels(label_hours), _labels(label_days))
        sums.put(rows, _sums(numbers, now[rows], epochs[rows]))
    return sums


def sums_of_payments(folded: NDArray[np.void], now: int, epochs: Seconds) -> TileSums:
    """Returns one transaction's sums over folded payments.

    Args:
        folded: their entries.
        now: the transaction's event time.
        epochs: event times of the payments that its view holds one by one.
    """
    epoch, known_at, label = folded["epoch"].astype(np.int64), folded["known_at"].astype(np.int64), labels_of(folded)
    ones = np.ones(len(folded))
    payments = (ones, amount_units(folded))
    outcomes = (label > 0, label >= LABEL_FRAUD, label == LABEL_ORDINARY_FRAUD)
    tiles = (
        _columns(epoch // HOUR_SECONDS, *payments),
        _columns(epoch // DAY_SECONDS, *payments),
        _columns(known_at // HOUR_SECONDS, *outcomes),
        _columns(known_at // DAY_SECONDS, *outcomes),
    )
    return _sums(_Tiles(*(numbers[None] for numbers in tiles)), np.array([now]), epochs[None])


def _payments(parts: Sequence[bytes]) -> Floats:
    tiles = _padded(parts, _TILE)
    return _columns(tiles["start"] & _THREE_BYTES, tiles["count"] & _THREE_BYTES, tiles["amount"] >> 8)


def _labels(parts: Sequence[bytes]) -> Floats:
    tiles = _padded(parts, _LABEL_TILE)
    return _columns(tiles["start"] & _THREE_BYTES, tiles["labels"] & _THREE_BYTES, tiles["frauds"], tiles["ordinary"])


def _columns(*columns: NDArray[Any]) -> Floats:
    numbers = np.empty((*columns[0].shape, len(columns)))
    for index, column in enumerate(columns):
        numbers[..., index] = column
    return numbers


def _padded(parts: Sequence[bytes], tile: np.dtype[np.void]) -> NDArray[np.void]:
    length = max(map(len, parts)) or tile.itemsize
    return np.frombuffer(b"".join([part.rjust(length, b"\0") for part in parts]), tile).reshape(len(parts), -1)


def _sums(tiles: _Tiles, now: Seconds, epochs: Seconds) -> TileSums:
    sees_hours, sees_days = np.ones((2, len(now)), bool)
    newest = np.maximum(epochs.max(axis=1), tiles.hours[:, :, 0].max(axis=1) * HOUR_SECONDS)
    for row in np.flatnonzero(newest > now):
        sees_hours[row] = _is_covered(tiles.hours[row], now[row], epochs[row], width=HOUR_SECONDS)
        sees_days[row] = _is_covered(tiles.days[row], now[row], epochs[row], width=DAY_SECONDS)
    borders = payment_borders(now)
    hours = _within(tiles.hours, borders[:_HOURLY], now + 1, sees_hours, width=HOUR_SECONDS)
    days = _within(tiles.days, borders[_HOURLY:], now + 1, sees_days, width=DAY_SECONDS)
    counts, amounts = np.concatenate([hours, days], axis=1)

    starts = tiles.days[:, :, 0] * DAY_SECONDS
    is_counted = (starts >= borders[-1][:, None]) & (starts <= now[:, None]) & (tiles.days[:, :, 1] > 0)
    oldest = np.where(is_counted & sees_days[:, None], starts, np.inf).min(axis=1)

    # A day's labels are complete when it ends; until then its hours stand in for it.
    borders, end, today = label_borders(now), label_end(now), now // DAY_SECONDS * DAY_SECONDS
    recent = np.concatenate([borders[:_RISK_HOURLY], np.maximum(borders[_RISK_HOURLY:], today)])
    labels = _within(tiles.label_hours, recent, end, sees_hours, width=HOUR_SECONDS)
    labels[:, _RISK_HOURLY:] += _within(tiles.label_days, borders[_RISK_HOURLY:], today, sees_days, width=DAY_SECONDS)
    return TileSums(counts, amounts, np.where(np.isinf(oldest), 0.0, now - oldest), labels)


def _within(tiles: Floats, borders: Seconds, end: Seconds, is_read: NDArray[np.bool_], *, width: int) -> Floats:
    """Returns the sums of all fields but the start over the tiles with border <= start < end [fields, windows, R]."""
    starts = tiles[:, None, :, 0] * width
    inside = (starts >= borders.T[:, :, None]) & (starts < end[:, None, None]) & is_read[:, None, None]
    return np.asarray(np.matmul(inside.astype(float), tiles[:, :, 1:]).T)


def _is_covered(tiles: Floats, now: np.int64, epochs: Seconds, *, width: int) -> bool:
    """Returns whether the newest tiles still include all that a late transaction needs."""
    starts = np.concatenate([tiles[:, 0], epochs // width])
    return len(np.unique(starts[starts > now // width])) <= SPARE_TILES
