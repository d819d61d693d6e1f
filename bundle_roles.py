"""What a member of a bundle is for, by the name of its class and the key it was saved under.

Owns: the roles (``MODEL``, ``ENCODER`` …), their usual order, ``role_of_class`` and the reading of
keys such as ``le_country``. Used on both sides: where a file's bytes are read and in the worker.
Stand-alone: standard library, Python 3.7 syntax.
"""

from __future__ import annotations

import re

MODEL = "model"
ENCODER = "encoder"
IMPUTER = "imputer"
VECTORIZER = "vectorizer"
EXPANDER = "expander"
SCALER = "scaler"
SELECTOR = "selector"
REDUCER = "reducer"
PREPROCESSOR = "preprocessor"
LABELS = "labels"
COLUMNS = "columns"
THRESHOLD = "threshold"
OTHER = "other"

TRANSFORMER_ROLES = (
    PREPROCESSOR,
    ENCODER,
    IMPUTER,
    VECTORIZER,
    EXPANDER,
    SCALER,
    SELECTOR,
    REDUCER,
)
"""Roles of parts that stand before the model, in the order in which they usually come."""

_RULES = (
    (
        PREPROCESSOR,
        r"sklearn\.compose\..*ColumnTransformer|.*\.FeatureUnion|.*\.FunctionTransformer",
    ),
    (ENCODER, r".*\.(LabelEncoder|LabelBinarizer|MultiLabelBinarizer)|category_encoders\..*"),
    (ENCODER, r"sklearn\.preprocessing\..*(OneHotEncoder|OrdinalEncoder|TargetEncoder)"),
    (IMPUTER, r"sklearn\.impute\..*|.*\.\w*Imputer"),
    (VECTORIZER, r"sklearn\.feature_extraction\..*"),
    (EXPANDER, r"sklearn\.preprocessing\..*(PolynomialFeatures|SplineTransformer)"),
    (SELECTOR, r"sklearn\.feature_selection\..*"),
    (
        REDUCER,
        r"sklearn\.(decomposition|random_projection|kernel_approximation|manifold"
        r"|cross_decomposition)\..*",
    ),
    (SCALER, r"sklearn\.preprocessing\..*"),
)

_FILLERS = {
    "le", "lbl", "label", "enc", "encoder", "encoders", "encoding", "ohe", "onehot", "one", "hot",
    "ordinal", "oe", "scaler", "scalers", "imputer", "std", "standard", "minmax", "sc", "map",
    "mapping", "mappings", "dict", "preprocessor", "transformer", "pkl", "joblib", "pickle",
}  # fmt: skip
"""Words of a key that say what a part is, not which column it is for."""

TARGET_WORDS = frozenset(
    ("target", "targets", "y", "label", "labels", "class", "classes", "output", "outcome", "answer")
)
MODEL_WORDS = frozenset(
    ("model", "clf", "classifier", "regressor", "estimator", "predictor", "pipeline", "pipe")
)
THRESHOLD_WORDS = frozenset(("threshold", "thresholds", "cutoff", "thresh"))
NUMERIC_WORDS = frozenset(("num", "numeric", "numerical", "numbers", "continuous", "scaled"))
COLUMN_WORDS = frozenset(
    ("columns", "cols", "column", "col", "features", "feature", "inputs", "num", "cat", "numeric")
)
CATEGORY_WORDS = frozenset(("cat", "cats", "categorical", "categories", "encoded", "nominal"))


def role_of_class(path: str) -> str | None:
    """Return the role of a transformer by its class, None for anything else.

    Parameters
    ----------
    path : str
        ``module.name`` of the class.

    Examples
    --------
    >>> role_of_class("sklearn.preprocessing._data.StandardScaler")
    'scaler'
    >>> role_of_class("sklearn.tree._classes.DecisionTreeClassifier") is None
    True
    """
    return next((role for role, rule in _RULES if re.fullmatch(rule, path)), None)


def words_of(key: str) -> list[str]:
    """Return the words of a key in lower case.

    Examples
    --------
    >>> words_of("models.le_JobTitle")
    ['models', 'le', 'job', 'title']
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def column_words(path: str) -> list[str]:
    """Return the words of a member's key that may name a column.

    Examples
    --------
    >>> column_words("encoders.le_country"), column_words("label_encoder")
    (['country'], [])
    """
    last = path.rsplit(".", 1)[-1]
    return [word for word in words_of(last) if word not in _FILLERS and not word.isdigit()]


def names_target(path: str) -> bool:
    """Whether a key says that its member is about the answers.

    Examples
    --------
    >>> names_target("target_encoder"), names_target("le_country")
    (True, False)
    """
    words = set(words_of(path.rsplit(".", 1)[-1]))
    return bool((words - {"label"} if words & {"encoder", "enc", "le"} else words) & TARGET_WORDS)


def order_of(role: str, class_path: str = "") -> float:
    """Return where parts of a role usually stand; smaller comes first.

    Examples
    --------
    >>> order_of("scaler") < order_of("no role at all")
    True
    """
    if class_path.endswith(".TfidfTransformer"):
        return TRANSFORMER_ROLES.index(VECTORIZER) + 0.5
    return float(TRANSFORMER_ROLES.index(role)) if role in TRANSFORMER_ROLES else 99.0
