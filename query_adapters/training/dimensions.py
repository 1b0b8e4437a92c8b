"""Check the lengths of the vectors that training is given."""

from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Vectors


def check_dims(
    dataset: EmbeddedDataset, served: Vectors | None, start: RefinableAdapter | None
) -> None:
    """Check that the vectors of the dataset, of the served index and of the start fit together.

    Raises:
        DimensionMismatchError: If they do not.
    """
    dim = dataset.documents.shape[1]
    if served is not None and served.shape[1] != dim:
        raise DimensionMismatchError(
            "vectors of the served index",
            expected=dim,
            actual=served.shape[1],
            remedy="pass the index that was built with this embedding model",
        )
    if start is not None:
        start.check_dim(dataset.dim)
    if not dataset.of_two_models:
        return None if start is None else start.check_square()
    if start is None or start.dim_out != dim:
        raise DimensionMismatchError(
            "vectors that the adapter to start from gives",
            expected=dim,
            actual=dataset.dim if start is None else start.dim_out,
            remedy="start from a bridge into the space of the documents",
        )
