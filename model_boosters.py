"""xgboost, lightgbm and catboost: bare boosters as estimators, and what boosters know of columns.

Owns: ``wrap`` and ``read_booster`` (a bare booster or its file as an object with ``predict``),
``feature_names`` and ``column_facts``. Stand-alone: standard library and numpy, Python 3.7 syntax;
the booster's own library is imported only by ``read_booster``.
"""
# ruff: noqa: B905 - zip(strict=) needs Python 3.10

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # old numpy versions have no numpy.typing
    from numpy.typing import NDArray

Fitted = Any
"""An object of a booster library."""

MAX_DUMP_BYTES = 30 << 20
"""Larger xgboost models are not searched for split points."""

CATBOOST_CLASSIFIERS = ("Logloss", "CrossEntropy", "Multi")
"""How the losses begin for which catboost makes a classifier."""

GENERATED_NAMES = re.compile(r"(Column_|f|x)?\d+")
"""Names that libraries make up when there were none."""


class BoosterModel:
    """A bare booster that takes tables and answers like a scikit-learn estimator.

    Parameters
    ----------
    booster : xgboost.Booster or lightgbm.Booster
    """

    def __init__(self, booster: Fitted) -> None:
        self.booster = booster
        self.objective, self.n_classes = _objective(booster)
        self._estimator_type = "classifier" if self.n_classes else "regressor"
        if self.n_classes:
            self.classes_ = np.arange(self.n_classes)
            self.predict_proba = self._predict_proba
        self.n_features_in_ = int(_call(booster, "num_features") or _call(booster, "num_feature"))

    def predict(self, X: Fitted) -> NDArray[Any]:
        """Return class numbers or values, shape (n,) (or (n, outputs))."""
        if self.n_classes:
            best: NDArray[Any] = np.argmax(self._predict_proba(X), axis=1)
            return best
        return self._raw(X)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return what is known of the training: the objective."""
        return {"objective": self.objective}

    def _predict_proba(self, X: Fitted) -> NDArray[Any]:
        """Return class probabilities, shape (n, n_classes)."""
        raw = self._raw(X)
        if raw.ndim == 1 and self.n_classes == 2:
            positive = 1 / (1 + np.exp(-raw)) if "logitraw" in self.objective else raw
            return np.column_stack([1 - positive, positive])
        if raw.ndim == 1:  # xgboost's multi:softmax answers with class numbers
            certain: NDArray[Any] = np.eye(self.n_classes)[raw.astype(int)]
            return certain
        return raw

    def _raw(self, X: Fitted) -> NDArray[Any]:
        if type(self.booster).__module__.startswith("xgboost"):
            names = None if hasattr(X, "columns") else self.booster.feature_names
            matrix = sys.modules["xgboost"].DMatrix(X, feature_names=names, **_categorical(X))
            return np.asarray(self.booster.predict(matrix))
        return np.asarray(self.booster.predict(X))


def wrap(loaded: Fitted) -> BoosterModel | None:
    """Return a bare xgboost or lightgbm booster as an estimator, or None for anything else."""
    kind = type(loaded)
    if kind.__name__ != "Booster" or kind.__module__.split(".")[0] not in ("xgboost", "lightgbm"):
        return None
    return BoosterModel(loaded)


def unwrap(model: Fitted) -> Fitted:
    """Return the bare booster that ``wrap`` was given, or the model itself."""
    return model.booster if isinstance(model, BoosterModel) else model


def read_booster(data: bytes, container: str) -> Fitted:
    """Return the booster in a file of its own format.

    Parameters
    ----------
    data : bytes
        The whole file.
    container : {"xgboost-json", "xgboost-ubj", "lightgbm-text", "catboost-cbm"}
        As ``file_kinds.recognise`` tells.

    Returns
    -------
    xgboost.Booster, lightgbm.Booster or a model of catboost
        For ``model_describe.find_model``.

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    if container == "lightgbm-text":
        import lightgbm

        return lightgbm.Booster(model_str=data.decode("utf-8"))
    if container == "catboost-cbm":
        return _read_catboost(data)
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(data))
    return booster


def _read_catboost(data: bytes) -> Fitted:
    """Return a classifier or regressor, as the loss told by the file's own parameters asks for."""
    import catboost

    model = catboost.CatBoost()
    model.load_model(blob=data)
    loss = str(model.get_all_params().get("loss_function", ""))
    if not loss.startswith(CATBOOST_CLASSIFIERS):
        model = catboost.CatBoostRegressor()
    else:
        model = catboost.CatBoostClassifier()
    return model.load_model(blob=data)


def booster_of(model: Fitted) -> Fitted:
    """Return the booster inside a scikit-learn style wrapper, or None."""
    if isinstance(model, BoosterModel):
        return model.booster
    root = type(model).__module__.split(".")[0]
    if root == "xgboost" and hasattr(model, "get_booster"):
        return model.get_booster()
    if root == "lightgbm":
        return getattr(model, "booster_", None)
    return model if root == "catboost" else None


def n_targets(model: Fitted) -> int:
    """Return how many numbers per row an xgboost model was trained to predict, else 1."""
    booster = booster_of(model)
    if booster is None or not type(booster).__module__.startswith("xgboost"):
        return 1
    parameters = json.loads(booster.save_config())["learner"]["learner_model_param"]
    return int(parameters.get("num_target", 1))


