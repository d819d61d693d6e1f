"""Hostile skops and ONNX files: told before they are loaded, without effect when they are."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import time
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import onnx_columns
import onnx_graph
import skops_walk
from errors import InputError, ModelCrashedError, ModelError, ModelLoadError, UnsupportedFileError
from model_file import inspect_file
from model_types import Safety
from model_utils import open_model
from onnx_bytes import OnnxError
from sandbox import Limits, WorkerParent
from tests.format_zoo import STORIES, as_onnx, as_skops, npy

# ---------------------------------------------------------------- skops


def node(module: str, name: str, loader: str, **more: Any) -> dict[str, Any]:
    """Return a node of a skops schema."""
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def said(value: Any) -> dict[str, Any]:
    """Return the node of a plain value."""
    return node("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)


def row(*values: Any, kind: str = "tuple") -> dict[str, Any]:
    """Return the node of a tuple or list."""
    loader = "TupleNode" if kind == "tuple" else "ListNode"
    return node("builtins", kind, loader, content=list(values))


def table(**values: Any) -> dict[str, Any]:
    """Return the node of a dict with text keys."""
    keys = row(*[node("builtins", "str", "TypeNode") for _ in values], kind="list")
    return node("builtins", "dict", "DictNode", content=values, key_types=keys)


def skops_file(schema: Any, members: dict[str, bytes] | None = None) -> bytes:
    """Return an archive with a schema and other members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        for name, data in (members or {}).items():
            archive.writestr(name, data)
        archive.writestr("schema.json", text)
    return file.getvalue()


def schema_of(root: dict[str, Any], protocol: int = 2) -> dict[str, Any]:
    return {**root, "protocol": protocol, "_skops_version": "0.16.0"}


def hostile_skops(marker: Path) -> dict[str, bytes]:
    """Return one file per way of doing more than holding a model."""
    command = f"touch {marker}"
    args = row(said(command))
    line = row(said(["touch", str(marker)]))
    loss = {"args": args}
    honest = json.loads(zipfile.ZipFile(io.BytesIO(simple_skops())).read("schema.json"))
    object_array = npy(np.array([pickle.dumps], dtype=object))
    roots = {
        "a program through a constructor": node(
            "subprocess", "Popen", "ConstructorFromReduceNode", content=line
        ),
        "a function through a constructor": node(
            "os", "system", "ConstructorFromReduceNode", content=args
        ),
        "a function as a list": node("os", "system", "ListNode", content=[said(command)]),
        "a function as a loss": node(
            "os", "system", "LossNode", __reduce__=loss, content=table(a=said(1))
        ),
        "a function as an array": node(
            "builtins", "eval", "NdArrayNode", type="numpy", file="a.npy"
        ),
        "a dict that is something else": node(
            "subprocess", "Popen", "DictNode", content={}, key_types=row(kind="list")
        ),
        "a method of a model": node(
            "sklearn.linear_model._logistic",
            "LogisticRegression",
            "MethodNode",
            content={"func": "fit", "obj": said(1)},
        ),
        "a caller of methods": node("operator", "methodcaller", "OperatorFuncNode", attrs=args),
        "a partial function": node(
            "functools",
            "partial",
            "PartialNode",
            content={
                "func": node("os", "system", "FunctionNode"),
                "args": args,
                "kwds": table(),
                "namespace": said(None),
            },
        ),
        "a name of Python itself": node("builtins", "eval", "TypeNode"),
        "a module of ours": node("sandbox", "Worker", "ObjectNode"),
        "a class of the author": node("__main__", "Model", "ObjectNode", content=table(a=said(1))),
        "a table": node("pandas", "DataFrame", "ObjectNode", content=table(a=said(1))),
        "a fetcher of data": node("sklearn.datasets", "fetch_openml", "FunctionNode"),
        "a loader unknown": node("sklearn.tree._tree", "Tree", "EvilNode"),
        "a model with a hostile part": node(
            "sklearn.linear_model._logistic",
            "LogisticRegression",
            "ObjectNode",
            content=table(coef_=node("os", "system", "ConstructorFromReduceNode", content=args)),
        ),
        "an estimator made by a call": node(
            "sklearn.linear_model._logistic",
            "LogisticRegression",
            "ConstructorFromReduceNode",
            content=args,
        ),
    }
    files = {
        name: skops_file(schema_of(root), {"a.npy": npy([1.0])}) for name, root in roots.items()
    }
    outside = ("../../../evil", "/evil", "C:\\evil")
    files |= {f"the path {name}": skops_file(honest, {name: b"1"}) for name in outside}
    files |= {
        "a pickle inside": skops_file(honest, {"model.pkl": pickle.dumps(1)}),
        "a pickle under another name": skops_file(honest, {"a.bin": pickle.dumps({"a": 1})}),
        "an array of objects": skops_file(honest, {"a.npy": object_array}),
        "nested too deep": skops_file("[" * 200_000 + "]" * 200_000),
        "no node at all": skops_file({"protocol": 2}),
        "a cut archive": simple_skops()[:-40],
    }
    return files


