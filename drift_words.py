"""What the words of texts tell of drift: unknown ones, and known ones used more or less often.

Owns: ``Words`` (in how many texts each word occurs) and the tests of two of them. Texts are what is
counted, never words: those of one text hang together, and a test of words would see drift where
one long text came in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

import drift_count_tests as count_tests
from drift_order import Floats
from drift_tests import TestResult

MAX_TEXTS = 20_000
"""Texts whose words are counted; of a longer column evenly chosen ones."""

MAX_CHARACTERS = 20_000_000
"""Of all texts counted; so many hold a few hundred thousand different words at most."""

MAX_TESTED = 100
"""Words whose shares are compared, the most frequent of both tables: more would only weaken the
correction for their number."""

MIN_EXPECTED = 2.0
"""A word in fewer texts than this, expected in the smaller sample, is not compared."""

_WORD = re.compile(r"\w+")
_EXACT = 5


@dataclass(frozen=True)
class Words:
    """In how many texts each word occurs.

    Parameters
    ----------
    counts : dict of str to int
        Texts that contain the word, in lower case; each counts once.
    n_texts : int
        Texts counted, without missing ones.
    n_lone : int
        Texts with a word that none of the others contains.
    texts : tuple of tuple of str
        The different words of each text; empty if they were not kept, as in a saved profile.
    """

    counts: dict[str, int]
    n_texts: int
    n_lone: int
    texts: tuple[tuple[str, ...], ...] = field(default=(), compare=False, repr=False)


def count_words(texts: Sequence[str]) -> Words:
    """Count in how many texts each word occurs.

    Parameters
    ----------
    texts : sequence of str
        Of more than ``MAX_TEXTS``, or of very long ones, evenly chosen ones are counted.

    Examples
    --------
    >>> count_words(["Red car, red", "a car"])
    Words(counts={'red': 1, 'car': 2, 'a': 1}, n_texts=2, n_lone=2)
    """
    length = sum(map(len, texts))
    every = max(1, -(-len(texts) // MAX_TEXTS), -(-length // MAX_CHARACTERS))
    found = tuple(tuple(dict.fromkeys(_WORD.findall(text.lower()))) for text in texts[::every])
    counts = Counter(word for words in found for word in words)
    n_lone = sum(any(counts[word] == 1 for word in words) for words in found)
    return Words(dict(counts), len(found), n_lone, found)


def unknown_words(reference: Words, current: Words, *, rising: float = 0.5) -> TestResult:
    """Test whether more texts contain a word the reference lacks than chance brings.

    Some words are always new. How often is read from the reference itself: a text of it contains a
    word that all its others lack as often as a further text from the same source does (leave one
    out, the estimate of Good 1953 for unseen kinds).

    Parameters
    ----------
    reference, current : Words
        ``current`` with its texts; both of at least one text.
    rising : float
        See ``drift_count_tests.proportion_difference``.

    Returns
    -------
    TestResult
        Share of such texts in the current data less that expected, -1..1, and its p-value.

    Examples
    --------
    >>> old, new = count_words(["a b", "b a"]), count_words(["a c", "a b"])
    >>> unknown_words(old, new).statistic
    0.5
    """
    unknown = sum(any(word not in reference.counts for word in text) for text in current.texts)
    return count_tests.proportion_difference(
        reference.n_lone, reference.n_texts, unknown, current.n_texts, rising=rising
    )


def word_shares(reference: Words, current: Words) -> tuple[TestResult, str] | None:
    """Test whether a frequent word is in more or fewer of the texts.

    Parameters
    ----------
    reference, current : Words
        Both of at least one text.

    Returns
    -------
    tuple of (TestResult, str) or None
        Change of the share of texts that contain the most changed word, -1..1, that word, and the
        p-value: Fisher's exact test of the word times the number of words compared (Bonferroni).
        None if no word is in enough texts.
    """
    sizes = np.array([reference.n_texts, current.n_texts], dtype=np.float64)
    pooled = Counter(reference.counts)
    pooled.update(current.counts)
    enough = MIN_EXPECTED * sizes.sum() / sizes.min()
    words = [word for word, count in pooled.most_common(MAX_TESTED) if count >= enough]
    if not words:
        return None
    old, new = (
        np.array([each.counts.get(word, 0) for word in words], dtype=np.float64)
        for each in (reference, current)
    )
    change = new / sizes[1] - old / sizes[0]
    p_values = {
        i: count_tests.fisher_exact(
            np.array([old[i], sizes[0] - old[i]]), np.array([new[i], sizes[1] - new[i]])
        )
        for i in _most_changed(old + new, change, sizes.sum())
    }
    best = min(p_values, key=p_values.__getitem__)
    p_value = min(1.0, len(words) * p_values[best])
    method = f"Fisher exact times {len(words)} words"
    return TestResult(float(change[best]), p_value, method), words[best]


def _most_changed(pooled: Floats, change: Floats, total: float) -> list[int]:
    """Return the positions of the few words with the largest squared z."""
    variance = np.maximum(pooled * (total - pooled), 1.0)  # 0 for a word in every text
    order = np.argsort(-(change**2) / variance, kind="stable")
    return [int(i) for i in order[:_EXACT]]
