"""Files that hold more than a model, in the shapes people save, with the same done by hand.

Owns: ``BUNDLES``: builders of bundles, each with raw rows and what scikit-learn answers for them
when its author's own steps are done one after the other.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    LabelEncoder,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import Bunch

NUMBERS = ["age", "income"]
WORDS = ["city", "member"]


@dataclass(frozen=True)
class BundleCase:
    """A bundle and the answers its author would get.

    Parameters
    ----------
    held : object
        What is pickled.
    rows : DataFrame
        Raw rows.
    answers : ndarray, shape (n,)
        As the model codes them, or as names where the bundle names its classes.
    """

    held: Any
    rows: pd.DataFrame
    answers: Any


@cache
def iris() -> tuple[pd.DataFrame, Any, Any]:
    """Return numbers, coded species and their names."""
    bunch = load_iris(as_frame=True)
    return bunch.data, bunch.target.to_numpy(), bunch.target_names


@cache
def people() -> tuple[pd.DataFrame, Any]:
    """Return numbers and words, and whether somebody leaves (0 or 1)."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 240).astype(float),
            "city": rng.choice(["Bonn", "Köln", "Łódź"], 240),
            "income": rng.lognormal(10, 0.5, 240).round(2),
            "member": rng.choice(["no", "yes"], 240),
        }
    )
    leaves = (frame["age"] > 45) ^ (frame["city"] == "Bonn")
    return frame, leaves.astype(int).to_numpy()


@cache
def messages() -> tuple[list[str], Any]:
    """Return short texts and whether they are spam."""
    rng = np.random.default_rng(3)
    spam, ham = (
        ["free", "money", "win", "now", "prize"],
        ["meeting", "lunch", "report", "at", "noon"],
    )
    texts, answers = [], []
    for number in range(160):
        kind = number % 2
        mine, other = (spam, ham) if kind else (ham, spam)
        words = [*rng.choice(mine, 4), *rng.choice(other, 1)]
        texts.append(" ".join(words))
        answers.append(kind)
    return texts, np.array(answers)


def _coded(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, LabelEncoder]]:
    encoders = {name: LabelEncoder().fit(frame[name]) for name in WORDS}
    coded = frame.assign(**{name: encoders[name].transform(frame[name]) for name in WORDS})
    return coded, encoders


def _scaled(hold: Callable[[Any, Any], Any], *, named: bool = True) -> BundleCase:
    rows, target, _ = iris()
    given = rows if named else rows.to_numpy()
    scaler = StandardScaler().fit(given)
    model = LogisticRegression(max_iter=500).fit(scaler.transform(given), target)
    return BundleCase(hold(scaler, model), rows, model.predict(scaler.transform(given)))


def _named_species(labels: Callable[[Any], Any]) -> BundleCase:
    rows, target, names = iris()
    model = RandomForestClassifier(10, random_state=0).fit(rows, target)
    return BundleCase({"model": model, **labels(names)}, rows, names[model.predict(rows)])


def _label_encoder_case(key: str) -> BundleCase:
    rows, target, names = iris()
    encoder = LabelEncoder().fit(names[target])
    model = DecisionTreeClassifier(random_state=0).fit(rows, encoder.transform(names[target]))
    answers = encoder.inverse_transform(model.predict(rows))
    return BundleCase({"clf": model, key: encoder}, rows, answers)


def _salary(*, named: bool) -> BundleCase:
    """The tutorial's ``saved_steps.pkl``: a tree over two label encoders and a number."""
    frame, _ = people()
    rows = frame[["city", "member", "age"]].rename(columns={"member": "EdLevel", "age": "Years"})
    country, education = (LabelEncoder().fit(rows[name]) for name in ("city", "EdLevel"))
    coded = rows.assign(
        city=country.transform(rows["city"]), EdLevel=education.transform(rows["EdLevel"])
    )
    given = coded if named else coded.to_numpy(dtype=float)
    model = DecisionTreeRegressor(random_state=0).fit(given, frame["income"])
    held = {"model": model, "le_city": country, "le_education": education}
    return BundleCase(held, rows, model.predict(given))


