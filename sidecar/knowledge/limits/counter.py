"""One caller's use of one limit, whichever way the limit counts."""

from abc import ABC, abstractmethod


class Counter(ABC):
    """Counts what one caller takes; `now` never grows smaller from call to call.

    Which clock it is of is the limit's matter: Unix time for a calendar, else any steady one.
    """

    __slots__ = ()

    @abstractmethod
    def wait(self, now: int, cost: int) -> int:
        """Say when there is room for a charge.

        Args:
            now: microseconds.
            cost: units.

        Returns:
            Microseconds from now; 0 when there is room.
        """

    @abstractmethod
    def charge(self, now: int, cost: int) -> None:
        """Count a charge, whether there is room or not.

        Args:
            now: microseconds.
            cost: units.
        """

    @abstractmethod
    def left(self, now: int) -> int:
        """Return the units that there is room for."""

    @abstractmethod
    def next(self, now: int) -> int:
        """Return the microseconds until there is room for more than now; 0 when all is free."""

    @abstractmethod
    def ends(self) -> int:
        """Return the moment from which it says no more than a new one."""

    @abstractmethod
    def copy(self) -> "Counter":
        """Return one that counts on apart."""
