"""Growing a policy: one more rule at the end of its text.

Owns: ``add_rule`` and ``case_rule``. Comments and layout stay wherever the text allows.
"""

from __future__ import annotations

import json
import textwrap
from contextlib import suppress
from typing import Any

import yaml

from base_types import Estimate
from comparison import Number
from errors import PolicyError
from policy import read_policy, rule_line, suggest_rule


def add_rule(text: str, rule: str) -> str:
    r"""Return the text of a policy with one more rule at its end.

    Parameters
    ----------
    text : str
        A readable policy, YAML or JSON.
    rule : str
        One item of ``rules`` in YAML, as ``policy.suggest_rule`` writes it.

    Returns
    -------
    str
        The same text where the policy has that very rule already; written anew (without its
        comments) only where its layout takes no further line.

    Raises
    ------
    PolicyError
        The text is no readable policy, or is full.

    Examples
    --------
    >>> print(add_rule("version: 1\nrules:\n- check: model.load\n", "  - check: drift.alarm"))
    version: 1
    rules:
    - check: model.load
    - check: drift.alarm
    <BLANKLINE>
    """
    policy, line = read_policy(text), textwrap.dedent(rule)
    added = read_policy(f"version: 1\nrules:\n{line}").rules[0]
    if added in policy.rules:
        return text
    wanted = [*policy.rules, added]
    longer = f"{text.rstrip()}\n{textwrap.indent(line, _indent(text, len(policy.rules)))}\n"
    with suppress(PolicyError):  # flow style, or another key after the rules: written anew below
        if read_policy(longer).rules == wanted:
            return longer
    anew = _write(policy.model_dump(exclude_defaults=True), wanted, text)
    read_policy(anew)
    return anew


def case_rule(case_id: str) -> str:
    """Return the line of a policy that lets one odd input not end in a crash or a contradiction.

    Examples
    --------
    >>> print(case_rule("missing"))
      - number: broken.missing
        at_most: 0
    """
    name = f"broken.{case_id}"
    none = Number(name, "Behaviour", Estimate(value=0.0), "", higher_is_better=False)
    return suggest_rule(name, none)


def _indent(text: str, n_rules: int) -> str:
    """Return the blanks before the last rule's dash."""
    last = text.splitlines()[rule_line(text, n_rules - 1) - 1]
    return last[: len(last) - len(last.lstrip())]


def _write(kept: dict[str, Any], rules: list[Any], text: str) -> str:
    """Return a policy as JSON where it was JSON, else as YAML."""
    data = {
        "version": 1,
        **kept,
        "rules": [rule.model_dump(exclude_defaults=True) for rule in rules],
    }
    if text.lstrip().startswith("{"):
        return json.dumps(data, indent=2, ensure_ascii=False)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
