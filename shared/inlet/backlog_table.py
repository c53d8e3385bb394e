"""What waits, over all tables: the numbers that alarms watch. One query, once a sweep."""

from dataclasses import dataclass

from inlet import database

SILENT_SECONDS = 3600
"""A job that has not moved for so long: no call of a model takes a quarter of it."""
OVERDUE_SECONDS = 3600
"""A deletion is overdue when it could not be made for so long, in some ten attempts."""

_MEASURE = """
SELECT (SELECT extract(epoch FROM now() - min(occurred_at))
          FROM outbox_events WHERE sent_at IS NULL)::double precision AS event_seconds,
       (SELECT extract(epoch FROM now() - min(occurred_at))
          FROM notifications WHERE next_attempt_at IS NOT NULL)::double precision AS notification_seconds,
       (SELECT count(*) FROM notifications WHERE dead_at > now() - interval '1 day') AS dead,
       (SELECT count(*) FROM uploads
         WHERE status = 'processing' AND updated_at < now() - make_interval(secs => %(silent)s))
     + (SELECT count(*) FROM speaking_sessions
         WHERE status IN ('UPLOADED', 'PROCESSING') AND attempt > 0
           AND updated_at < now() - make_interval(secs => %(silent)s)) AS silent,
       count(*) FILTER (WHERE due_since < now() - make_interval(secs => %(overdue)s)) AS overdue,
       greatest(0, extract(epoch FROM now() - min(due_since)))::double precision AS deletion_seconds
  FROM object_deletions
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """By the metrics' names. The oldest event or notification that is not delivered, and deletion that is not made, in
    seconds; 0 where there is none. `DeadNotifications` are those of the last day."""

    OldestEventSeconds: float
    OldestNotificationSeconds: float
    DeadNotifications: int
    SilentJobs: int
    DeletionsOverdue: int
    OldestDeletionSeconds: float


def measure() -> Backlog:
    """Return what waits now."""
    row = database.fetch_one(_MEASURE, {"silent": SILENT_SECONDS, "overdue": OVERDUE_SECONDS})
    assert row is not None  # noqa: S101 - an aggregate always has its row
    return Backlog(
        OldestEventSeconds=row["event_seconds"] or 0,
        OldestNotificationSeconds=row["notification_seconds"] or 0,
        DeadNotifications=row["dead"],
        SilentJobs=row["silent"],
        DeletionsOverdue=row["overdue"],
        OldestDeletionSeconds=row["deletion_seconds"] or 0,
    )
