"""Trains a pipeline under another interpreter: a script for tests, without any module of ours.

    PYTHONPATH=PACKAGES python -S train_elsewhere.py FOLDER WRITER

Writes ``model.pkl``, ``rows.csv`` and the answers at training, ``expected.npy``, into FOLDER.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder, writer = Path(sys.argv[1]), sys.argv[2]
random = np.random.RandomState(0)
rows = pd.DataFrame(
    {
        "age": random.randint(18, 80, 240) / 4.0,  # quarters survive a CSV to the last digit
        "income": random.randint(0, 400, 240) * 125.0,
        "city": random.choice(["Bern", "Oslo", "Rome"], 240),
    }
)
churned = ((rows["age"] > 12) & (rows["city"] != "Rome")).map({True: "stays", False: "goes"})
parts = [
    ("numbers", StandardScaler(), ["age", "income"]),
    ("words", OneHotEncoder(handle_unknown="ignore"), ["city"]),
]
model = Pipeline(
    [
        ("columns", ColumnTransformer(parts)),
        ("forest", RandomForestClassifier(n_estimators=15, max_depth=5, random_state=0)),
    ]
).fit(rows, churned)

path = str(folder / "model.pkl")
if writer == "pickle":
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
elif writer == "joblib":
    import joblib

    joblib.dump(model, path, compress=3)
else:
    from sklearn.externals import joblib

    joblib.dump(model, path)
rows.assign(churned=churned).to_csv(str(folder / "rows.csv"), index=False)
np.save(str(folder / "expected.npy"), model.predict_proba(rows))
