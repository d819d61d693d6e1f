"""The built-in examples."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas as pd
import pytest

from examples import EXAMPLES, Example, example_by_id, examples_folder, is_ready, start_training


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
    inputs = sample.drop(columns=[example.target] if example.target else [])
    assert len(model.predict(inputs)) == len(sample)


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
