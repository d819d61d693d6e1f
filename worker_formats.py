"""Model files that are no pickles, read by the library that each format belongs to.

Owns: ``read_model`` and the sentence for a library that is not installed. The formats of XGBoost,
LightGBM and CatBoost are read by ``model_boosters``, ONNX graphs by ``worker_onnx``, TorchScript by
``worker_torch``; skops files come here after ``skops_walk`` and the allow-list have passed every
name in them. Runs in the confined worker. Standard library only, Python 3.7 syntax.
"""

from __future__ import annotations

import importlib
import io
from typing import Any

import model_boosters
import worker_onnx
import worker_torch

Fitted = Any
"""A model of any library."""

LIBRARIES = {
    "xgboost-json": ("xgboost", "xgboost-cpu"),
    "xgboost-ubj": ("xgboost", "xgboost-cpu"),
    "lightgbm-text": ("lightgbm", "lightgbm"),
    "catboost-cbm": ("catboost", "catboost"),
    "onnx": ("onnxruntime", "onnxruntime"),
    "skops": ("skops.io", "skops"),
    "torchscript": ("torch", "torch"),
    "torch-export": ("torch", "torch"),
}
"""The module each format needs, and the package that has it."""


class MissingLibraryError(ImportError):
    """An optional library is not installed; the message names the command that installs it."""


def read_model(data: bytes, container: str, trusted: list[str]) -> Fitted:
    """Return what a file without pickled code holds.

    Parameters
    ----------
    data : bytes
        The whole file.
    container : str
        As ``file_kinds.kind_of`` tells.
    trusted : list of str
        Names that a skops file may import; of no meaning for the other formats.

    Raises
    ------
    MissingLibraryError
        If the format's library is not installed.
    Exception
        Whatever the library raises over a damaged file.
    """
    module, package = LIBRARIES[container]
    require(module, package, container)
    if container == "onnx":
        return worker_onnx.OnnxModel(data)
    if container == "skops":
        skops_io = importlib.import_module(module)
        return skops_io.load(io.BytesIO(data), trusted=trusted)
    if module == "torch":
        return worker_torch.TorchModel(data, container)
    return model_boosters.read_booster(data, container)


def require(module: str, package: str, container: str) -> None:
    """Raise one sentence unless a library can be imported."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        message = (
            f"reading {container} files needs {package}, which is not installed here: "
            f"pip install {package}"
        )
        raise MissingLibraryError(message) from error
