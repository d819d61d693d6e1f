"""The contestant: Deepchecks' full suite on the same model and rows.

Run by ``benchmark_suite.py`` with a Python that has Deepchecks; prints its seconds as JSON.
"""

from __future__ import annotations

import json
import pickle
import sys
import time

import pandas as pd


def main() -> None:
    """Read model, train and test rows; time the suite without the imports."""
    from deepchecks.tabular import Dataset  # type: ignore[import-not-found]
    from deepchecks.tabular.suites import full_suite  # type: ignore[import-not-found]

    model_path, train_path, test_path, target = sys.argv[1:]
    with open(model_path, "rb") as file:  # noqa: PTH123 - old versions of Python too
        model = pickle.load(file)  # noqa: S301 - written by the benchmark itself
    parts = [
        Dataset(pd.read_csv(path), label=target, cat_features=[])
        for path in (train_path, test_path)
    ]
    started = time.perf_counter()
    result = full_suite().run(train_dataset=parts[0], test_dataset=parts[1], model=model)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "failed": len(result.get_not_passed_checks())}))


if __name__ == "__main__":
    main()
