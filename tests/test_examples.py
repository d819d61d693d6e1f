"""The built-in examples."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
import pytest

from examples import EXAMPLES, Example, example_by_id, examples_folder, is_ready, start_training
from sample_forms import take_rows
from schema_inference import schema_from_sample
from schema_merge import merge_schemas
from tests.local_model import LocalModel


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the examples once, in a process of their own, as the product does."""
    folder = tmp_path_factory.mktemp("examples")
    assert not is_ready(folder)
    assert start_training(folder).wait(120) == 0
    return folder


def test_training_makes_every_example(data_dir: Path) -> None:
    """After training, all files are there."""
    assert is_ready(data_dir)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_the_sample_fits_the_model(data_dir: Path, example: Example) -> None:
    """Each model predicts its own sample, which holds the target it names."""
    folder = examples_folder(data_dir)
    model = pickle.loads((folder / f"{example.id}.pkl").read_bytes())
    sample = pd.read_csv(folder / f"{example.id}.csv")
    held = LocalModel(model)
    known = schema_from_sample(sample, target=example.target)
    schema = merge_schemas(None, None, known, held.info).schema
    taken = take_rows(None, sample[[each.name for each in schema.inputs]], schema)
    assert len(held.predict(taken.frame).y_pred) == len(sample)


def test_the_flawed_example_is_worthless(data_dir: Path) -> None:
    """The flawed model guesses no better than always answering with the larger class."""
    folder = examples_folder(data_dir)
    model = pickle.loads((folder / "flawed_tree.pkl").read_bytes())
    sample = pd.read_csv(folder / "flawed_tree.csv")
    truth = sample.pop("malignant")
    assert (model.predict(sample) == truth).mean() < truth.value_counts(normalize=True).max()


def test_an_unknown_example_is_a_key_error() -> None:
    """There is no example of that name."""
    with pytest.raises(KeyError):
        example_by_id("nothing")
