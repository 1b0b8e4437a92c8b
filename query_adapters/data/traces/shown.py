"""The documents that traces show, with their ids in the dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from query_adapters.data.answers import text_id
from query_adapters.data.traces.spans import Span, TracedDocument
from query_adapters.typing import Texts


@dataclass(frozen=True)
class ShownDocuments:
    """Texts by id, and ids by text for documents that were traced without a known id."""

    texts: Texts
    ids: Mapping[str, str]

    @classmethod
    def of(cls, retrievals: Sequence[Span], corpus: Texts | None) -> "ShownDocuments":
        """Return the documents of the corpus, or without one those of the retrievals."""
        if corpus is None:
            shown = (document for span in retrievals for document in span.documents)
            texts = {one.id or text_id(one.text): one.text for one in shown if one.text is not None}
        else:
            texts = {str(key): text for key, text in corpus.items()}
        return cls(texts, {text: key for key, text in reversed(texts.items())})

    def id_of(self, document: TracedDocument) -> str | None:
        """Return the document's id, or None if its text is not known."""
        if document.id in self.texts:
            return document.id
        return None if document.text is None else self.ids.get(document.text)
