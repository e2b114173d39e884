"""Welch's t-test, and how samples are told apart by it."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, variance


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t of two samples: how many standard errors their means are apart.

    Source: B. L. Welch, Biometrika 34 (1947).
    """
    spread = variance(one) / len(one) + variance(other) / len(other)
    return (fmean(one) - fmean(other)) / sqrt(spread)
