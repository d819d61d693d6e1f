"""What a loaded estimator is: its task, classes, input columns, steps and parameters.

Owns: ``find_model`` (which member of a loaded file is the model), ``describe`` (estimator -> plain
dictionary of the form of ``model_types.ModelInfo``) and ``model_input`` (a table in the form the
model was fitted on). Runs inside the model's own process, possibly under an old interpreter: Python
3.7 syntax, standard library and numpy only; every other library is looked up among those already
imported. Everything is read from attributes; the model is never asked to predict.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

import numpy as np

import model_boosters
import model_columns
import worker_bundle
import worker_compose
import worker_members
from model_facts import class_names_of, is_pipeline, plain, shape_of

Fitted = Any
"""An object of any library."""

CUT = 120
"""Characters kept of a parameter's ``repr``."""

MAX_CLASSES = 10_000

LIBRARIES = (
    *("numpy", "pandas", "sklearn", "scipy", "joblib", "skops"),
    *("xgboost", "lightgbm", "catboost", "onnxruntime", "torch"),
)

SINGLE_WRAPPERS = ("best_estimator_", "estimator_", "regressor_")
"""Attributes under which meta-estimators keep the one estimator they fitted."""


class NotAModelError(ValueError):
    """The file holds something that cannot predict; the message says what and what to upload."""


def find_model(loaded: Fitted, composition: dict[str, Any] | None = None) -> tuple[Any, list[str]]:
    """Return the object that predicts, from whatever a file contained.

    Parameters
    ----------
    loaded : object
        What unpickling gave: an estimator, a booster, or a dict, list, tuple or plain object that
        holds one beside other parts.
    composition : dict, optional
        How the parts of a bundle belong together, where that was said by hand.

    Returns
    -------
    estimator : object
        Has ``predict``. Boosters of xgboost and lightgbm are wrapped so that they take tables and
        answer like scikit-learn estimators.
    notes : list of str
        What was chosen and what was left aside, for the user.

    Raises
    ------
    NotAModelError
        If nothing in there predicts.

    Examples
    --------
    >>> find_model({"threshold": 0.5})
    Traceback (most recent call last):
        ...
    model_describe.NotAModelError: The file holds a dict with the members threshold (float), and \
none of them can predict. Upload the fitted model itself.
    """
    opened = open_loaded(loaded, composition)
    return opened.estimator, opened.notes


def open_loaded(loaded: Fitted, composition: dict[str, Any] | None = None) -> worker_bundle.Opened:
    """Return what ``find_model`` does, with what was found of a bundle (None for a lone model)."""
    wrapped = model_boosters.wrap(loaded)
    if wrapped is not None:
        return worker_bundle.Opened(wrapped, [], None)
    if worker_members.items_of(loaded) is not None or isinstance(loaded, (dict, list, tuple)):
        return _open_bundle(loaded, composition)
    if isinstance(loaded, type) or not callable(getattr(loaded, "predict", None)):
        raise NotAModelError(_why_not(loaded))
    if _is_unfitted(loaded):
        name = type(loaded).__name__
        message = f"The file holds a {name} that was never fitted. Call fit and save it again."
        raise NotAModelError(message)
    return worker_bundle.Opened(loaded, [], None)


def _open_bundle(loaded: Fitted, composition: dict[str, Any] | None) -> worker_bundle.Opened:
    try:
        return worker_bundle.open_bundle(loaded, composition)
    except worker_compose.BundleError as error:
        raise NotAModelError(str(error)) from error


def describe(estimator: Fitted) -> dict[str, Any]:
    """Return what a fitted estimator says of itself.

    Parameters
    ----------
    estimator : object
        As returned by ``find_model``.

    Returns
    -------
    dict
        The fields of ``model_types.ModelInfo``, JSON-able.
    """
    final = final_estimator(estimator)
    outputs = _outputs(estimator, final)
    columns = model_columns.input_columns(estimator)
    shown = estimator.model if "Bundle" in class_names_of(estimator) else estimator
    outer, inner = (type(model_boosters.unwrap(one)) for one in (shown, final))
    return {
        "estimator": outer.__name__,
        "module": outer.__module__,
        "final_estimator": inner.__name__,
        "has_proba": outputs["task"] in CLASSIFICATION and hasattr(estimator, "predict_proba"),
        "has_score": hasattr(estimator, "decision_function"),
        "steps": _steps(estimator),
        "parameters": _parameters(estimator),
        "versions": _versions(),
        "n_outputs": 1,
        "output_names": [],
        "classes": None,
        "output_classes": None,
        **outputs,
        **columns,
    }


def final_estimator(estimator: Fitted) -> Fitted:
    """Return the innermost predictor: through pipelines, searches, calibration and thresholds."""
    for _ in range(20):
        inner = _inner(estimator)
        if inner is None:
            return estimator
        estimator = inner
    return estimator