def _encoder_dict(*, scaled: bool) -> BundleCase:
    frame, target = people()
    coded, encoders = _coded(frame)
    scaler = StandardScaler().fit(coded)
    given = scaler.transform(coded) if scaled else coded
    model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(given, target)
    held: dict[str, Any] = {"model": model, "encoders": encoders}
    if scaled:
        held["scaler"] = scaler
    return BundleCase(held, frame, model.predict(given))


def _scaled_numbers_among_codes() -> BundleCase:
    frame, target = people()
    coded, encoders = _coded(frame)
    scaler = StandardScaler().fit(coded[NUMBERS])
    coded = coded.assign(**dict(zip(NUMBERS, scaler.transform(coded[NUMBERS]).T, strict=True)))
    model = LogisticRegression(max_iter=500).fit(coded, target)
    held = {"scaler": scaler, **{f"le_{k}": v for k, v in encoders.items()}, "model": model}
    return BundleCase(held, frame, model.predict(coded))


def _side_by_side(*, named: bool) -> BundleCase:
    """A scaler over numbers, a one-hot encoder over words, both joined with ``np.hstack``."""
    frame, target = people()
    rows = frame[NUMBERS + WORDS]
    numbers, words = (rows[part] if named else rows[part].to_numpy() for part in (NUMBERS, WORDS))
    scaler = StandardScaler().fit(numbers)
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(words)
    given = np.hstack([scaler.transform(numbers), encoder.transform(words)])
    model = LogisticRegression(max_iter=500).fit(given, target)
    held = {"encoder": encoder, "model": model, "scaler": scaler}
    if not named:
        held |= {"num_cols": NUMBERS, "cat_cols": WORDS}
    return BundleCase(held, rows, model.predict(given))


def _one_hot_frame() -> BundleCase:
    frame, target = people()
    encoder = OneHotEncoder(sparse_output=False).set_output(transform="pandas").fit(frame[WORDS])
    given = pd.concat([frame[NUMBERS], encoder.transform(frame[WORDS])], axis=1)
    model = RandomForestClassifier(10, random_state=0).fit(given, target)
    return BundleCase((model, encoder), frame[NUMBERS + WORDS], model.predict(given))


def _ordinal() -> BundleCase:
    frame, target = people()
    encoder = OrdinalEncoder().fit(frame[WORDS])
    coded = frame.copy()
    coded[WORDS] = encoder.transform(frame[WORDS])
    model = RandomForestClassifier(10, random_state=0).fit(coded, target)
    return BundleCase([encoder, model], frame, model.predict(coded))


def _mapping() -> BundleCase:
    frame, target = people()
    maps = {"city": {"Bonn": 0, "Köln": 1, "Łódź": 2}, "member": {"no": 0, "yes": 1}}
    coded = frame.assign(**{name: frame[name].map(codes) for name, codes in maps.items()})
    model = DecisionTreeClassifier(random_state=0).fit(coded, target)
    return BundleCase({"model": model, "mappings": maps}, frame, model.predict(coded))


def _chain(*parts: Any, model: Any, hold: Callable[[list[Any]], Any]) -> BundleCase:
    rows, target, _ = iris()
    given = rows.to_numpy()
    for part in parts:
        given = part.fit(given, target).transform(given)
    model.fit(given, target)
    return BundleCase(hold([*parts, model]), rows, model.predict(given))


def _imputed() -> BundleCase:
    rows, target, _ = iris()
    rows = rows.mask(np.random.default_rng(0).random(rows.shape) < 0.1)
    imputer = SimpleImputer().fit(rows)
    scaler = MinMaxScaler().fit(imputer.transform(rows))
    given = scaler.transform(imputer.transform(rows))
    model = KNeighborsClassifier().fit(given, target)
    held = {"scaler": scaler, "imputer": imputer, "model": model}
    return BundleCase(held, rows, model.predict(given))


