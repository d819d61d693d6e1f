"""Models as people have them, saved in every format that is read here."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

OPSET = {"": 18, "ai.onnx.ml": 3}


@dataclass(frozen=True)
class Story:
    """A fitted model, rows it was fitted on, and their answers under the name ``target``."""

    model: Any
    rows: pd.DataFrame
    target: Any = None

    @property
    def input(self) -> Any:
        """The rows as the model itself takes them."""
        if list(self.rows.columns) == ["text"]:
            return self.rows["text"]
        return self.rows if hasattr(self.model, "feature_names_in_") else self.rows.to_numpy()

    @property
    def sample(self) -> pd.DataFrame:
        """The rows with their answers beside them."""
        return self.rows if self.target is None else self.rows.assign(target=self.target)


def _numbers(seed: int, n: int, k: int) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)
    return pd.DataFrame(values.astype(float), columns=[f"x{i}" for i in range(k)])


@lru_cache
def spam() -> Story:
    """Is a message spam: TF-IDF of its words and a logistic regression."""
    rng = np.random.default_rng(1)
    offers = ["cheap", "pills", "offer", "winner", "money", "click", "prize", "free", "now"]
    plain = [
        "meeting",
        "lunch",
        "report",
        "team",
        "tomorrow",
        "project",
        "minutes",
        "call",
        "review",
    ]
    is_spam = rng.random(240) < 0.4
    words = [rng.choice(offers if one else plain, 6) for one in is_spam]
    noise = [rng.choice(offers + plain, 3) for _ in is_spam]
    texts = [" ".join([*a, *b]) for a, b in zip(words, noise, strict=True)]
    labels = np.where(is_spam, "spam", "ham")
    rows = pd.DataFrame({"text": texts})
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(rows["text"], labels)
    return Story(model, rows, labels)


@lru_cache
def churn() -> Story:
    """Does a customer leave: numbers and categories through a column transformer."""
    rng = np.random.default_rng(2)
    n = 300
    rows = pd.DataFrame(
        {
            "age": rng.normal(42, 12, n).astype(np.float32).astype(float),
            "charge": rng.gamma(2, 30, n).astype(np.float32).astype(float),
            "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
            "city": rng.choice(["Bonn", "Ulm"], n),
        }
    )
    score = rows["charge"] / 40 - 1 + (rows["plan"] == "basic") - rng.normal(0, 0.5, n)
    labels = np.where(score > 1, "leaves", "stays")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "charge"]),
        (OneHotEncoder(handle_unknown="ignore"), ["plan", "city"]),
    )
    return Story(make_pipeline(columns, LogisticRegression()).fit(rows, labels), rows, labels)


@lru_cache
def house() -> Story:
    """What does a house cost: boosted trees over five numbers."""
    rows = _numbers(3, 300, 5)
    price = 3 * rows["x0"] + rows["x1"] * rows["x2"] + np.sin(rows["x3"])
    model = GradientBoostingRegressor(n_estimators=30, random_state=0)
    return Story(model.fit(rows.to_numpy(), price), rows, price.to_numpy())


@lru_cache
def digits() -> Story:
    """Which digit is this: 64 pixels, ten classes, a forest."""
    pixels, labels = load_digits(return_X_y=True)
    rows = pd.DataFrame(pixels[:600], columns=[f"x{i}" for i in range(64)])
    model = RandomForestClassifier(15, max_depth=8, random_state=0)
    return Story(model.fit(pixels[:600], labels[:600]), rows, labels[:600])


@lru_cache
def outliers() -> Story:
    """Is this row odd: an isolation forest."""
    rows = _numbers(4, 200, 4)
    model = IsolationForest(n_estimators=20, random_state=0).fit(rows.to_numpy())
    return Story(model, rows)


@lru_cache
def clusters() -> Story:
    """Which group is this row in: k-means."""
    rows = _numbers(5, 200, 3)
    return Story(KMeans(3, n_init=3, random_state=0).fit(rows.to_numpy()), rows)


@lru_cache
def two_values() -> Story:
    """Two numbers predicted at once."""
    rows = _numbers(6, 200, 4)
    target = rows[["x0", "x1"]].to_numpy() @ np.array([[1.0, 2.0], [3.0, -1.0]])
    return Story(LinearRegression().fit(rows.to_numpy(), target), rows)


@lru_cache
def two_labels() -> Story:
    """Two labels decided at once."""
    rows = _numbers(7, 200, 4)
    target = (rows[["x0", "x1"]].to_numpy() > 0).astype(int)
    return Story(MultiOutputClassifier(LogisticRegression()).fit(rows.to_numpy(), target), rows)


@lru_cache
def margins() -> Story:
    """A classifier without probabilities."""
    rows = _numbers(8, 200, 4)
    labels = (rows["x0"] > 0).to_numpy().astype(int)
    return Story(LinearSVC().fit(rows.to_numpy(), labels), rows, labels)


@lru_cache
def kernel() -> Story:
    """A support vector machine, whose export gives its two scores the other way round."""
    rows = _numbers(11, 150, 4)
    labels = (rows["x0"] * rows["x1"] > 0).to_numpy().astype(int)
    return Story(SVC().fit(rows.to_numpy(), labels), rows, labels)


@lru_cache
def boosted() -> Story:
    """A classifier of histogram boosting, whose parts are compiled classes."""
    rows = _numbers(9, 200, 4)
    labels = np.where(rows["x0"] > 0, "yes", "no")
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    return Story(model.fit(rows.to_numpy(), labels), rows, labels)


STORIES: dict[str, Callable[[], Story]] = {
    story.__name__: story
    for story in (
        *(spam, churn, house, digits, outliers),
        *(clusters, two_values, two_labels, margins, kernel, boosted),
    )
}


def as_onnx(story: Story, **options: Any) -> bytes:
    """Return what skl2onnx makes of a model; ``options`` go to its ``convert_sklearn``."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if hasattr(story.model, "feature_names_in_") or "text" in story.rows:
        kinds = {"O": StringTensorType, "f": FloatTensorType}
        inputs = [
            (name, kinds["f" if values.dtype.kind == "f" else "O"]([None, 1]))
            for name, values in story.rows.items()
        ]
    else:
        inputs = [("X", FloatTensorType([None, story.rows.shape[1]]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"target_opset": OPSET, "initial_types": inputs, **options}
        data: bytes = skl2onnx.convert_sklearn(story.model, **options).SerializeToString()
    return data


def as_skops(model: Any) -> bytes:
    """Return what skops writes."""
    import skops.io

    data: bytes = skops.io.dumps(model)
    return data


def as_cbm(kind: str, folder: Path, **options: Any) -> tuple[bytes, Any, pd.DataFrame]:
    """Return a fitted CatBoost model's own file, the model, and rows it was fitted on."""
    import catboost

    rows = _numbers(10, 120, 3)
    target = rows["x0"] if kind == "CatBoostRegressor" else np.where(rows["x0"] > 0, "yes", "no")
    model = getattr(catboost, kind)(
        iterations=5, verbose=0, allow_writing_files=False, random_seed=0, **options
    )
    model.fit(rows, target)
    model.save_model(str(folder / "model.cbm"))
    return (folder / "model.cbm").read_bytes(), model, rows


def zstd(data: bytes) -> bytes:
    """Return bytes compressed with zstd."""
    from backports import zstd as library

    return bytes(library.compress(data))


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zstd": zstd,
}


def npy(values: Any) -> bytes:
    """Return an array as numpy writes it."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()