@lru_cache
def simple_skops() -> bytes:
    return as_skops(STORIES["margins"]().model)


def inspected(data: bytes, folder: Path) -> Any:
    path = folder / "upload"
    path.write_bytes(data)
    return inspect_file(path, "upload")


@pytest.mark.parametrize("policy", ["strict", pytest.param("custom", marks=pytest.mark.slow)])
def test_no_hostile_skops_file_has_an_effect(
    policy: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """Each is refused by its bytes, and again by the worker; confinement alone holds them too."""
    marker = tmp_path / "marker"
    files = hostile_skops(marker)
    assert len(files) >= 25
    refused = {}
    for name, data in files.items():
        try:
            info = inspected(data, tmp_path)
            assert info.safety is not Safety.TRUSTED, name
            with open_model(tmp_path / "upload", info, workers=workers, policy=policy):
                pass
        except (UnsupportedFileError, ModelError) as error:
            refused[name] = str(error)
        assert not marker.exists(), name
    if policy == "strict":
        assert refused.keys() == files.keys()
        known = ("not loaded", "cannot be read", "not a model")
        assert [text for text in refused.values() if not any(one in text for one in known)] == []


def test_the_worker_judges_again(workers: WorkerParent, tmp_path: Path) -> None:
    """A file that was swapped after its inspection is refused by the worker's own walk."""
    info = inspected(simple_skops(), tmp_path)
    marker = tmp_path / "marker"
    (tmp_path / "upload").write_bytes(hostile_skops(marker)["a model with a hostile part"])
    with (
        pytest.raises(ModelLoadError, match="not loaded"),
        open_model(tmp_path / "upload", info, workers=workers),
    ):
        pass
    assert not marker.exists()


def test_a_skops_bomb_is_too_large(tmp_path: Path) -> None:
    """The sizes of an archive's members are added up before one of them is read."""
    data = skops_file({"protocol": 2}, {"a.npy": bytes(5_000_000)})
    (tmp_path / "upload").write_bytes(data)
    assert len(data) < 20_000
    with pytest.raises(InputError, match="decompresses to more"):
        inspect_file(tmp_path / "upload", "m", max_decompressed=1_000_000)


# ---------------------------------------------------------------- onnx


def graph_of(nodes: list[Any], initializers: list[Any] | None = None, **ports: Any) -> bytes:
    """Return a model of some nodes from ``x`` (n, 2) to ``y``."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [ports.get("x") or helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers or [],
    )
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def tensor(dims: list[int], raw: bytes = b"", outside: str | None = None) -> Any:
    """Return a constant named ``w`` that says what it likes of itself."""
    made = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=raw)
    if outside is not None:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value=outside)
    return made


def deep(levels: int) -> Any:
    """Return a node that holds a graph that holds a node, and so on."""
    inner = helper.make_node("Identity", ["x"], ["y"])
    for _ in range(levels):
        body = helper.make_graph([inner], "g", [], [])
        inner = helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)
    return inner


ADD = helper.make_node("Add", ["x", "w"], ["y"])
REFUSED_ONNX = {
    "keeps numbers in another file \\('/etc/passwd'\\)": graph_of(
        [ADD], [tensor([2], outside="/etc/passwd")]
    ),
    "in another file \\('../../secret'\\)": graph_of([ADD], [tensor([2], outside="../../secret")]),
    "evil.Run": graph_of([helper.make_node("Run", ["x"], ["y"], domain="evil")]),
    "nests graphs more than": graph_of([deep(14)]),
    "cut off": as_onnx(STORIES["margins"]())[:-9],
}


@pytest.mark.parametrize("words", REFUSED_ONNX)
def test_a_hostile_graph_is_refused_by_its_bytes(words: str, tmp_path: Path) -> None:
    """Foreign files, foreign operators and damage are told without onnxruntime."""
    with pytest.raises(UnsupportedFileError, match=words):
        inspected(REFUSED_ONNX[words], tmp_path)


def test_the_worker_reads_the_graph_again(workers: WorkerParent, tmp_path: Path) -> None:
    """A graph that was swapped after its inspection is refused by the worker's own reading."""
    info = inspected(as_onnx(STORIES["margins"]()), tmp_path)
    for words, data in REFUSED_ONNX.items():
        (tmp_path / "upload").write_bytes(data)
        with (
            pytest.raises(ModelLoadError, match=words),
            open_model(tmp_path / "upload", info, workers=workers),
        ):
            pass


def test_a_graph_that_eats_memory_ends_its_own_process(
    workers: WorkerParent, tmp_path: Path
) -> None:
    """A constant of a terabyte is the failure of one process."""
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [1_000_000, 250_000])
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    info = inspected(graph_of(nodes, [shape]), tmp_path)
    with (
        pytest.raises((ModelLoadError, ModelCrashedError)),
        open_model(tmp_path / "upload", info, workers=workers, limits=Limits(memory_mb=512)),
    ):
        pass


