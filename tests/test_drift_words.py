"""What the words of texts tell of drift, against scipy, by hand, and without any drift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import drift
import drift_reference as kept
import drift_words
from drift_profiles import NumberProfile
from drift_types import DriftVerdict, FeatureDrift
from drift_words import count_words
from schema_json import schema_from_json
from schema_utils import Kind, Schema

VOCABULARY = np.array([f"w{i}" for i in range(5000)])
ZIPF = 1 / np.arange(1, 5001)
ZIPF /= ZIPF.sum()


def some_texts(n: int, seed: int, *, extra: str = "", share: float = 0.0) -> list[str]:
    """Return texts of about nine words as frequent as those of a language; some with one more."""
    rng = np.random.default_rng(seed)
    lengths = rng.poisson(8, n) + 1
    words = np.split(rng.choice(VOCABULARY, lengths.sum(), p=ZIPF), lengths.cumsum()[:-1])
    more = rng.random(n) < share
    return [
        " ".join([*text, extra] if with_more else text)
        for text, with_more in zip(words, more, strict=True)
    ]


def compare(old: list[str], new: list[str]) -> FeatureDrift:
    return drift.compare_column(pd.Series(old), pd.Series(new), Kind.TEXT)


def test_unknown_words_are_counted_against_those_expected() -> None:
    """Three of four new texts hold a new word; in the old ones each second has one of its own."""
    old = count_words(["a b", "a b", "a c", "a d"])
    new = count_words(["a x", "x y", "a b z", "b"])
    assert old.n_lone == 2
    result = drift_words.unknown_words(old, new)
    assert result.statistic == 0.75 - 0.5
    assert result.p_value == pytest.approx(stats.fisher_exact(np.array([[2, 2], [3, 1]])).pvalue)


def test_the_most_changed_word_is_tested_as_fisher_does() -> None:
    """The p-value is scipy's of that word, times the number of words compared."""
    old = count_words(["red car"] * 30 + ["red bus"] * 20)
    new = count_words(["red car"] * 18 + ["red bus"] * 32)
    tested = drift_words.word_shares(old, new)
    assert tested is not None
    result, word = tested
    expected = stats.fisher_exact(np.array([[30, 20], [18, 32]])).pvalue
    assert word in ("car", "bus")
    assert abs(result.statistic) == pytest.approx(0.24)
    assert result.p_value == pytest.approx(3 * expected, rel=1e-9)


def test_texts_without_drift_are_flagged_no_more_than_promised() -> None:
    """Of 100 pairs from one source at most 10 are flagged; 5 are expected at most."""
    flagged = [
        compare(some_texts(200, seed), some_texts(200, 1000 + seed)).verdict
        is not DriftVerdict.NONE
        for seed in range(100)
    ]
    assert sum(flagged) <= 10


def test_a_word_in_more_texts_is_drift_though_lengths_are_alike() -> None:
    """One text in seven speaks of refunds, which few did before; the sentence names the word."""
    old = some_texts(400, 1, extra="refund", share=0.01)
    result = compare(old, some_texts(400, 2, extra="refund", share=0.15))
    assert result.verdict is DriftVerdict.DRIFT
    assert "'refund'" in result.why


def test_another_language_is_drift_by_unknown_words() -> None:
    """Texts of the same lengths with other words are told as such."""
    result = compare(some_texts(200, 1), [t.replace("w", "v") for t in some_texts(200, 2)])
    found = {test.name: test for test in result.tests}
    assert found["unknown_words"].drift_detected
    assert found["value_distribution"].drift_detected is False


def test_texts_without_any_word_are_compared_by_length_alone() -> None:
    """Punctuation has no words; nothing fails and nothing is made up."""
    result = compare(["...", "!?"] * 20, ["..", "!"] * 20)
    assert "word_shares" not in {test.name for test in result.tests}


def schema_of_text() -> Schema:
    return schema_from_json('{"features": [{"name": "said", "kind": "text"}]}')


def test_words_are_kept_in_a_saved_profile() -> None:
    """A profile written and read again gives the report of the two tables."""
    old, new = (
        pd.DataFrame({"said": some_texts(300, seed, extra="refund", share=share)})
        for seed, share in ((1, 0.0), (2, 0.3))
    )
    data = kept.profile_frame(old, schema_of_text()).to_bytes()
    ours = kept.compare_with_profile(kept.ReferenceProfile.from_bytes(data), new)
    assert ours == drift.compare_frames(old, new, schema_of_text())
    assert ours.n_drifted == 1


def test_words_of_row_groups_are_those_of_the_file(tmp_path: Path) -> None:
    """Read in pieces, every text is counted once, and lone words are lone in the whole file."""
    frame = pd.DataFrame({"said": some_texts(1000, 1)})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=130)
    column = kept.profile_parquet(tmp_path / "rows.parquet", {"said": Kind.TEXT}).columns["said"]
    assert isinstance(column, NumberProfile)
    assert column.words == count_words(frame["said"].tolist())