def feature_names(model: Fitted) -> list[str] | None:
    """Return the column names a booster was trained with, or None where it made them up."""
    booster = booster_of(model)
    if booster is None:
        return None
    names = getattr(booster, "feature_names_", None) or getattr(booster, "feature_names", None)
    names = names or _call(booster, "feature_name")
    if not names or all(GENERATED_NAMES.fullmatch(str(name)) for name in names):
        return None
    return [str(name) for name in names]


def column_facts(model: Fitted) -> list[dict[str, Any]]:
    """Return what a booster knows of each of its input columns.

    Returns
    -------
    list of dict
        Keys, where known: ``kind``, ``categories``, ``minimum`` and ``maximum`` (of the training
        data), ``splits`` (array of split points). Empty for other models.
    """
    booster = booster_of(model)
    if booster is None:
        return []
    root = type(booster).__module__.split(".")[0]
    readers = {"xgboost": _xgboost_facts, "lightgbm": _lightgbm_facts, "catboost": _catboost_facts}
    return readers[root](booster)


# ---------------------------------------------------------------- xgboost


def _xgboost_facts(booster: Fitted) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = [{} for _ in range(booster.num_features())]
    for told, kind in zip(facts, booster.feature_types or []):
        if kind in ("int", "i", "c"):
            told["kind"] = {"int": "integer", "i": "boolean", "c": "categorical"}[kind]
    for i, categories in _xgboost_categories(booster).items():
        facts[i]["categories"] = categories
    raw = booster.save_raw("json")
    if len(raw) > MAX_DUMP_BYTES:
        return facts
    for i, splits in _xgboost_splits(json.loads(raw)).items():
        if facts[i].get("kind") != "categorical":
            facts[i]["splits"] = splits
    return facts


def _xgboost_categories(booster: Fitted) -> dict[int, list[Any]]:
    """Return the categories of categorical columns (kept by xgboost 3.1 and later)."""
    get_categories = getattr(booster, "get_categories", None)
    config = json.loads(booster.save_config())
    if get_categories is None or config["learner"]["gradient_booster"]["name"] == "gblinear":
        return {}  # linear boosters refuse the question
    exported = get_categories(export_to_arrow=True).to_arrow()
    pairs = enumerate(exported or [])
    return {i: values.to_pylist() for i, (_, values) in pairs if values is not None}


def _xgboost_splits(document: dict[str, Any]) -> dict[int, NDArray[Any]]:
    """Return the split points of each column in a model's JSON document."""
    booster = document["learner"]["gradient_booster"]
    booster = booster.get("gbtree", booster)  # dart nests its trees
    found: dict[int, list[float]] = {}
    for tree in booster.get("model", {}).get("trees", []):
        for column, split, left in zip(
            tree["split_indices"], tree["split_conditions"], tree["left_children"]
        ):
            if left >= 0:
                found.setdefault(column, []).append(split)
    return {i: np.array(splits) for i, splits in found.items()}


# ---------------------------------------------------------------- lightgbm, catboost


def _lightgbm_facts(booster: Fitted) -> list[dict[str, Any]]:
    """Read the header of the model's text: ``[min:max]`` or the numbers of the categories."""
    text = booster.model_to_string(num_iteration=1)
    found = re.search(r"^feature_infos=(.*)$", text, re.MULTILINE)
    infos = found.group(1).split() if found else []
    categories = iter(getattr(booster, "pandas_categorical", None) or [])
    return [_lightgbm_column(info, categories) for info in infos]


def _lightgbm_column(info: str, categories: Iterator[Fitted]) -> dict[str, Any]:
    """Return the facts of one column from its entry in ``feature_infos``."""
    if info.startswith("["):
        low, high = info[1:-1].split(":")
        return {"minimum": float(low), "maximum": float(high)}
    if info == "none":  # constant in training
        return {}
    known = next(categories, None)
    if known is not None:
        return {"kind": "categorical", "categories": list(known)}
    codes = [int(code) for code in info.split(":")]  # handed over as numbers, -1 is missing
    return {"kind": "integer", "minimum": max(min(codes), 0), "maximum": max(codes)}


def _catboost_facts(model: Fitted) -> list[dict[str, Any]]:
    """Read borders of numeric columns and which columns are categorical."""
    facts: list[dict[str, Any]] = [{} for _ in model.feature_names_]
    for i in model.get_cat_feature_indices():
        facts[i]["kind"] = "categorical"
    for i, borders in (_call(model, "get_borders") or {}).items():
        if len(borders) and int(i) < len(facts):
            facts[int(i)]["splits"] = np.asarray(borders)
    return facts


# ---------------------------------------------------------------- bare boosters


def _objective(booster: Fitted) -> tuple[str, int]:
    """Return a booster's objective and its number of classes (0 for regression and ranking)."""
    if type(booster).__module__.startswith("xgboost"):
        learner = json.loads(booster.save_config())["learner"]
        objective = str(learner["objective"]["name"])
        n_classes = int(learner["learner_model_param"]["num_class"])
    else:
        found = re.search(r"^objective=(\S+)(.*)$", booster.model_to_string(num_iteration=1), re.M)
        objective = found.group(1) if found else ""
        n_classes = booster.num_model_per_iteration()
    if objective.startswith("binary"):
        return objective, 2
    return objective, n_classes if objective.startswith("multi") else 0


def _categorical(X: Fitted) -> dict[str, bool]:
    """Return the option that tables with category columns need."""
    kinds = [str(kind) for kind in getattr(X, "dtypes", [])]
    return {"enable_categorical": True} if "category" in kinds else {}


def _call(model: Fitted, name: str) -> Fitted:
    """Call a method without arguments, or return None where there is none."""
    method = getattr(model, name, None)
    return method() if callable(method) else None