def test_huge_claims_of_a_constant_are_told(workers: WorkerParent, tmp_path: Path) -> None:
    """A constant that says it has 2^80 numbers and has two is a sentence."""
    info = inspected(graph_of([ADD], [tensor([2**40, 2**40], bytes(8))]), tmp_path)
    with (
        pytest.raises(ModelLoadError, match="cannot read the model"),
        open_model(tmp_path / "upload", info, workers=workers),
    ):
        pass


# ---------------------------------------------------------------- random changes


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes with a few places changed, cut or repeated."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        how = draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if how == "set" and found:
            found[at] = draw(st.integers(0, 255))
        elif how == "cut":
            del found[at : at + draw(st.integers(1, 200))]
        elif how == "insert":
            found[at:at] = draw(st.binary(min_size=1, max_size=12))
        else:
            found[at:at] = found[at : at + draw(st.integers(1, 300))]
    return bytes(found)


SEEDS: dict[str, Callable[[], bytes]] = {
    "onnx": lambda: as_onnx(STORIES["churn"]()),
    "skops": simple_skops,
}


@pytest.mark.parametrize("form", SEEDS)
def test_changed_bytes_are_told_and_nothing_else(
    form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is changed, inspection answers or raises our own error, within a second."""
    data = SEEDS[form]()
    folder = tmp_path_factory.mktemp("mutated")

    @settings(max_examples=100, deadline=None)
    @given(changed=mutations(data))
    def check(changed: bytes) -> None:
        started = time.process_time()
        with contextlib.suppress(InputError):
            inspected(changed, folder)
        assert time.process_time() - started < 1

    check()


@settings(max_examples=100, deadline=None)
@given(changed=mutations(REFUSED_ONNX["evil.Run"]))
def test_a_changed_graph_is_read_or_refused(changed: bytes) -> None:
    """The reader raises one error alone, and what it gives can be asked for classes."""
    with contextlib.suppress(OnnxError):
        model = onnx_graph.read_onnx(changed)
        for output in model.outputs:
            onnx_columns.class_labels(model, output.name)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_a_walk_over_anything_ends(data: bytes) -> None:
    """Bytes that are no archive are an error in the walk, never an exception."""
    assert skops_walk.walk(io.BytesIO(data)).error is not None


def test_the_reader_agrees_with_onnx() -> None:
    """Names, operators, shapes and constants are those that the onnx package reads."""
    for name in ("spam", "churn", "digits", "outliers", "two_labels"):
        data = as_onnx(STORIES[name]())
        ours, theirs = onnx_graph.read_onnx(data), onnx.load_from_string(data)
        assert [one.op for one in ours.nodes] == [one.op_type for one in theirs.graph.node]
        assert list(ours.constants) == [one.name for one in theirs.graph.initializer]
        assert [one.name for one in ours.inputs] == [one.name for one in theirs.graph.input]
        assert ours.producer == theirs.producer_name
        assert [list(one.dims) for one in ours.constants.values()] == [
            list(one.dims) for one in theirs.graph.initializer
        ]
