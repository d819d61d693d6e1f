"""Built-in examples: models trained here, on data that scikit-learn ships or made up.

Owns: the list of examples, how each is trained, and the folder that holds them. The models are
trained once per installed scikit-learn in a process of their own (``python -m examples``), so that
no door ever imports scikit-learn; afterwards they are ordinary files, uploaded like a user's own.
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Example:
    """One built-in example.

    Parameters
    ----------
    id : str
        Stem of its files: ``<id>.pkl`` and ``<id>.csv``.
    title, description : str
        Shown on the page.
    target : str or None
        Target column of the sample.
    lesson : str
        What a reader should notice in the report.
    """

    id: str
    title: str
    description: str
    target: str | None
    lesson: str


EXAMPLES: tuple[Example, ...] = (
    Example(
        "iris_forest",
        "Iris flowers",
        "Random forest, 3 classes, 4 measurements",
        "species",
        "A healthy multiclass model: two petal measurements decide nearly everything.",
    ),
    Example(
        "tumour_boosting",
        "Breast tumours",
        "Gradient boosting, yes/no, 30 measurements",
        "malignant",
        "A good binary classifier; see how calibrated its probabilities are.",
    ),
    Example(
        "diabetes_ridge",
        "Diabetes progression",
        "Ridge regression in a pipeline, 10 measurements",
        "progression",
        "A modest regression: better than the mean, yet with wide residuals.",
    ),
    Example(
        "clinic_pipeline",
        "Clinic records",
        "Pipeline with categories and missing values, yes/no",
        "fast_progression",
        "Strings, gaps and numbers go in as they are; explanations stay in those columns.",
    ),
    Example(
        "digits_network",
        "Handwritten digits",
        "Neural network, 10 classes, 64 pixels",
        "digit",
        "Many inputs and classes; no exact explanation exists, so one is estimated.",
    ),
    Example(
        "wine_outliers",
        "Unusual wines",
        "Isolation forest, outlier detection, 13 measurements",
        None,
        "No labels and no accuracy: what it flags, how steadily, and why.",
    ),
    Example(
        "spam_words",
        "Spam messages",
        "Logistic regression on the words of a text, yes/no",
        "label",
        "Raw text goes in; the explanations say which words speak for spam.",
    ),
    Example(
        "house_prices",
        "House prices",
        "Boosted trees in a pipeline, with the date of the sale",
        "price",
        "Dates, yes/no, names and numbers side by side; the market shows in the date.",
    ),
    Example(
        "flawed_tree",
        "A flawed model",
        "Decision tree trained on shuffled labels",
        "malignant",
        "Looks like any other file and is worth nothing: the report must say so.",
    ),
)


def example_by_id(example_id: str) -> Example:
    """Return the example called ``example_id``; raises KeyError for an unknown one."""
    return {example.id: example for example in EXAMPLES}[example_id]


def examples_folder(data_dir: Path) -> Path:
    """Folder of the trained examples for the installed scikit-learn."""
    return data_dir / "examples" / f"scikit-learn-{version('scikit-learn')}"


def is_ready(data_dir: Path) -> bool:
    """Whether every example has been trained."""
    folder = examples_folder(data_dir)
    return all((folder / f"{example.id}.pkl").exists() for example in EXAMPLES)


def start_training(data_dir: Path) -> subprocess.Popen[bytes]:
    """Train missing examples in a process of their own (about ten seconds, once)."""
    command = [sys.executable, "-m", "examples", "--data-dir", str(data_dir)]
    return subprocess.Popen(command, cwd=Path(__file__).parent)  # noqa: S603 - our own module


def train_examples(folder: Path) -> None:
    """Train what is missing in ``folder``; safe to call from several processes at once."""
    import fcntl  # the launcher must start where there is none, to say so

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for example in EXAMPLES:
            if not (folder / f"{example.id}.pkl").exists():
                _write(folder, example, *_TRAINERS[example.id]())


def _write(folder: Path, example: Example, model: Any, sample: pd.DataFrame) -> None:  # noqa: ANN401 - any estimator
    sample.to_csv(folder / f"{example.id}.csv", index=False)
    part = folder / f"{example.id}.part"
    part.write_bytes(pickle.dumps(model))
    part.replace(folder / f"{example.id}.pkl")


def _iris() -> tuple[Any, pd.DataFrame]:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    bunch = load_iris(as_frame=True)
    inputs = bunch.data.rename(columns=lambda name: name.replace(" (cm)", "").replace(" ", "_"))
    species = bunch.target.map(dict(enumerate(bunch.target_names))).astype(str)
    train, test = _halves(inputs, stratify=species)
    model = RandomForestClassifier(100, random_state=0).fit(inputs.loc[train], species[train])
    return model, inputs.loc[test].assign(species=species[test])


def _tumours() -> tuple[pd.DataFrame, pd.Series[Any]]:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    inputs = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    return inputs, bunch.target.map({0: "yes", 1: "no"}).astype(str)


def _tumour_boosting() -> tuple[Any, pd.DataFrame]:
    from sklearn.ensemble import GradientBoostingClassifier

    inputs, malignant = _tumours()
    train, test = _halves(inputs, stratify=malignant)
    model = GradientBoostingClassifier(random_state=0).fit(inputs.loc[train], malignant[train])
    return model, inputs.loc[test].assign(malignant=malignant[test])


def _flawed() -> tuple[Any, pd.DataFrame]:
    from sklearn.tree import DecisionTreeClassifier

    inputs, malignant = _tumours()
    train, test = _halves(inputs, stratify=malignant)
    shuffled = malignant[train].sample(frac=1.0, random_state=1).to_numpy()
    model = DecisionTreeClassifier(random_state=0).fit(inputs.loc[train], shuffled)
    return model, inputs.loc[test].assign(malignant=malignant[test])


def _diabetes() -> tuple[pd.DataFrame, pd.Series[Any]]:
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(as_frame=True, scaled=False)
    names = {
        "bp": "blood_pressure",
        "s1": "cholesterol",
        "s2": "ldl",
        "s3": "hdl",
        "s4": "cholesterol_to_hdl",
        "s5": "log_triglycerides",
        "s6": "glucose",
    }
    return bunch.data.rename(columns=names), bunch.target


def _ridge() -> tuple[Any, pd.DataFrame]:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, progression = _diabetes()
    train, test = _halves(inputs)
    model = make_pipeline(StandardScaler(), RidgeCV()).fit(inputs.loc[train], progression[train])
    return model, inputs.loc[test].assign(progression=progression[test])


def _clinic() -> tuple[Any, pd.DataFrame]:
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    inputs, progression = _diabetes()
    records = pd.DataFrame(
        {
            "age": inputs["age"],
            "sex": inputs["sex"].map({1.0: "female", 2.0: "male"}).astype(str),
            "weight_class": pd.cut(
                inputs["bmi"], [0, 25, 30, 99], labels=["normal", "overweight", "obese"]
            ).astype(str),
            "blood_pressure": inputs["blood_pressure"],
            "log_triglycerides": inputs["log_triglycerides"],
            "glucose": inputs["glucose"],
        }
    )
    gaps = np.random.default_rng(5).random(records.shape)
    records = records.mask(
        pd.DataFrame(gaps < [0, 0, 0.05, 0.08, 0, 0.12], records.index, records.columns)
    )
    fast = (progression > progression.median()).map({True: "yes", False: "no"}).astype(str)
    numbers = ["age", "blood_pressure", "log_triglycerides", "glucose"]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore"), ["sex", "weight_class"]),
        ]
    )
    train, test = _halves(records, stratify=fast)
    model = make_pipeline(columns, LogisticRegression()).fit(records.loc[train], fast[train])
    return model, records.loc[test].assign(fast_progression=fast[test])


def _digits() -> tuple[Any, pd.DataFrame]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    bunch = load_digits(as_frame=True)
    inputs, digit = bunch.data, bunch.target
    train, test = _halves(inputs, stratify=digit)
    network = MLPClassifier((32,), learning_rate_init=0.01, max_iter=400, random_state=0)
    model = make_pipeline(MinMaxScaler(), network).fit(inputs.loc[train], digit[train])
    return model, inputs.loc[test].assign(digit=digit[test])


def _wine() -> tuple[Any, pd.DataFrame]:
    from sklearn.datasets import load_wine
    from sklearn.ensemble import IsolationForest

    inputs = load_wine(as_frame=True).data.rename(columns=lambda name: name.replace("/", "_per_"))
    train, test = _halves(inputs)
    return IsolationForest(contamination=0.1, random_state=0).fit(inputs.loc[train]), inputs.loc[
        test
    ]


def _spam() -> tuple[Any, pd.DataFrame]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from example_tables import messages

    table = messages()
    train, test = _halves(table, stratify=table["label"])
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    model.fit(table.loc[train, "message"], table.loc[train, "label"])
    return model, table.loc[test]


def _houses() -> tuple[Any, pd.DataFrame]:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from example_tables import houses

    table = houses()
    inputs = table.drop(columns="price")
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", ["living_area", "rooms", "garden"]),
            ("names", OneHotEncoder(handle_unknown="ignore"), ["district"]),
            ("dates", StandardScaler(), ["sold_on"]),
        ]
    )
    train, test = _halves(inputs)
    boosting = GradientBoostingRegressor(n_estimators=150, random_state=0)
    model = make_pipeline(columns, boosting).fit(inputs.loc[train], table.loc[train, "price"])
    return model, table.loc[test]


def _halves(inputs: pd.DataFrame, stratify: pd.Series[Any] | None = None) -> tuple[Any, Any]:
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(inputs.index, test_size=0.5, random_state=0, stratify=stratify)
    return train, test


_TRAINERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "iris_forest": _iris,
    "tumour_boosting": _tumour_boosting,
    "diabetes_ridge": _ridge,
    "clinic_pipeline": _clinic,
    "digits_network": _digits,
    "wine_outliers": _wine,
    "spam_words": _spam,
    "house_prices": _houses,
    "flawed_tree": _flawed,
}


def main() -> None:
    """Train the examples into ``--data-dir``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    train_examples(examples_folder(parser.parse_args().data_dir))


if __name__ == "__main__":
    main()
