#!/bin/sh
# The whole way on the command line: a dataset, an adapter with a learned retriever, and base,
# adapter, retriever, the default hybrids and a third model compared.
#
#   sh examples/cli_walkthrough.sh            all questions of the demo
#   sh examples/cli_walkthrough.sh --smoke    a few, for a quick check
#
# Offline: the documents are the docstrings of this Python, the model comes with the extra `demo`.
# The third model is made of it: its word vectors, averaged, without its layers.
# The same from Python, onto an index that is there already: 09_walkthrough.py
set -eu

python=${PYTHON:-python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
questions=""
if [ "${1:-}" = --smoke ]; then questions="--questions 120"; fi
model=$("$python" -c 'from query_adapters.demo import packaged_model as m; print(m())')

query_adapters() {
    echo "\$ query-adapters $*"
    "$python" -m query_adapters "$@"
    echo
}

# shellcheck disable=SC2086  # no words where all questions are wanted
query_adapters demo --data-only --output "$folder" $questions

cd "$folder"
"$python" -c 'from query_adapters.demo import write_word_model; write_word_model("words")'
cat > run.toml <<END
dataset = "data"
model = "sentence-transformers:$model"

[train]
output = "adapter"
hybrid = true

[evaluate]
adapter = "adapter"

[compare]
adapter = "adapter"
other-model = "sentence-transformers:words"

[report]
adapter = "adapter"
other-model = "sentence-transformers:words"
output = "report.html"
END

query_adapters train --config run.toml
query_adapters inspect adapter
query_adapters verify adapter --model "sentence-transformers:$model"
query_adapters evaluate --config run.toml --metric recall@5 --json
query_adapters compare --config run.toml
if [ -z "$questions" ]; then query_adapters report --config run.toml; fi
