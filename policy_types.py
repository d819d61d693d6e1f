"""The types of a gate's policy: a versioned document of rules that a run must keep.

Owns: ``Policy`` and ``Rule``, and what a single rule may hold. Read from text by ``policy``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from base_types import TypedModel

POLICY_VERSION = 1
MAX_RULES = 200

Percent = Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.\d{1,6})?\s?%$")]


def _refuse_yes(value: object) -> object:
    """Refuse true and false, which YAML also spells yes and no, where a number belongs."""
    if isinstance(value, bool):
        msg = "expected a number"
        raise ValueError(msg)
    return value


Bound = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_refuse_yes)]

_ONE_SUBJECT: dict[str, Any] = {
    "oneOf": [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in ("number", "check")
    ]
}
"""In words of JSON Schema; a key that is null counts as not given."""


class Rule(TypedModel):
    """One line of a policy: a limit for one number, or one of the product's own checks."""

    model_config = ConfigDict(json_schema_extra=_ONE_SUBJECT)

    number: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Name of a number of the report: balanced_accuracy, p95_ms, harm_missing ...",
    )
    check: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Id of a check of the report: model.safety, quality.baseline ...",
    )
    at_least: Bound | None = Field(default=None, description="Smallest value allowed")
    at_most: Bound | None = Field(default=None, description="Largest value allowed")
    worse_by_at_most: Annotated[Bound, Field(ge=0)] | Percent | None = Field(
        default=None,
        description='How much worse than the baseline is allowed: 0.02, or "5%" of its value',
    )
    significant: bool = Field(
        default=False,
        description="Worse than the baseline counts only where chance cannot explain it: the "
        "intervals do not overlap",
    )
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="Which direction is better, where the number does not say"
    )
    level: Literal["fail", "warn"] | None = Field(
        default=None,
        description="What a broken rule does; fail for numbers, the check's own verdict for checks",
    )
    if_missing: Literal["fail", "warn", "skip"] | None = Field(
        default=None,
        description="What to say where the run has no such number or check; the level if not given",
    )
    why: str | None = Field(default=None, max_length=500, description="Shown beside the result")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.number is None) == (self.check is None):
            msg = "a rule is about one 'number' or one 'check'; give exactly one of them"
            raise ValueError(msg)
        limits = (self.at_least, self.at_most, self.worse_by_at_most)
        limited = self.significant or any(limit is not None for limit in limits)
        if self.check is not None and (limited or self.better is not None):
            msg = "a rule about a check takes only 'level', 'if_missing' and 'why'"
            raise ValueError(msg)
        if self.number is not None and not limited:
            msg = (
                "there is no limit; give at_least, at_most or worse_by_at_most, or significant: "
                "true for 'not clearly worse than the baseline'"
            )
            raise ValueError(msg)
        return self


class Policy(TypedModel):
    """What a run must keep to pass the gate."""

    version: Literal[1] = Field(description="Form of this document; 1 is the only one so far")
    name: str = Field(default="", max_length=200, description="What the policy is called")
    rules: list[Rule] = Field(min_length=1, max_length=MAX_RULES)
