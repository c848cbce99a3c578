"""Every metric of the hub, its name and its labels, in one place."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """The hub's counters, gauges and histograms; each hub has its own registry."""

    def __init__(self) -> None:
        """Register everything."""
        self.registry = CollectorRegistry()
        r = self.registry
        self.stored = Counter("linli_records_stored", "Records committed", ["lane"], registry=r)
        self.quarantined = Counter("linli_records_quarantined", "Records quarantined", ["lane", "reason"], registry=r)
        self.gaps = Counter("linli_records_gap", "Records declared lost by their edge", ["lane", "reason"], registry=r)
        self.duplicates = Counter("linli_records_duplicate", "Records skipped as already taken", ["lane"], registry=r)
        self.left_out = Counter("linli_fields_left_out", "Unknown fields of known kinds", registry=r)
        self.refused = Counter("linli_messages_refused", "Messages refused whole", ["reason"], registry=r)
        self.shed = Counter("linli_messages_shed", "Telemetry messages dropped undecoded under overload", registry=r)
        self.flooded = Counter(
            "linli_messages_flooded", "Messages other than telemetry of nodes that flood the queue, dropped", registry=r
        )
        self.throttled = Counter(
            "linli_messages_throttled", "Messages of throttled nodes that there was no room to put off", registry=r
        )
        self.postponed = Gauge(
            "linli_postponed_messages", "Messages of throttled nodes, waiting for spare time", ["consumer"], registry=r
        )
        self.probes = Counter("linli_probes", "Test presses of the watchdog that were committed", registry=r)
        self.failed_batches = Counter(
            "linli_ingest_failures", "Batches that could not be committed", ["consumer"], registry=r
        )
        self.residual = Gauge(
            "linli_conservation_residual", "Sum of |high water - stored - quarantined - gaps|, always 0", registry=r
        )
        self.awaited = Gauge(
            "linli_records_awaited", "Records that edges have numbered and the hub has not taken", ["lane"], registry=r
        )
        self.lane_lag = Histogram(
            "linli_lane_lag_seconds", "Effective time to commit", ["lane"], buckets=_SECONDS, registry=r
        )
        self.commit = Histogram(
            "linli_commit_seconds", "Arrival to commit of a batch", ["consumer"], buckets=_SECONDS, registry=r
        )
        self.notification_delay = Histogram(
            "linli_notification_delay_seconds", "Alert to message sent", ["channel"], buckets=_SECONDS, registry=r
        )
        self.job_errors = Counter("linli_job_errors", "Scheduled jobs that failed or were skipped", ["job"], registry=r)
        self.queue_messages = Gauge("linli_queue_messages", "Messages waiting to be taken", ["consumer"], registry=r)
        self.step_age = Gauge(
            "linli_step_age_seconds", "How long a loop's step takes; of the sweep, since the last", ["loop"], registry=r
        )
        self.influx_backlog = Gauge("linli_influx_backlog_rows", "Log rows not yet written to InfluxDB", registry=r)

    def measure(self, gauge: Gauge, read: Callable[[], float]) -> None:
        """Have a gauge read when it is scraped."""
        gauge.set_function(read)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
