"""Compare a new adapter with the one that serves, on live questions, without betting the app on it.

`interleave` and `outcome` tell which of two rankings users prefer, `arm_of` splits users between
two systems, and `SequentialTest` and `SplitTest` decide, however often they are looked at.
"""

from query_adapters.experiments.arms import Arm, arm_of, in_session
from query_adapters.experiments.interleaving import (
    Interleaved,
    interleave,
    outcome,
    session_outcome,
)
from query_adapters.experiments.logged import session_outcomes
from query_adapters.experiments.sequential import SequentialTest
from query_adapters.experiments.splitting import SplitTest

__all__ = [
    "Arm",
    "Interleaved",
    "SequentialTest",
    "SplitTest",
    "arm_of",
    "in_session",
    "interleave",
    "outcome",
    "session_outcome",
    "session_outcomes",
]