def model_input(frame: Fitted, input_form: str, features: list[dict[str, Any]]) -> Fitted:
    """Return a table in the form the model was fitted on.

    Parameters
    ----------
    frame : pandas.DataFrame
        The model's columns, in order.
    input_form : {"frame", "categories", "matrix", "text", "records"}
        ``describe(...)["input_form"]``.
    features : list of dict
        ``describe(...)["features"]``, for the categories.

    Returns
    -------
    DataFrame, ndarray of shape (n, k), list of str, or list of dict
    """
    if input_form == "frame":
        return frame
    if input_form == "categories":
        known = {f["name"]: f["categories"] for f in features if f.get("categories")}
        category = sys.modules["pandas"].CategoricalDtype
        return frame.astype({name: category(labels) for name, labels in known.items()})
    if input_form == "text":
        texts = frame.iloc[:, 0]
        pairs = zip(texts, texts.isna())  # noqa: B905 - Python 3.7
        # a missing text stays missing: what the model makes of it is the model's affair
        return [text if missing else str(text) for text, missing in pairs]
    if input_form == "records":
        return frame.to_dict("records")
    return frame.to_numpy()


# ---------------------------------------------------------------- what the file held


def _why_not(loaded: Fitted) -> str:
    """One sentence on what was found instead of a model."""
    name = type(loaded).__name__
    if isinstance(loaded, type):
        return f"The file holds the class {loaded.__name__}, not a fitted instance of it."
    if hasattr(loaded, "best_params_") or hasattr(loaded, "refit"):
        return f"The {name} was made with refit=False and cannot predict. Save its best model."
    if name == "LocalOutlierFactor":
        return "This LocalOutlierFactor cannot predict new rows. Fit it with novelty=True."
    if name in ("DataFrame", "Series", "ndarray", "csr_matrix"):
        shape = "×".join(str(size) for size in loaded.shape)
        return f"The file holds data (a {name} of {shape}), not a model. Upload the fitted model."
    if hasattr(loaded, "transform"):
        return (
            f"The file holds a {name}, which transforms data but does not predict. Upload the "
            "model, or a Pipeline of both."
        )
    if callable(loaded) and hasattr(loaded, "__name__"):
        return f"The file holds the function {loaded.__name__}. Upload a fitted model object."
    return f"The file holds a {name}, which has no predict method. Upload the fitted model."


def _is_unfitted(estimator: Fitted) -> bool:
    """Whether a scikit-learn estimator carries nothing learnt (no attribute ends in ``_``)."""
    final = final_estimator(estimator)
    if not type(final).__module__.startswith("sklearn."):
        return False
    learnt = [name for name in vars(final) if name.endswith("_") and not name.startswith("__")]
    return not learnt and not hasattr(final, "_fit_X")


def _inner(estimator: Fitted) -> Fitted:
    """Return the estimator one wrapper further in, or None for a plain predictor."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps and is_pipeline(estimator):
        last = steps[-1][1]
        return None if last in (None, "passthrough") else last
    fitted = getattr(estimator, "__dict__", {})
    for name in SINGLE_WRAPPERS if "estimators_" not in fitted else ():  # there: only a template
        inner = fitted.get(name)
        if inner is not None and hasattr(inner, "predict"):
            return inner
    calibrated = getattr(estimator, "calibrated_classifiers_", None)
    if calibrated:
        inner = getattr(calibrated[0], "estimator", None)
        return inner or getattr(calibrated[0], "base_estimator", None)
    return None


# ---------------------------------------------------------------- task and outputs

CLASSIFICATION = ("binary", "multiclass", "multilabel", "multioutput")


def _outputs(estimator: Fitted, final: Fitted) -> dict[str, Any]:
    """Return task, outputs and classes."""
    kind = _estimator_kind(estimator, final)
    if kind == "classifier":
        return _classifier_outputs(estimator, final)
    if kind == "regressor":
        n_outputs = _n_regression_outputs(final)
        return {
            "task": "regression",
            "n_outputs": n_outputs,
            "output_names": _output_names(n_outputs),
        }
    return {"task": "clustering" if kind == "clusterer" else "outlier"}


def _estimator_kind(estimator: Fitted, final: Fitted) -> str:
    """Return scikit-learn's ``estimator_type``, told by tags, attribute or what is there."""
    for candidate in (estimator, final):
        kind = _tagged_kind(candidate) or getattr(candidate, "_estimator_type", None)
        if kind in ("classifier", "regressor", "clusterer", "outlier_detector"):
            return str(kind)
        if kind in ("density_estimator", "DensityEstimator"):
            return "clusterer"
    if hasattr(estimator, "classes_") or hasattr(estimator, "predict_proba"):
        return "clusterer" if hasattr(final, "weights_") else "classifier"
    if hasattr(final, "offset_") and hasattr(estimator, "decision_function"):
        return "outlier_detector"
    if hasattr(final, "cluster_centers_") or hasattr(final, "labels_"):
        return "clusterer"
    return "regressor"


