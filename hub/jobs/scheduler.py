"""The scheduler: sweeps each second, house-keeping each hour; an overrun or a failure is counted, never silent."""

from collections.abc import Callable
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES
from apscheduler.schedulers.background import BackgroundScheduler

from hub.metrics import Metrics

log = structlog.get_logger("hub.jobs")


class Scheduler:
    """APScheduler with our jobs; they are idempotent and read their deadlines from the database."""

    def __init__(self, metrics: Metrics) -> None:
        """Prepare it; nothing runs yet."""
        self._metrics = metrics
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler: Any = BackgroundScheduler(timezone="UTC", job_defaults=defaults)  # it has no types
        self._scheduler.add_listener(self._failed, EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES)

    def every(self, seconds: float, name: str, job: Callable[[], Any]) -> None:
        """Run `job` every so many seconds."""
        self._scheduler.add_job(job, "interval", seconds=seconds, id=name, name=name)

    def start(self) -> None:
        """Begin to run jobs."""
        self._scheduler.start()

    def stop(self) -> None:
        """Finish the jobs under way and run no more; idempotent."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _failed(self, event: Any) -> None:
        self._metrics.job_errors.labels(event.job_id).inc()
        if event.code == EVENT_JOB_ERROR:
            log.error("jobs.failed", job=event.job_id, reason=str(event.exception), exc_info=event.exception)
