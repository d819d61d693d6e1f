"""The contestant: Deepchecks' full suite on the same kind of model and the same rows.

Run by ``benchmark_suite.py`` with a Python that has Deepchecks; prints its seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd


def main() -> None:
    """Train a forest on the first half and time the suite, without training and imports."""
    from deepchecks.tabular import Dataset  # type: ignore[import-not-found]
    from deepchecks.tabular.suites import full_suite  # type: ignore[import-not-found]
    from sklearn.ensemble import RandomForestClassifier

    train_path, test_path, target = sys.argv[1:]
    train, test = pd.read_csv(train_path), pd.read_csv(test_path)
    training = time.perf_counter()
    model = RandomForestClassifier(100, random_state=0)
    model.fit(train.drop(columns=target), train[target])
    training = time.perf_counter() - training
    parts = [Dataset(rows, label=target, cat_features=[]) for rows in (train, test)]
    started, cpu = time.perf_counter(), time.process_time()
    result = full_suite().run(train_dataset=parts[0], test_dataset=parts[1], model=model)
    told = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "training_seconds": training,
        "failed": len(result.get_not_passed_checks()),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
