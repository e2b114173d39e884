"""Limits for tests, in the units of the arithmetic: microseconds."""

from sidecar.model.limits import SECOND, Calendar, Limit

MINUTE = 60 * SECOND
DAY = 86_400 * SECOND


def a_window(amount: int, period: int = MINUTE) -> Limit:
    return Limit(f"w/{amount}/{period}", "window", amount, period)


def a_bucket(amount: int, burst: int, period: int = MINUTE) -> Limit:
    return Limit(f"b/{amount}/{period}/{burst}", "bucket", amount, period, burst=burst)


def a_quota(amount: int, calendar: Calendar = Calendar.DAY) -> Limit:
    return Limit(f"q/{amount}/{calendar}", "quota", amount, 0, calendar=calendar)


def a_concurrency(amount: int) -> Limit:
    return Limit(f"c/{amount}", "concurrency", amount, 0, is_concurrency=True)
