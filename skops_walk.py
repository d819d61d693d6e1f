"""Reading a skops file without building anything it describes.

Owns: ``walk``, which lists every name a skops file would import, what it would do that skops never
writes, the versions it records and its root, in the same form as ``pickle_walk`` gives for pickles,
so that one allow-list judges both. The archive is never unpacked to disk. Standard library only,
Python 3.7 syntax.

A skops file is a zip archive of ``schema.json`` (a tree of nodes, each with the module, the name
and the loader of what it stands for) and of arrays and bytes that the nodes refer to.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import Any, BinaryIO

import file_kinds
import pickle_rules
from pickle_stream import GIBIBYTE, LimitError
from pickle_walk import MAX_IMPORTS, MAX_NAME, Built, Global, Mapping, Walk

SCHEMA = "schema.json"
MAX_SCHEMA = 64 << 20
MAX_MEMBERS = 50_000
MAX_NODES = 3_000_000
MAX_ROOT_DEPTH = 8
MAX_SHOWN_ITEMS = 400
START = 256
"""Bytes of each member that are looked at."""

Node = Any
"""A part of the parsed schema."""

NAMELESS = frozenset(("JsonNode", "CachedNode", "SliceNode"))
"""Loaders that import nothing, whatever module their node names."""

CONTAINERS = {
    "DictNode": ("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"),
    "DefaultDictNode": ("collections.defaultdict",),
    "ListNode": ("builtins.list",),
    "SetNode": ("builtins.set", "builtins.frozenset"),
    "TupleNode": ("builtins.tuple",),
    "BytesNode": ("builtins.bytes",),
    "BytearrayNode": ("builtins.bytearray",),
}
"""What these loaders may make; they call whatever type their node names."""

CALLING = frozenset(("ConstructorFromReduceNode", "NdArrayNode", "RandomStateNode"))
"""Loaders that call the named type, which must be one of the exact lists."""

_BUILDING = (
    "ObjectNode FunctionNode TypeNode TreeNode MaskedArrayNode DTypeNode RandomGeneratorNode "
    "SparseMatrixNode _DictWithDeprecatedKeysNode"
)
OBJECTS = frozenset(_BUILDING.split())
"""Loaders that build library objects by their state, or refer to a name."""

OBJECT_ARRAY = re.compile(rb"'descr': *(\[.*)?'[|<>=]?O")


class SkopsWalk(Walk):
    """What a walk over a skops file found; tables have no stand-ins here and count as unknown."""

    def judged(self, verdict: str) -> list[str]:
        """Return the names of one verdict, sorted."""
        if verdict == pickle_rules.LEFT_OUT:
            return []
        names = super().judged(verdict)
        if verdict == pickle_rules.BLOCKED:
            names += super().judged(pickle_rules.LEFT_OUT)
        return sorted(names)


def walk(file: BinaryIO, *, max_bytes: int = 2 * GIBIBYTE) -> SkopsWalk:
    """Read a skops file to its end without importing or calling anything.

    Parameters
    ----------
    file : binary file
        The archive.
    max_bytes : int
        Bound on the unpacked size of all members.

    Returns
    -------
    SkopsWalk
        With ``error`` set where the file could not be read to its end.
    """
    found = SkopsWalk()
    try:
        with zipfile.ZipFile(file) as archive:
            _look_at_members(archive, max_bytes, found)
            schema = json.loads(archive.read(SCHEMA))
        if not isinstance(schema, dict) or not isinstance(schema.get("__loader__"), str):
            message = "Its schema.json describes no object."
            raise ValueError(message)
        _visit_all(schema, found)
        _note_version(schema, "_skops_version", "skops", found)
        found.root = _inert(schema, MAX_ROOT_DEPTH)
    except Exception as error:  # noqa: BLE001 - a damaged file may raise anything; it is told
        found.error = f"{type(error).__name__}: {error}"[:MAX_NAME]
    _judge_calls(found)
    return found


# ---------------------------------------------------------------- the archive


def _look_at_members(archive: zipfile.ZipFile, max_bytes: int, found: SkopsWalk) -> None:
    """Refuse archives that are too big, and note members that skops does not write."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        message = f"The archive holds {len(members):,} files; {MAX_MEMBERS:,} are the most."
        raise LimitError(message)
    if sum(member.file_size for member in members) > max_bytes:
        message = f"The file decompresses to more than {max_bytes / GIBIBYTE:.3g} GiB."
        raise LimitError(message)
    names = set()
    for member in members:
        if member.filename in names:
            found.problems[f"its archive holds {_shown(member.filename)} twice"] = None
        names.add(member.filename)
        _look_at(archive, member, found)
    if SCHEMA in names and archive.getinfo(SCHEMA).file_size > MAX_SCHEMA:
        message = f"Its schema.json is larger than {MAX_SCHEMA >> 20} MiB."
        raise LimitError(message)


