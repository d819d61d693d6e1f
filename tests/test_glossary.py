"""What ``glossary`` promises: everything that is shown is explained, in words for everybody."""

from __future__ import annotations

import doctest
import re

import pytest

import glossary
from drift_types import DriftVerdict
from metric_names import (
    CLUSTERING_METRICS,
    LABEL_METRICS,
    MULTILABEL_METRICS,
    MULTIOUTPUT_METRICS,
    REGRESSION_METRICS,
    SCORE_METRICS,
    higher_is_better,
)
from report_types import BehaviourVerdict

METRICS = sorted(
    {
        *CLUSTERING_METRICS,
        *LABEL_METRICS,
        *MULTILABEL_METRICS,
        *MULTIOUTPUT_METRICS,
        *REGRESSION_METRICS,
        *SCORE_METRICS,
        "precision_macro",
        "recall_macro",
        "expected_calibration_error",
    }
)
SPEED = [
    *("p50", "p90", "p95", "p99", "max", "cold_call_ms", "undisturbed_p95_ms", "disturbed_share"),
    *("rows_per_second", "us_per_row", "peak_memory_mb", "error_rate", "load_ms", "batch_size"),
]
DRIFT_TESTS = [
    *("kolmogorov_smirnov", "rank_location", "rank_scale", "rosenbaum", "cramer_von_mises"),
    *("anderson_darling", "wasserstein", "wasserstein_normed", "energy_distance", "psi"),
    *("jensen_shannon", "hellinger", "total_variation", "chi_square", "g_test", "cramers_v"),
    *("value_distribution", "category_shares", "new_categories", "missing_rate", "invalid_rate"),
    *("unknown_words", "word_shares"),
    "default",
]
SCENARIOS = [
    *("mean_shift", "variance_change", "category_mix", "missing_values", "noise", "unit_change"),
    *("correlated_shift", "prior_shift", "outliers"),
]
DRIFT_WORDS = [
    *("statistic", "p_value", "p_adjusted", "effect_size", "severity", "harm", "flipped_share"),
    *("mean_change", "quality_change", "first_noticed"),
]
EXPLANATIONS = [
    *("linear", "tree", "enumerated", "sampled", "importance", "importance_share", "base_value"),
    *("direction", "additivity_gap", "relative_error", "background", "space", "shap_value"),
]
LOAD = [
    *("calls_per_second", "utilisation", "highest_rate", "offline_rows_per_second", "efficiency"),
    *("cold_start_ms", "growth_mb_per_1000_calls", "gc_on_p50_ms", "frame_p50_ms"),
    "one_filter_p50_ms",
]
DETAILS = [
    *("gain", "lift", "spiegelhalter", "cost_per_row", "residual_trend", "doubt", "reach"),
]
FAMILIES = ["p95_ms", "latency_p99", "harm_mean_shift", "importance_of_age", "flipped_by_noise_0.1"]
SHOWN = [*METRICS, *SPEED, *DRIFT_TESTS, *SCENARIOS, *DRIFT_WORDS, *EXPLANATIONS, *LOAD, *DETAILS]
SHOWN += FAMILIES


def test_examples_in_the_docstrings_hold() -> None:
    """Every example a reader sees is what the function returns."""
    assert doctest.testmod(glossary).failed == 0


@pytest.mark.parametrize("name", [*SHOWN, *BehaviourVerdict, *DriftVerdict])
def test_everything_shown_has_an_explanation(name: str) -> None:
    """No number, test, verdict or notion of a report stands without its tooltip."""
    assert len(glossary.explain(name)) > 20


@pytest.mark.parametrize("name", METRICS)
def test_the_better_direction_agrees_with_the_metric(name: str) -> None:
    """The tooltip never says the opposite of what the arithmetic uses."""
    entry = glossary.term(name)
    assert entry is not None
    assert entry.direction == ("higher" if higher_is_better(name) else "lower")


@pytest.mark.parametrize("key", glossary.GLOSSARY)
def test_every_entry_is_one_complete_sentence(key: str) -> None:
    """A name, and one sentence that ends."""
    entry = glossary.GLOSSARY[key]
    assert re.fullmatch(r"[a-z0-9_]+", key)
    assert entry.name
    assert entry.sentence.endswith(".")
    assert ". " not in entry.sentence
    assert entry.direction in ("higher", "lower", "neither")


def test_no_name_has_two_meanings() -> None:
    """Aliases are unique and hide no entry."""
    aliases = [alias for entry in glossary.GLOSSARY.values() for alias in entry.aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(glossary.GLOSSARY)


def test_unknown_names_have_no_tooltip_but_a_readable_title() -> None:
    """A name from elsewhere shows as it is, without an invented meaning."""
    assert glossary.explain("my_own_score") == ""
    assert glossary.term("max_depth") is None
    assert glossary.title("my_own_score") == "My own score"
