"""Datasets that hypothesis draws."""

from hypothesis import strategies as st

from query_adapters.data.dataset import RetrievalDataset

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: t.strip())
IDS = st.text(st.characters(exclude_categories=["C"]), min_size=1)


@st.composite
def datasets(draw: st.DrawFn) -> RetrievalDataset:
    """Draw datasets with any texts and ids, and one to three graded documents per question."""
    corpus = draw(st.dictionaries(IDS, TEXTS, min_size=1, max_size=5))
    queries = draw(st.dictionaries(IDS, TEXTS, min_size=1, max_size=5))
    grades = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    judged = st.dictionaries(st.sampled_from(list(corpus)), grades, min_size=1, max_size=3)
    return RetrievalDataset(queries, corpus, {query: draw(judged) for query in queries})
