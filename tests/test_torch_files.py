"""Programs of PyTorch: under which policy they run, and that they answer as the network did."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from errors import ModelError, ModelLoadError
from isolation import IsolationReport
from model_file import inspect_file
from model_types import ModelFileInfo, Safety, Task
from model_utils import ModelHandle, open_model
from sandbox import WorkerParent
from tests.format_zoo import Story
from tests.test_formats import whole_run

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(
    not HAS_TORCH, reason="torch is not installed: pip install torch, to test programs of PyTorch"
)


def inspected(data: bytes, folder: Path) -> ModelFileInfo:
    (folder / "upload").write_bytes(data)
    return inspect_file(folder / "upload", "net.pt")


def opened(data: bytes, folder: Path, workers: WorkerParent, **options: Any) -> ModelHandle:
    info = inspected(data, folder)
    return open_model(folder / "upload", info, workers=workers, **options)


def archive_like_torchscript() -> bytes:
    """Return an archive with the members of a TorchScript file, and no program."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("net/data.pkl", "net/code/__torch__.py", "net/version"):
            archive.writestr(name, b"1")
    return file.getvalue()


def test_a_program_is_told_as_one(tmp_path: Path) -> None:
    """It is not called trusted, and the reason says under what it is loaded."""
    info = inspected(archive_like_torchscript(), tmp_path)
    assert (info.container, info.safety) == ("torchscript", Safety.UNKNOWN)
    assert "isolation is full" in info.reasons[0]


def test_strict_refuses_programs(workers: WorkerParent, tmp_path: Path) -> None:
    """The policy strict takes formats without code only, and says what to do instead."""
    with pytest.raises(ModelLoadError, match=r"program of its own.*Export it to ONNX"):
        opened(archive_like_torchscript(), tmp_path, workers, policy="strict")


def test_weaker_isolation_refuses_programs(
    workers: WorkerParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the policy standard a program is loaded only where isolation is full."""
    weak = IsolationReport("partial", ("limits",), ("connect by TCP",))
    monkeypatch.setattr(workers, "isolation", weak)
    with pytest.raises(ModelLoadError, match="program of its own, and that needs full isolation"):
        opened(archive_like_torchscript(), tmp_path, workers)


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed")
def test_a_missing_torch_is_named_with_its_command(workers: WorkerParent, tmp_path: Path) -> None:
    """Without torch the answer is the command that installs it."""
    with pytest.raises(ModelLoadError, match="pip install torch"):
        opened(archive_like_torchscript(), tmp_path, workers)


# ---------------------------------------------------------------- with torch


def network(width: int, ending: str = "") -> Any:
    """Return a small network from four columns to some numbers, and its rows."""
    import torch

    torch.manual_seed(width)
    layers = [torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, width)]
    endings = {"softmax": torch.nn.Softmax(dim=1), "sigmoid": torch.nn.Sigmoid()}
    return torch.nn.Sequential(*layers, *([endings[ending]] if ending else [])).eval()


def scripted(net: Any) -> bytes:
    import torch

    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    return file.getvalue()


def traced(net: Any) -> bytes:
    import torch

    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, torch.zeros(2, 4)), file)
    return file.getvalue()


def exported(net: Any) -> bytes:
    import torch

    rows = {0: torch.export.Dim("n")}
    program = torch.export.export(net, (torch.zeros(3, 4),), dynamic_shapes=(rows,))
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


ROWS = pd.DataFrame(
    np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32).astype(float),
    columns=[f"x{i}" for i in range(4)],
)


@needs_torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("save", [scripted, traced, exported])
def test_a_network_with_softmax_answers_as_before(
    save: Callable[[Any], bytes], workers: WorkerParent, tmp_path: Path
) -> None:
    """Probabilities are those of the network."""
    import torch

    net = network(3, "softmax")
    with opened(save(net), tmp_path, workers) as model:
        told = model.predict(ROWS)
        assert model.info.classes == [0, 1, 2]
    with torch.no_grad():
        wanted = net(torch.tensor(ROWS.to_numpy(), dtype=torch.float32)).numpy()
    assert told.y_proba is not None
    np.testing.assert_allclose(told.y_proba, wanted, atol=1e-6)
    np.testing.assert_array_equal(told.y_pred, wanted.argmax(axis=1))


@needs_torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("width", "ending", "task", "words"),
    [
        (1, "", Task.REGRESSION, "predicted value"),
        (1, "sigmoid", Task.BINARY, "P\\(class 1\\)"),
        (4, "", Task.MULTICLASS, "logits of"),
    ],
)
def test_what_the_output_is_taken_for_is_said(
    width: int, ending: str, task: Task, words: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """The guess by width and range stands in a note."""
    with opened(scripted(network(width, ending)), tmp_path, workers) as model:
        assert model.info.task is task
        assert any(pd.Series(model.info.notes).str.contains(words))


@needs_torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_that_reads_files_reads_none(workers: WorkerParent, tmp_path: Path) -> None:
    """TorchScript can open files; the confined process cannot."""
    import torch

    secret = tmp_path / "secret"
    secret.write_bytes(b"\x01" * 64)

    class Reads(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(4, 1)
            self.path = str(secret)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = torch.from_file(self.path, False, 4, dtype=torch.float32)
            return self.first(x) + found.sum()

    Reads.forward.__annotations__ = {"x": torch.Tensor, "return": torch.Tensor}
    data = scripted(Reads())
    with pytest.raises(ModelError), opened(data, tmp_path, workers):
        pass


@needs_torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_whole_pipeline_runs_over_a_program(workers: WorkerParent, tmp_path: Path) -> None:
    """No stage fails for a classifier saved as TorchScript, under the policy standard."""
    labels = (ROWS["x0"] > 0).to_numpy().astype(int)
    story = Story(None, ROWS, labels)
    report = whole_run(scripted(network(2)), story, workers, tmp_path, policy="standard")
    assert [one.stage for one in report.stages if one.status == "failed"] == []
    assert report.model.info is not None
    assert report.model.info.task is Task.BINARY
