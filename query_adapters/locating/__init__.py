"""Labels from answers: the chunks that hold a given answer or passage."""

from query_adapters.locating.chunks import Chunks
from query_adapters.locating.locate import LocateOptions, locate, relocate
from query_adapters.locating.placing import Match
from query_adapters.locating.questions import Answered
from query_adapters.locating.result import Ambiguous, Located, Placed, Unplaced

__all__ = [
    "Ambiguous",
    "Answered",
    "Chunks",
    "LocateOptions",
    "Located",
    "Match",
    "Placed",
    "Unplaced",
    "locate",
    "relocate",
]
