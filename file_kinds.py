"""What kind of file some bytes are, decided by their content and never by the file's name.

Owns: ``recognise`` for the model formats that can be tested, and ``why_unsupported`` with one
sentence for everything else that people upload: pointers, scripts, tables, archives, models of
frameworks that are not installed.
"""

from __future__ import annotations

import re
from typing import BinaryIO

import container_file

HEAD = 4096
DIRECTORY = 256 * 1024

PICKLE_START = re.compile(
    rb"\x80[\x02-\x05]"
    rb"|c[\w.]+\r?\n[\w.]+\r?\n"  # GLOBAL
    rb"|\((i[\w.]+\n|[dlt]p?\d*\n|c[\w.]+\n)"  # MARK, then INST, DICT, LIST or GLOBAL
    rb"|[\]\}\)]q\x00|[\]\}]\("
)

_PYTHON = re.compile(
    r"^\s*(import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|#!.*python)", re.M
)

MAGIC = (
    (b"version https://git-lfs.github.com/spec/", "This is a Git LFS pointer, not the model: run "
     "`git lfs pull` in the repository and upload the file again."),
    (b"\x89HDF\r\n\x1a\n", "This is an HDF5 file, as Keras writes it. Keras models are not "
     "supported; export the model to ONNX with tf2onnx and upload that file."),
    (b"binf", "This is XGBoost's old binary format, which XGBoost 3 no longer reads. Load it with "
     "the XGBoost version that wrote it and save it with save_model('model.json')."),
    (b"PAR1", "This is a Parquet table, not a model. Upload it as the data set, and the model "
     "beside it."),
    (b"ARROW1", "This is an Arrow table, not a model. Upload the fitted model."),
    (b"FEA1", "This is a Feather table, not a model. Upload the fitted model."),
    (b"\x93NUMPY", "This is a NumPy array (.npy), not a model. Upload the fitted model."),
    (b"SQLite format 3", "This is an SQLite database, not a model. Upload the fitted model."),
    (b"%PDF", "This is a PDF document, not a model. Upload the fitted model."),
    (b"\x89PNG", "This is a picture, not a model. Upload the fitted model."),
    (b"\xff\xd8\xff", "This is a picture, not a model. Upload the fitted model."),
    (b"\x7fELF", "This is a program, not a model. Upload the fitted model."),
    (b"MZ", "This is a Windows program, not a model. Upload the fitted model."),
)  # fmt: skip
"""First bytes of files that cannot be tested, and what to tell of them."""

EMPTY = "The file is empty (0 bytes). The upload or the export went wrong; try again."
ONNX_START = re.compile(rb"\x08[\x01-\x1e][\x12\x1a\x22\x28\x32\x3a\x42]")
"""The version of the intermediate representation, then the next field of a ``ModelProto``."""
ZIP = b"PK\x03\x04"
PROGRAMS = ("torchscript", "torch-export")
"""Formats that carry a program for an interpreter of their own."""
TORCH_EXPORTS = (b"serialized_exported_program.json", b"/models/model.json")
TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
TORCH = (
    "This is a PyTorch file of weights or of a pickled module, which cannot run without its "
    "author's code. Save the model as TorchScript, torch.jit.script(model).save('model.pt'), or "
    "export it to ONNX, and upload that file."
)
ARCHIVE = "This is a zip archive. Unpack it and upload the model file inside."
ARCHIVES = (
    (b"data.pkl", TORCH),
    (
        b"model.weights.h5",
        "This is a Keras model, which is not supported. Export it to ONNX (model.export with "
        "format='onnx') and upload that file.",
    ),
    (b"[Content_Types].xml", "This is an Office document, not a model. Upload the fitted model."),
    (b".npy", "This holds NumPy arrays (.npz), not a model. Upload the fitted model."),
)
"""A name inside a zip file, and what it means."""


def recognise(head: bytes) -> str | None:
    r"""Return the format of a model file by its first bytes.

    Parameters
    ----------
    head : bytes
        The first ``HEAD`` bytes, decompressed.

    Returns
    -------
    {"pickle", "xgboost-json", "xgboost-ubj", "lightgbm-text", "catboost-cbm", "onnx"} or None
        None also for archives, see ``kind_of``.

    Examples
    --------
    >>> recognise(b"tree\nversion=v4\\n")
    'lightgbm-text'
    """
    if head.startswith(container_file.MAGIC):
        return "parts"
    if re.match(rb'\s*\{\s*"(learner|version)"', head):
        return "xgboost-json"
    if re.match(rb"\{[iUILl][\x00-\xff]{1,8}(learner|version|Config)", head, re.DOTALL):
        return "xgboost-ubj"
    if re.match(rb"tree\r?\nversion=", head):
        return "lightgbm-text"
    if head.startswith(b"CBM1"):
        return "catboost-cbm"
    if PICKLE_START.match(head) and TORCH_MAGIC not in head[:32]:
        return "pickle"
    return "onnx" if ONNX_START.match(head) else None


