#!/bin/sh
# The whole way on the command line: a dataset, an adapter, base against adapted.
#
#   sh examples/cli_walkthrough.sh            all questions of the demo
#   sh examples/cli_walkthrough.sh --smoke    a few, for a quick check
#
# Offline: the documents are the docstrings of this Python, the model comes with the extra `demo`.
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
cat > run.toml <<END
dataset = "data"
model = "sentence-transformers:$model"

[train]
output = "adapter"

[compare]
adapter = "adapter"

[report]
adapter = "adapter"
output = "report.html"
END

query_adapters train --config run.toml
query_adapters inspect adapter
query_adapters verify adapter --model "sentence-transformers:$model"
query_adapters evaluate --config run.toml --metric recall@5 --json
query_adapters compare --config run.toml
if [ -z "$questions" ]; then query_adapters report --config run.toml; fi
