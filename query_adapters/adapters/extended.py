"""What adapters that add something to a linear map have in common."""

from query_adapters.adapters.length import LengthKeepingAdapter
from query_adapters.adapters.linear import LinearAdapter


class ExtendedAdapter(LengthKeepingAdapter):
    """An adapter that adds something to its linear part, which decides on lengths.

    Attributes:
        linear: The linear part.
    """

    linear: LinearAdapter

    @property
    def dim_in(self) -> int:  # type: ignore[override]
        """Length of the vectors that it takes."""
        return self.linear.dim_in

    @property
    def dim_out(self) -> int:  # type: ignore[override]
        """Length of the vectors that it gives."""
        return self.linear.dim_out

    @property
    def keeps_length(self) -> bool:  # type: ignore[override]
        """Whether the result gets the length of its query, as the linear part says."""
        return self.linear.keeps_length