def kind_of(head: bytes, file: BinaryIO) -> str | None:
    r"""Return the format of a model file, also of those that are zip archives.

    Parameters
    ----------
    head : bytes
        The first ``HEAD`` bytes, decompressed.
    file : binary file
        The whole file; of an archive the end of its directory is read.

    Returns
    -------
    str or None
        As ``recognise``, or "skops", "torchscript", "torch-export".

    Examples
    --------
    >>> import io
    >>> kind_of(b"\x80\x04N.", io.BytesIO(b"\x80\x04N."))
    'pickle'
    """
    if not head.startswith(ZIP):
        return recognise(head)
    directory = _directory(file)
    if b"schema.json" in directory:
        return "skops"
    if b"/code/" in directory and b"/data.pkl" in directory:
        return "torchscript"
    return "torch-export" if any(name in directory for name in TORCH_EXPORTS) else None


def why_unsupported(head: bytes, file: BinaryIO) -> str | None:
    """Return one sentence on what a file is instead of a model that can be tested, or None.

    Parameters
    ----------
    head : bytes
        The first ``HEAD`` bytes, decompressed.
    file : binary file
        The whole file, for archives.
    """
    if not head:
        return EMPTY
    for magic, sentence in MAGIC:
        if head.startswith(magic):
            return sentence
    if TORCH_MAGIC in head[:32]:
        return TORCH
    if head.startswith(ZIP):
        return _why_archive(file)
    if head[257:262] == b"ustar":
        return "This is a tar archive. Unpack it and upload the model file inside."
    text = as_text(head)
    return None if text is None else why_text(text)


def as_text(head: bytes) -> str | None:
    r"""Return bytes as text, or None where they are not printable text.

    Examples
    --------
    >>> as_text(b"a,b"), as_text(b"\x00\x01")
    ('a,b', None)
    """
    if b"\0" in head:
        return None
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 4 and len(head) == HEAD:
            text = head[: error.start].decode("utf-8")  # cut in the middle of a character
        else:
            text = head.decode("latin1")
    odd = sum(not (char.isprintable() or char in "\r\n\t") for char in text)
    return text if odd <= len(text) // 50 else None


def why_text(text: str) -> str:
    """Return one sentence on what kind of text a file is."""
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype html", "<html", "<head")):
        return (
            "This is an HTML page: the download gave a web page instead of the model. Download "
            "the raw file and upload it again."
        )
    if start.startswith("<?xml"):
        return (
            "This is an XML file (perhaps PMML), which is not supported. Upload the fitted model."
        )
    if start.startswith(("{", "[")):
        return _why_json(text)
    if _PYTHON.search(text):
        return (
            "This is a Python script, not a model. Run it, save the fitted model with "
            "joblib.dump(model, 'model.joblib') and upload that file."
        )
    if _looks_like_table(text):
        return (
            "This is a table in text form (CSV), not a model. Upload it as the data set, and the "
            "model beside it."
        )
    return "This is a text file, not a model. Upload the fitted model (.pkl, .joblib, .json, .txt)."


def _why_json(text: str) -> str:
    if '"cells"' in text and '"cell_type"' in text:
        return "This is a Jupyter notebook. Run it, save the fitted model and upload that file."
    return (
        "This is a JSON file, but not an XGBoost model. Upload the model as saved by "
        "Booster.save_model, or the fitted estimator as .pkl or .joblib."
    )


def _looks_like_table(text: str) -> bool:
    """Whether the first lines hold the same number of the same separator."""
    lines = [line for line in text.splitlines()[:-1] if line.strip()][:10] or text.splitlines()
    for separator in ",;\t|":
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and counts != {0} and len(lines) > 1:
            return True
    return False


def _why_archive(file: BinaryIO) -> str:
    """Return one sentence on what a zip file is, by the names in its directory at the end."""
    directory = _directory(file)
    return next((why for name, why in ARCHIVES if name in directory), ARCHIVE)


def _directory(file: BinaryIO) -> bytes:
    """Return the end of a file, where a zip archive lists its members."""
    file.seek(0, 2)
    file.seek(max(file.tell() - DIRECTORY, 0))
    return file.read(DIRECTORY)
