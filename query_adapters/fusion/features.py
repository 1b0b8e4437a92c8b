"""The features that a document is scored by, beside its similarity to the adapted query."""

from collections.abc import Mapping

SIMILARITY, LEXICAL, HUBNESS = "similarity", "lexical", "hubness"
WIDTHS = (5.0, 10.0, 20.0)
"""β of each kind of votes: the higher, the more similar a training question must be to vote."""
VOTES = tuple(f"votes_{width:g}" for width in WIDTHS)
FEATURES = (LEXICAL, *VOTES, HUBNESS)
"""Names of the features, in the order of the weights."""

DESCRIPTIONS: Mapping[str, str] = {
    LEXICAL: "BM25 of the question on the document's text, over the best of any document, 0..1",
    **{
        name: f"votes of similar training questions for their answers (β = {width:g})"
        for name, width in zip(VOTES, WIDTHS, strict=True)
    },
    HUBNESS: "minus the mean similarity of the document to its five nearest training questions",
}
"""What each feature is, for reports."""
