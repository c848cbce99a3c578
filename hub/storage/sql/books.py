"""The books of the lanes as live metrics, read when they are asked for."""

import math
from collections.abc import Callable
from functools import partial

from hub.errors import StorageError
from hub.metrics import Metrics
from hub.storage.sql.lanes import SqlLanes
from hub.storage.sql.unit_of_work import SqlTransactions
from protocols.lanes import Lane


def measure_books(metrics: Metrics, transactions: SqlTransactions) -> None:
    """Have the metrics tell what the lanes' books lack and what is awaited."""
    metrics.measure(metrics.residual, partial(_of_lanes, transactions, SqlLanes.residual))
    for lane in Lane:
        awaited = partial(SqlLanes.awaited, lane=lane)
        metrics.measure(metrics.awaited.labels(lane), partial(_of_lanes, transactions, awaited))


def _of_lanes(transactions: SqlTransactions, ask: Callable[[SqlLanes], float]) -> float:
    """Return what the books say, NaN while their store is away."""
    try:
        with transactions.read() as unit:
            return ask(unit.lanes)
    except StorageError:
        return math.nan
