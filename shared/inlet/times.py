"""Times as the API writes them. Deadlines are compared in the database, by its clock alone."""

from datetime import UTC, datetime


def iso_utc(moment: datetime) -> str:
    """Return a time in ISO 8601, in UTC with `Z`, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
