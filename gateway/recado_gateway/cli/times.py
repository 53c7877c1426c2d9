"""Times on the command line: read and shown in the gateway's zone."""

from datetime import datetime
from zoneinfo import ZoneInfo


def in_zone(at: datetime | None, zone: str) -> datetime | None:
    """Read a time without offset as one of this zone."""
    return at.replace(tzinfo=ZoneInfo(zone)) if at and at.tzinfo is None else at


def local_time(at: datetime | None, zone: str) -> str:
    """Return a time as people in this zone read it, or nothing for none."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S") if at else ""