def _look_at(archive: zipfile.ZipFile, member: zipfile.ZipInfo, found: SkopsWalk) -> None:
    """Note a member whose name leaves the archive or whose bytes are a pickle."""
    name = member.filename
    if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or ":" in name:
        found.problems[f"its archive holds the path {_shown(name)}"] = None
        return
    if name == SCHEMA:
        return
    with archive.open(member) as content:
        start = content.read(START)
    is_pickle = file_kinds.PICKLE_START.match(start) is not None
    if is_pickle or name.endswith((".pkl", ".pickle")) or OBJECT_ARRAY.search(start):
        found.problems[f"it holds a pickle ({_shown(name)}) inside"] = None


def _shown(name: str) -> str:
    return repr(name[:60])


# ---------------------------------------------------------------- names


def _visit_all(schema: Node, found: SkopsWalk) -> None:
    """Note what every node of the tree would import and do."""
    queue = [schema]
    for _ in range(MAX_NODES):
        if not queue:
            return
        node = queue.pop()
        if isinstance(node, dict):
            if isinstance(node.get("__loader__"), str):
                _visit(node, found)
            queue += [part for part in node.values() if isinstance(part, (dict, list))]
        else:
            queue += [part for part in node if isinstance(part, (dict, list))]
    message = "The schema has more nodes than any model needs."
    raise LimitError(message)


def _visit(node: dict[str, Node], found: SkopsWalk) -> None:
    """Note one node's name, or the problem that its loader is."""
    loader, module, name = node["__loader__"], node.get("__module__"), node.get("__class__")
    if loader in NAMELESS:
        return
    if not isinstance(module, str) or not isinstance(name, str):
        found.problems["it holds a node without a name"] = None
        return
    module, name = module[:MAX_NAME], name[:MAX_NAME]
    if loader in CONTAINERS and f"{module}.{name}" in CONTAINERS[loader]:
        return
    found.imports[(module, name)] = None
    if len(found.imports) > MAX_IMPORTS:
        message = f"The file refers to more than {MAX_IMPORTS} names."
        raise LimitError(message)
    if loader in CALLING or loader in CONTAINERS:
        if not pickle_rules.may_be_called(module, name):
            found.problems[f"it calls {module}.{name} while loading"] = None
    elif loader == "LossNode":
        found.called[(module, name)] = None
    elif loader not in OBJECTS:
        found.problems[f"it uses {loader[:40]} to build {module}.{name}"] = None
    if loader == "ObjectNode":
        _note_version(_attributes(node), "_sklearn_version", "scikit-learn", found)


def _judge_calls(found: SkopsWalk) -> None:
    """Add a problem for every name that is allowed as a value but would be called."""
    for module, name in found.called:
        allowed = pickle_rules.judge(module, name) == pickle_rules.ALLOWED
        if allowed and not pickle_rules.might_be_callable(module, name):
            found.problems[f"it calls {module}.{name} while loading"] = None


def _note_version(node: Node, key: str, library: str, found: SkopsWalk) -> None:
    """Keep a library's version, a plain text or the node of one."""
    told = node.get(key) if isinstance(node, dict) else None
    if isinstance(told, dict):
        told = _inert(told, 1)
    if isinstance(told, str):
        found.versions.setdefault(library, told[:40])


def _attributes(node: Node) -> dict[str, Node]:
    """Return the nodes of an object's attributes by name."""
    content = node.get("content")
    inner = content.get("content") if isinstance(content, dict) else None
    return inner if isinstance(inner, dict) else {}


# ---------------------------------------------------------------- the root


def _inert(node: Node, depth: int) -> Node:
    """Return a node as ``pickle_walk`` would: plain values, lists, ``Mapping`` and ``Built``."""
    if depth == 0 or not isinstance(node, dict):
        return None
    loader, content = node.get("__loader__"), node.get("content")
    if loader == "JsonNode":
        return json.loads(content) if isinstance(content, str) and len(content) < MAX_NAME else ""
    if loader == "DictNode" and isinstance(content, dict):
        items = list(content.items())[:MAX_SHOWN_ITEMS]
        return Mapping([part for k, value in items for part in (k, _inert(value, depth - 1))])
    if loader in ("ListNode", "TupleNode") and isinstance(content, list):
        values = [_inert(value, depth - 1) for value in content[:MAX_SHOWN_ITEMS]]
        return values if loader == "ListNode" else tuple(values)
    name = Global(str(node.get("__module__"))[:MAX_NAME], str(node.get("__class__"))[:MAX_NAME])
    if loader in ("FunctionNode", "TypeNode"):
        return name
    built = Built(name, ())
    if loader == "ObjectNode":
        built.state = _inert(content, depth - 1)
    return built
