"""Starting onnxruntime on a graph, on one thread, with a sentence where it refuses.

Owns: ``new_session``, and the language that text operators ask the machine for. Stand-alone,
Python 3.7 syntax; onnxruntime is imported when a model is loaded.
"""

from __future__ import annotations

import locale
import re
from typing import Any

from onnx_bytes import OnnxModelError
from onnx_graph import OnnxFile
from onnx_values import with_text_attribute

LOCALES = ("en_US.UTF-8", "C.UTF-8", "C")


def new_session(data: bytes, file: OnnxFile) -> Any:  # noqa: ANN401 - of onnxruntime
    """Return a session on one thread, or one sentence on why there is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    graph = _with_known_locale(data, file)
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise OnnxModelError(_why_no_session(str(error), onnxruntime.__version__)) from error


def _with_known_locale(data: bytes, file: OnnxFile) -> bytes:
    """Return a model whose text operators ask for a language that this machine has.

    ``StringNormalizer`` asks for en_US where the file does not say otherwise; containers seldom
    have it, and lower case is the same in C.UTF-8.
    """
    asking = [node for node in file.nodes if node.op == "StringNormalizer"]
    normalizers = [node for node in asking if "locale" not in node.attributes]
    if not normalizers:
        return data
    known = next(name for name in LOCALES if _has_locale(name))
    if known == LOCALES[0]:
        return data
    return with_text_attribute(file, normalizers, "locale", known)


def _has_locale(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return name == LOCALES[-1]
    locale.setlocale(locale.LC_CTYPE, before)
    return True


def _why_no_session(told: str, version: str) -> str:
    """Return one sentence on why onnxruntime refuses a file."""
    newest = re.search(r"till opset (\d+)", told)
    if newest:
        return (
            f"The model uses a newer ONNX opset than onnxruntime {version} knows (up to "
            f"{newest.group(1)}). Export it with target_opset={newest.group(1)}, or install a "
            "newer onnxruntime."
        )
    newest = re.search(r"max supported IR version: (\d+)", told)
    if newest:
        return (
            f"The model has a newer ONNX IR version than onnxruntime {version} knows (up to "
            f"{newest.group(1)}). Export it with an older onnx package, or install a newer "
            "onnxruntime."
        )
    if "is not a registered function/op" in told:
        return f"onnxruntime {version} has no such operator: {told}. Export without it."
    return f"onnxruntime {version} cannot read the model: {told}. Export it again."
