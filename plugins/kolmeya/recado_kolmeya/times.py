"""Kolmeya's times: local, with no zone stated, in one of several notations."""

from datetime import UTC, datetime, tzinfo

from recado_kolmeya.wire import Scalar

_NOTATIONS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M:%S")
_MILLISECONDS = 10**11  # a number of seconds as great as this is in the year 5138
_YEARS = range(2015, 2100)


def read_time(text: Scalar, zone: tzinfo) -> datetime | None:
    """Return a time of Kolmeya's in UTC, or None if it can't be read."""
    for notation in _NOTATIONS:
        try:
            local = datetime.strptime(str(text).strip(), notation).replace(tzinfo=zone)
            return local.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def read_timestamp(value: Scalar) -> datetime | None:
    """Return the time of a campaign's webhook, seconds or milliseconds: Kolmeya does not say."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        seconds = value / 1000 if value >= _MILLISECONDS else value
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.year in _YEARS else None