def _text(vectorizer: Any, model: Any, hold: Callable[[Any, Any], Any]) -> BundleCase:
    texts, target = messages()
    given = vectorizer.fit_transform(texts)
    model.fit(given, target)
    rows = pd.DataFrame({"text": texts})
    return BundleCase(hold(vectorizer, model), rows, model.predict(given))


def _counts_then_weights() -> BundleCase:
    texts, target = messages()
    counts = CountVectorizer().fit(texts)
    weights = TfidfTransformer().fit(counts.transform(texts))
    svd = TruncatedSVD(3, random_state=0).fit(weights.transform(counts.transform(texts)))
    given = svd.transform(weights.transform(counts.transform(texts)))
    model = LogisticRegression().fit(given, target)
    held = {"svd": svd, "tfidf": weights, "count_vect": counts, "clf": model}
    return BundleCase(held, pd.DataFrame({"text": texts}), model.predict(given))


def _records() -> BundleCase:
    frame, _ = people()
    rows = frame[["age", "city"]]
    vectorizer = DictVectorizer()
    given = vectorizer.fit_transform(rows.to_dict("records"))
    model = Ridge().fit(given, frame["income"])
    return BundleCase((vectorizer, model), rows, model.predict(given))


def _with_columns(hold: Callable[[Any, list[str]], Any]) -> BundleCase:
    bunch = load_diabetes(as_frame=True)
    model = LinearRegression().fit(bunch.data.to_numpy(), bunch.target)
    columns = list(bunch.data.columns)
    return BundleCase(hold(model, columns), bunch.data, model.predict(bunch.data.to_numpy()))


def _preprocessor() -> BundleCase:
    frame, target = people()
    before = ColumnTransformer(
        [("n", StandardScaler(), NUMBERS), ("c", OneHotEncoder(), WORDS)]
    ).fit(frame)
    given = before.transform(frame)
    model = LogisticRegression(max_iter=500).fit(given, target)
    return BundleCase({"preprocessor": before, "model": model}, frame, model.predict(given))


def _scaler_already_inside() -> BundleCase:
    rows, target, _ = iris()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(rows, target)
    held = {"pipeline": pipeline, "scaler": pipeline.steps[0][1], "version": "1.2"}
    return BundleCase(held, rows, pipeline.predict(rows))


def _threshold() -> BundleCase:
    frame, target = people()
    model = LogisticRegression(max_iter=500).fit(frame[NUMBERS], target)
    answers = (model.predict_proba(frame[NUMBERS])[:, 1] >= 0.3).astype(int)
    return BundleCase({"model": model, "threshold": 0.3}, frame[NUMBERS], answers)


def _two_models() -> BundleCase:
    rows, target, _ = iris()
    forest = RandomForestClassifier(5, random_state=0).fit(rows, target)
    line = LogisticRegression(max_iter=500).fit(rows, target)
    return BundleCase({"baseline": line, "model": forest}, rows, forest.predict(rows))


def _everything() -> BundleCase:
    """Encoders, scaler, names, label encoder, threshold and notes in one nested dict."""
    frame, target = people()
    coded, encoders = _coded(frame)
    answer = LabelEncoder().fit(["leaves", "stays"])
    scaler = StandardScaler().fit(coded)
    model = SVC().fit(scaler.transform(coded), target)
    held = {
        "model": model,
        "preprocessing": {"scaler": scaler, "label_encoders": encoders},
        "target_encoder": answer,
        "feature_names": list(frame.columns),
        "metrics": {"accuracy": 0.93, "f1": 0.9},
        "trained": "2026-01-01",
    }
    names = answer.inverse_transform(model.predict(scaler.transform(coded)))
    return BundleCase(held, frame, names)


