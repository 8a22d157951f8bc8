"""The sweeper: sends overdue tasks to their queues again, every minute."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.observability import instrument_job
from chalicelib.tasks import service

tasks_jobs = Blueprint(__name__)

_SECONDS_IN_RESERVE = 15


@tasks_jobs.lambda_function(name="sweep_duties")
@instrument_job("sweep_duties")
def sweep_duties(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send overdue tasks to their queues again."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)

    def time_is_left() -> bool:
        return not callable(remaining) or remaining() / 1000 > _SECONDS_IN_RESERVE

    swept = service.sweep_overdue_tasks(time_is_left)
    return {"handed_out": swept.handed_out, "lost": swept.lost}
