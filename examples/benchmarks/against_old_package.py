"""Compare query and training cost with LlamaIndex's adapter and engine in one run.

    python examples/benchmarks/against_old_package.py --train train_dataset.json --old-python PYTHON

Runs serving.py, which needs llama-index-embeddings-adapter in this environment, and training.py,
which runs the old engine in a separate environment. Each script writes the same results file as
when it is run alone.
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
