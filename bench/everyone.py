"""All contenders, in the order of the tables."""

from typing import Final

from bench.contenders import CONTENDERS
from bench.gatekeepers import GATEKEEPERS
from bench.limited import COUNTING
from bench.observed import UNOBSERVED

EVERYONE: Final = (*CONTENDERS, *GATEKEEPERS, *COUNTING, *UNOBSERVED)