def _tagged_kind(estimator: Fitted) -> str | None:
    """Return ``estimator_type`` from scikit-learn's tags (1.6 and later)."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    if tags is None:
        return None
    try:
        return getattr(tags(), "estimator_type", None)
    except (AttributeError, TypeError, ValueError):  # an old file under a new library
        return None


def _classifier_outputs(estimator: Fitted, final: Fitted) -> dict[str, Any]:
    """Return task and classes of a classifier with one or several outputs."""
    classes = _classes(estimator, final)
    if classes is not None and len(classes) > MAX_CLASSES:
        message = f"The model lists {len(classes):,} classes; {MAX_CLASSES:,} are the most."
        raise NotAModelError(message)
    if classes is None:
        note = "The model does not list its classes; 0 and 1 are assumed."
        return {"task": "binary", "classes": [0, 1], "notes": [note]}
    if isinstance(classes, list):
        per_output = [labels_of(one) for one in classes]
    elif _is_multilabel(final):
        per_output = [[0, 1] for _ in range(len(classes))]
    else:
        labels = labels_of(classes)
        return {"task": "binary" if len(labels) <= 2 else "multiclass", "classes": labels}
    binary = all(set(labels) <= {0, 1} for labels in per_output)
    return {
        "task": "multilabel" if binary else "multioutput",
        "n_outputs": len(per_output),
        "output_names": _output_names(len(per_output)),
        "output_classes": per_output,
    }


def _classes(estimator: Fitted, final: Fitted) -> Fitted:
    """Return ``classes_``: an array, a list of arrays (one per output) or None."""
    for candidate in (estimator, final):
        try:
            classes = getattr(candidate, "classes_", None)
        except (TypeError, ValueError, IndexError):  # a property over state an old file lacks
            classes = None
        if classes is not None and len(classes):
            several = isinstance(classes, list) and np.ndim(classes[0]) > 0
            return list(classes) if several else np.asarray(classes)
    return None


def _is_multilabel(final: Fitted) -> bool:
    """Whether a classifier whose ``classes_`` is flat learnt an indicator matrix."""
    if getattr(final, "multilabel_", False):
        return True
    binarizer = getattr(final, "_label_binarizer", None)
    return getattr(binarizer, "y_type_", "") == "multilabel-indicator"


def _n_regression_outputs(final: Fitted) -> int:
    """Return how many numbers a regressor predicts per row."""
    n_outputs = getattr(final, "n_outputs_", None) or getattr(final, "n_outputs", None)
    if isinstance(n_outputs, (int, np.integer)):
        return int(n_outputs)
    if model_boosters.n_targets(final) > 1:
        return model_boosters.n_targets(final)
    if class_names_of(final) & {"MultiOutputRegressor", "RegressorChain"}:
        return len(final.estimators_)
    for name in ("_y", "y_train_"):  # neighbours, Gaussian processes
        shape = shape_of(final, name)
        if len(shape) == 2:
            return shape[1]
    shape = shape_of(final, "coef_")
    return shape[0] if len(shape) == 2 else 1


def _output_names(n_outputs: int) -> list[str]:
    """Return names for several outputs, nothing for one."""
    return [f"output_{i}" for i in range(n_outputs)] if n_outputs > 1 else []


def labels_of(values: Fitted) -> list[Any]:
    """Return labels as JSON can carry them: str, int, float or bool.

    Examples
    --------
    >>> labels_of(np.array([1.5, 2.0]))
    [1.5, 2.0]
    """
    return [plain(value) for value in values]


# ---------------------------------------------------------------- steps, parameters, versions


def _steps(estimator: Fitted) -> list[dict[str, Any]]:
    """Return the steps of the outermost pipeline, through searches and other wrappers."""
    for _ in range(20):
        if is_pipeline(estimator):
            return [_step(name, step) for name, step in estimator.steps]
        estimator = _inner(estimator)
        if estimator is None:
            return []
    return []


def _step(name: str, step: Fitted) -> dict[str, Any]:
    """Return one step; "passthrough" and None are steps that do nothing."""
    if "BundlePart" in class_names_of(step):
        step = step.part
    if step is None or isinstance(step, str):
        return {"name": str(name), "estimator": "passthrough", "parameters": {}}
    return {
        "name": str(name),
        "estimator": type(step).__name__,
        "parameters": _parameters(step),
    }


def _parameters(estimator: Fitted) -> dict[str, str]:
    """Return the estimator's own parameters (not those of its parts) as short text."""
    get_params = getattr(estimator, "get_params", None)
    if get_params is None:
        return {}
    try:
        parameters = get_params(deep=False)
    except (AttributeError, TypeError, ValueError):  # saved by a version with other parameters
        return {}
    skipped = ("steps", "transformers", "missing")
    return {str(k): _short(v) for k, v in sorted(parameters.items()) if k not in skipped}


def _short(value: Fitted) -> str:
    """Return ``repr`` on one line, cut to ``CUT`` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= CUT else text[: CUT - 1] + "…"


def _versions() -> dict[str, str]:
    """Return the versions of Python and of every known library this process has imported."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            versions[name] = str(version)
    return versions
