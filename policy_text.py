"""From the text of a policy to plain values, with the line of every key.

Owns: ``parse_policy_text`` and ``Lines``. YAML is read as data only: no types beyond JSON's, no
references (they let a small text grow without end), no key twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError
from yaml.constructor import SafeConstructor

from errors import PolicyError
from policy_types import Policy, Rule

MAX_CHARACTERS = 64 * 1024
MAX_PROBLEMS = 10

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Where every key and item of a policy stands."""

    at: dict[Path, int]

    def of(self, path: Path) -> int:
        """Return the line (from 1) of a key, or of what holds it."""
        while path and path not in self.at:
            path = path[:-1]
        return self.at.get(path, 1)

    def explain(self, error: ValidationError) -> PolicyError:
        """Return an error that says for each problem where it is and what was expected."""
        problems: dict[tuple[int, str], str] = {}  # one per place: a union fails in every part
        for item in error.errors(include_url=False):
            place = tuple(part for part in item["loc"] if not _is_alternative(part))
            told = (self.of(place), _spell(place))
            problems.setdefault(told, _sentence(dict(item), place))
        listed = [(line, key, what) for (line, key), what in problems.items()]
        return PolicyError(listed[:MAX_PROBLEMS])


def parse_policy_text(text: str) -> tuple[Any, Lines]:
    r"""Parse YAML or JSON into dicts, lists and values, and note the lines.

    Raises
    ------
    PolicyError
        It is neither, repeats a key, or uses what a policy does not need.

    Examples
    --------
    >>> content, lines = parse_policy_text("version: 1\nrules: []\n")
    >>> content, lines.of(("rules",))
    ({'version': 1, 'rules': []}, 2)
    """
    if len(text) > MAX_CHARACTERS:
        raise PolicyError([(1, "", f"it has {len(text):,} characters; at most {MAX_CHARACTERS:,}")])
    if text.lstrip().startswith("{"):
        text = text.replace("\t", "  ")  # JSON may be indented so, YAML may not
    try:
        _refuse_references(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise PolicyError([(1, "", "it is empty; begin with 'version: 1' and 'rules:'")])
        lines: dict[Path, int] = {}
        _note_lines(node, (), lines)
        data = SafeConstructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark or error.context_mark)
        what = f"it is neither YAML nor JSON: {error.problem or error.context}"
        raise PolicyError([(line, "", what)]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = f"it cannot be read: {str(error)[:200] or type(error).__name__}"
        raise PolicyError([(1, "", what)]) from None
    return data, Lines(lines)


def _line(mark: Any) -> int:  # noqa: ANN401 - the reader's own type, or None
    return 1 if mark is None else int(mark.line) + 1


def _refuse_references(text: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            what = "references (&name, *name) are not read; write the value again"
            raise PolicyError([(_line(event.start_mark), "", what)])


def _note_lines(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _note_lines(item, (*path, position), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*path, str(key.value))
            if place in lines:
                raise PolicyError([(key.start_mark.line + 1, _spell(place), "the key comes twice")])
            lines[place] = key.start_mark.line + 1
            _note_lines(value, place, lines)


def _is_alternative(part: str | int) -> bool:
    """Whether a part of pydantic's place names one type of a union, not a key."""
    return isinstance(part, str) and part.startswith(("function-", "constrained-"))


def _spell(path: Path) -> str:
    """Return a place as people write it: ``rules[1].at_least``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _sentence(item: dict[str, Any], place: Path) -> str:
    given = repr(item["input"])
    shown = given if len(given) <= 60 else f"{given[:57]}..."
    if item["type"] == "extra_forbidden":
        fields = Rule.model_fields if len(place) > 1 else Policy.model_fields
        return f"there is no such key; there are {', '.join(fields)}"
    if item["type"] == "missing":
        return "it is missing"
    if place and place[-1] == "worse_by_at_most":
        return f'{shown} is neither a number of 0 or more nor a share like "5%"'
    if item["type"] == "value_error":
        return str(item["msg"]).removeprefix("Value error, ")
    return f"{shown} is wrong: {str(item['msg'])[:1].lower()}{str(item['msg'])[1:]}"
