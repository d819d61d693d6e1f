"""Classes that a model knows as numbers get their names, never silently and never by accident."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score
from sklearn.preprocessing import LabelEncoder

import class_naming
from model_types import ModelInfo, Task
from pipeline import run_tests
from report_types import RunConfig, RunRequest, Stage, TestReport
from sandbox import WorkerParent
from settings import Settings

INFO = ModelInfo(task=Task.BINARY, estimator="SVC", classes=[0, 1])
TRUE = np.random.default_rng(0).integers(0, 2, 200)
WORDS = np.array(["no", "yes"])


def noisy(share: float) -> Any:
    """Return predictions that are wrong for a share of the rows."""
    wrong = np.arange(200) < 200 * share
    return np.where(wrong, 1 - TRUE, TRUE)


def test_texts_and_numbers_match_as_label_encoder_codes_them() -> None:
    """Sorted order gives the codes of scikit-learn's LabelEncoder, and the evidence is kappa's."""
    texts = pd.Series(WORDS[TRUE])
    predictions = noisy(0.2)
    found = class_naming.match_by_order(texts, predictions, INFO)
    assert found.names == LabelEncoder().fit(texts).classes_.tolist()
    agreement = accuracy_score(TRUE, predictions)
    kappa = cohen_kappa_score(TRUE, predictions)
    chance = (agreement - kappa) / (1 - kappa)
    assert f"{agreement:.0%} of 200 answers agree" in found.sentence
    assert f"{chance:.0%} would by chance" in found.sentence


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_what_does_not_agree_is_not_matched(share: float) -> None:
    """At chance or below it nothing is matched, and the sentence says how to say which is which."""
    found = class_naming.match_by_order(pd.Series(WORDS[TRUE]), noisy(share), INFO)
    assert found.answers is None
    assert found.names is None
    assert 'class_names, such as {"0": "no", "1": "yes"}' in found.sentence


def test_another_number_of_labels_is_told() -> None:
    """Three words cannot be two classes."""
    texts = pd.Series(["a", "b", "c"] * 20)
    found = class_naming.match_by_order(texts, np.zeros(60), INFO)
    assert found.answers is None
    assert "3 of them and 2 classes cannot be matched" in found.sentence


def test_numbers_of_a_sample_match_words_of_a_model() -> None:
    """The other way round the answers become the model's words."""
    info = INFO.model_copy(update={"classes": ["no", "yes"]})
    found = class_naming.match_by_order(pd.Series(TRUE), WORDS[noisy(0.1)], info)
    assert found.answers is not None
    assert found.answers.tolist() == WORDS[TRUE].tolist()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"2": "maybe"}, "class_names names '2'; the model's classes are '0', '1'"),
        ({"0": "yes", "1": "yes"}, "the same name"),
    ],
)
def test_a_wrong_mapping_by_hand_is_told(given: dict[str, str], words: str) -> None:
    """A class that is none and a name given twice are explained."""
    names, problem = class_naming.names_by_hand(INFO, given)
    assert names is None
    assert words in problem


# ---------------------------------------------------------------- the whole pipeline


def cancer() -> tuple[pd.DataFrame, Any, LogisticRegression]:
    """Return inputs, coded answers and a model that knows only the codes."""
    bunch = load_breast_cancer(as_frame=True)
    inputs = bunch.data.iloc[:, :4]
    return inputs, bunch.target, LogisticRegression(max_iter=5000).fit(inputs, bunch.target)


def report_of(
    answers: Any, folder: Path, workers: WorkerParent, *, held: Any = None, **config: Any
) -> TestReport:
    """Test a model on a labelled sample, without the slow stages."""
    inputs, _, model = cancer()
    (folder / "model.pkl").write_bytes(pickle.dumps(held or model))
    inputs.assign(label=np.asarray(answers)).to_csv(folder / "sample.csv", index=False)
    stages = [Stage.QUALITY, Stage.VERDICT]
    return run_tests(
        RunRequest(
            model_sha256="0" * 64,
            model_name="model.pkl",
            sample_sha256="1" * 64,
            sample_name="sample.csv",
            config=RunConfig(target="label", stages=stages, n_resamples=100, **config),
        ),
        run_id="test",
        model_path=folder / "model.pkl",
        sample_path=folder / "sample.csv",
        workers=workers,
        settings=Settings(data_dir=folder),
        save_data=lambda data, _name: hashlib.sha256(data).hexdigest(),
    )


def test_a_mapping_by_hand_names_everything(tmp_path: Path, workers: WorkerParent) -> None:
    """With names by hand, sample codes, classes and the class that counts have these names."""
    inputs, target, model = cancer()
    names = {"0": "malignant", "1": "benign"}
    report = report_of(target, tmp_path, workers, class_names=names, positive_class="0")
    assert report.quality.classes == ["malignant", "benign"]
    assert report.quality.positive_class == "malignant"
    metrics = {metric.name: metric.estimate.value for metric in report.quality.metrics}
    assert metrics["accuracy"] == pytest.approx(accuracy_score(target, model.predict(inputs)))
    area = roc_auc_score(1 - target, model.predict_proba(inputs)[:, 0])
    assert metrics["roc_auc"] == pytest.approx(area)


def test_words_of_a_sample_are_matched_with_evidence(tmp_path: Path, workers: WorkerParent) -> None:
    """A sample that says "bad" and "good" is compared, and the report says how it was matched."""
    inputs, target, model = cancer()
    report = report_of(np.array(["bad", "good"])[target], tmp_path, workers)
    assert report.quality.classes == ["bad", "good"]
    metrics = {metric.name: metric.estimate.value for metric in report.quality.metrics}
    assert metrics["accuracy"] == pytest.approx(accuracy_score(target, model.predict(inputs)))
    assert any("as LabelEncoder codes them" in text for text in report.data.warnings)


def test_words_in_another_order_are_not_matched(tmp_path: Path, workers: WorkerParent) -> None:
    """Words whose order contradicts the predictions give no quality but a sentence."""
    _, target, _ = cancer()
    report = report_of(np.array(["sick", "healthy"])[target], tmp_path, workers)
    assert report.quality.classes == ["0", "1"]
    assert not any(metric.name == "accuracy" for metric in report.quality.metrics)
    assert any("class_names, such as" in text for text in report.quality.notes)


def test_names_in_a_bundle_are_compared_with_words(tmp_path: Path, workers: WorkerParent) -> None:
    """A LabelEncoder beside the model names its classes, and the sample's words are these."""
    inputs, target, model = cancer()
    words = np.array(["B", "M"])
    encoder = LabelEncoder().fit(words)
    held = {"model": model, "encoder": encoder}
    report = report_of(words[target], tmp_path, workers, held=held)
    metrics = {metric.name: metric.estimate.value for metric in report.quality.metrics}
    assert report.quality.classes == ["B", "M"]
    assert metrics["accuracy"] == pytest.approx(accuracy_score(target, model.predict(inputs)))
    assert report.model.bundle is not None
    assert report.model.bundle.composition.labels == "encoder"