BUNDLES: dict[str, Callable[[], BundleCase]] = {
    "dict: scaler, model": lambda: _scaled(lambda s, m: {"scaler": s, "model": m}),
    "dict: model first, made on arrays": lambda: _scaled(
        lambda s, m: {"model": m, "sc": s}, named=False
    ),
    "tuple: scaler, model": lambda: _scaled(lambda s, m: (s, m)),
    "tuple: model, scaler": lambda: _scaled(lambda s, m: (m, s)),
    "list: model, scaler": lambda: _scaled(lambda s, m: [m, s]),
    "nested dict": lambda: _scaled(lambda s, m: {"artifacts": {"pre": {"s": s}, "clf": m}}),
    "bunch": lambda: _scaled(lambda s, m: Bunch(scaler=s, estimator=m)),
    "imputer, scaler, model": _imputed,
    "scaler, pca, model": lambda: _chain(
        StandardScaler(),
        PCA(2),
        model=LogisticRegression(),
        hold=lambda p: {"pca": p[1], "model": p[2], "scaler": p[0]},
    ),
    "polynomials before scaler": lambda: _chain(
        PolynomialFeatures(2),
        StandardScaler(),
        model=LogisticRegression(max_iter=500),
        hold=lambda p: {"scaler": p[1], "poly": p[0], "model": p[2]},
    ),
    "selector, scaler after it": lambda: _chain(
        SelectKBest(k=2),
        StandardScaler(),
        model=KNeighborsClassifier(),
        hold=lambda p: p[::-1],
    ),
    "label encoder of the answers": lambda: _label_encoder_case("label_encoder"),
    "label encoder called le": lambda: _label_encoder_case("le"),
    "target encoder": lambda: _label_encoder_case("species_target_encoder"),
    "class names as a list": lambda: _named_species(lambda names: {"class_names": list(names)}),
    "class names as an array": lambda: _named_species(lambda names: {"target_names": names}),
    "class names as a dict": lambda: _named_species(
        lambda names: {"idx_to_class": dict(enumerate(map(str, names)))}
    ),
    "class codes as a dict": lambda: _named_species(
        lambda names: {"class_to_idx": {str(name): i for i, name in enumerate(names)}}
    ),
    "two label encoders, named columns": lambda: _salary(named=True),
    "two label encoders, arrays": lambda: _salary(named=False),
    "dict of label encoders": lambda: _encoder_dict(scaled=False),
    "dict of label encoders and a scaler": lambda: _encoder_dict(scaled=True),
    "scaler over some columns": _scaled_numbers_among_codes,
    "scaler beside one-hot encoder": lambda: _side_by_side(named=True),
    "scaler beside one-hot encoder, arrays": lambda: _side_by_side(named=False),
    "one-hot encoder into named columns": _one_hot_frame,
    "ordinal encoder in place": _ordinal,
    "dicts that code categories": _mapping,
    "vectorizer, model": lambda: _text(TfidfVectorizer(), MultinomialNB(), lambda v, m: (v, m)),
    "model, vectorizer": lambda: _text(
        CountVectorizer(), LogisticRegression(), lambda v, m: {"model": m, "vectorizer": v}
    ),
    "counts, weights, topics": _counts_then_weights,
    "records": _records,
    "model and columns": lambda: _with_columns(lambda m, c: {"model": m, "columns": c}),
    "tuple: model, columns": lambda: _with_columns(lambda m, c: (m, c)),
    "column transformer beside the model": _preprocessor,
    "scaler that is in the pipeline already": _scaler_already_inside,
    "threshold": _threshold,
    "two models": _two_models,
    "everything at once": _everything,
}

Kept = namedtuple("Kept", ["scaler", "model"])


@dataclass
class Trained:
    """A bundle as a class of its author's."""

    scaler: Any
    model: Any


class Handmade:
    """A bundle as a plain object."""

    def __init__(self, scaler: Any, model: Any) -> None:
        self.scaler, self.model = scaler, model


OWN_CLASSES: dict[str, Callable[[], BundleCase]] = {
    "namedtuple": lambda: _scaled(Kept),
    "dataclass": lambda: _scaled(Trained),
    "own class": lambda: _scaled(Handmade),
}
"""Bundles of classes that only the policy custom lets load."""

__all__ = ["BUNDLES", "OWN_CLASSES", "BundleCase"]
