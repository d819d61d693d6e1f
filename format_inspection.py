"""What the bytes of model files without pickles say: boosters, ONNX graphs, PyTorch programs.

Owns: ``inspect_format``, which fills in a ``ModelFileInfo`` for each of these formats, or tells in
one sentence why such a file cannot be tested. No machine-learning library is imported and nothing
is run; time and memory are bounded.
"""

from __future__ import annotations

import mmap
import re
from typing import BinaryIO

import file_kinds
import onnx_graph
from errors import UnsupportedFileError
from formatting import named
from model_types import ModelFileInfo, Safety
from onnx_bytes import OnnxError

MAX_SHOWN = 12
NO_CODE = "The format holds numbers and names only; it cannot carry code."
ONLY_ARITHMETIC = (
    "ONNX describes arithmetic on tensors; it cannot run programs, open files or use the network."
)
OWN_PROGRAM = (
    "The file carries a program for PyTorch's own interpreter. Under the policy standard it is "
    "loaded only where isolation is full; strict refuses it."
)
ESTIMATORS = {
    "lightgbm-text": "lightgbm.basic.Booster",
    "xgboost-json": "xgboost.core.Booster",
    "xgboost-ubj": "xgboost.core.Booster",
    "catboost-cbm": "catboost.core.CatBoost",
    "torchscript": "torch.jit.ScriptModule",
    "torch-export": "torch.export.ExportedProgram",
}


def inspect_format(info: ModelFileInfo, file: BinaryIO, head: bytes) -> ModelFileInfo:
    """Fill in what a file of a format without pickles tells.

    Parameters
    ----------
    info : ModelFileInfo
        With ``container`` as ``file_kinds.kind_of`` told.
    file : binary file
        The whole file.
    head : bytes
        Its first bytes, decompressed.

    Raises
    ------
    UnsupportedFileError
        If it is compressed once more, damaged, or of a kind that cannot be tested.
    """
    if info.compression is not None:
        message = f"Unpack the {info.compression} file and upload the model inside."
        raise UnsupportedFileError(message)
    info.safety, info.reasons = Safety.TRUSTED, [NO_CODE]
    info.estimator = ESTIMATORS.get(info.container)
    if info.container == "onnx":
        _inspect_onnx(info, file)
    elif info.container in file_kinds.PROGRAMS:
        info.safety, info.reasons = Safety.UNKNOWN, [OWN_PROGRAM]
    else:
        _inspect_booster(info, file, head)
    return info


def _inspect_onnx(info: ModelFileInfo, file: BinaryIO) -> None:
    """Fill in producer, opset, operators, inputs and outputs of an ONNX graph."""
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model = onnx_graph.read_onnx(data)
            trouble = model.trouble()
            del model.data
    except OnnxError as error:
        message = f"{error} Export the model again and upload that file."
        raise UnsupportedFileError(message) from error
    if trouble is not None:
        raise UnsupportedFileError(trouble)
    info.reasons = [ONLY_ARITHMETIC]
    if re.fullmatch(r"[\w.-]{1,40}", model.producer):
        info.written_with = {model.producer: model.producer_version or "unknown"}
    opsets = ", ".join(f"{domain} {version}" for domain, version in model.opsets.items())
    operators = sorted({op for _, op in model.operators})
    info.notes += [
        f"Opset {opsets}; IR version {model.ir_version}.",
        f"Operators: {named(operators, MAX_SHOWN)}.",
        f"Inputs: {named([_shown(port) for port in model.inputs], MAX_SHOWN)}.",
        f"Outputs: {named([_shown(port) for port in model.outputs], MAX_SHOWN)}.",
    ]


def _shown(port: onnx_graph.Port) -> str:
    """Return an input or output as ``name tensor(float) [any, 4]``."""
    if port.shape is None:
        return f"{port.name} {port.kind}"
    sizes = ", ".join("any" if size is None else str(size) for size in port.shape)
    return f"{port.name} {port.kind} [{sizes}]"


def _inspect_booster(info: ModelFileInfo, file: BinaryIO, head: bytes) -> None:
    """Fill in what the text or the ends of a booster's file tell."""
    file.seek(max(info.size_bytes - file_kinds.HEAD, 0))
    tail = file.read()
    if info.container == "lightgbm-text":
        found = re.search(rb"\nobjective=([\w ]+)", head)
    elif info.container == "catboost-cbm":  # at the end there are parameters as JSON
        found = re.search(rb'"loss_function":\{"type":"(\w{1,40})"', head + tail)
    else:
        info.written_with = xgboost_version(tail)
        found = re.search(rb'"objective":\{"name":"([\w:]+)"', tail)
    if found:
        info.notes.append(f"Objective: {found.group(1).decode('ascii')}")


def xgboost_version(tail: bytes) -> dict[str, str]:
    """Return the version at the end of an XGBoost JSON or UBJSON model.

    Examples
    --------
    >>> xgboost_version(b'{"learner": {}, "version": [2, 1, 0]}')
    {'xgboost': '2.1.0'}
    """
    text = re.findall(rb'"version":\s*\[(\d+),\s*(\d+),\s*(\d+)\]', tail)
    if text:
        return {"xgboost": b".".join(text[-1]).decode("ascii")}
    binary = re.findall(rb"version\[#L[\x00-\xff]{8}i(.)i(.)i(.)", tail, re.DOTALL)
    if binary:
        return {"xgboost": ".".join(str(part[0]) for part in binary[-1])}
    return {}
