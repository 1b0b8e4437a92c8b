"""Ours beside LlamaIndex's own adapter and engine: the cost of a query and of training, in one run.

    python examples/benchmarks/against_old_package.py --train train_dataset.json --old-python PYTHON

Runs serving.py, which wants llama-index-embeddings-adapter beside our package, and training.py,
whose old engine has an environment of its own. Each keeps its figures as when it is run alone.
"""

import argparse

import serving
import training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    serving.add_options(parser)
    training.add_options(parser)
    options = parser.parse_args()
    serving.run(options)
    training.run(options)


if __name__ == "__main__":
    main()
