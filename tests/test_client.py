"""The example client against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import ROOT, Product, free_port, running_product

pytestmark = pytest.mark.slow

CLIENT = ROOT / "example_client" / "client_api_example.py"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_product(tmp_path_factory.mktemp("client") / "data") as running:
        yield running


def run_client(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CLIENT), "--url", url, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_without_arguments_it_trains_tests_and_passes(product: Product, tmp_path: Path) -> None:
    """The small forest passes; the summary names verdict and checks, and files are written."""
    ended = run_client(tmp_path, product.api, "--json", "out.json", "--html", "out.html")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "iris.pkl" in ended.stdout
    assert "Better than a trivial model" in ended.stdout
    assert json.loads((tmp_path / "out.json").read_text())["schema_version"] == 1
    assert "<html" in (tmp_path / "out.html").read_text()[:2000].lower()


def test_a_failing_model_is_exit_code_1(product: Product, tmp_path: Path) -> None:
    """A model worse than guessing ends the command with 1."""
    import examples

    folder = examples.examples_folder(product.data_dir)
    examples.train_examples(folder)
    ended = run_client(
        tmp_path,
        product.api,
        str(folder / "flawed_tree.pkl"),
        "--sample",
        str(folder / "flawed_tree.csv"),
        "--target",
        "malignant",
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "FAIL" in ended.stdout


def test_a_file_that_is_no_model_is_exit_code_2(product: Product, tmp_path: Path) -> None:
    """A text file is refused with one sentence."""
    (tmp_path / "notes.pkl").write_text("not a model at all\n")
    ended = run_client(tmp_path, product.api, "notes.pkl")
    assert ended.returncode == 2
    assert "Refused" in ended.stderr


def test_no_server_is_exit_code_3(tmp_path: Path) -> None:
    """A server that cannot be reached is named."""
    (tmp_path / "model.pkl").write_bytes(b"x")
    ended = run_client(tmp_path, f"http://127.0.0.1:{free_port()}", "model.pkl")
    assert ended.returncode == 3
    assert "cannot be reached" in ended.stderr
