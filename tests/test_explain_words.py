"""Texts by word: exact values equal scikit-learn's, others equal brute force, texts stay whole."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from explain_outputs import choose_view
from explain_word_play import leave_one_out
from explain_word_types import TextRequest
from explain_words import explain_texts
from schema_utils import Kind
from tests.local_model import LocalModel
from text_words import WordsOfText, fold, split_words
from word_reading import marked_pieces, telling_text

SPAM = "Free prize! Claim your free cash now, urgent offer"
HAM = "Shall we meet for lunch at the office tomorrow"
TEXTS = [
    SPAM,
    HAM,
    "free cash prize, call now",
    "see you at lunch, call me tomorrow",
    "urgent: claim the prize today",
    "the office is free tomorrow",
] * 5
LABELS = ["spam", "ham", "spam", "ham", "spam", "ham"] * 5
ROWS = pd.DataFrame({"text": TEXTS[:6]})
TEXT = {"text": Kind.TEXT}


def fitted(*steps: Any) -> Any:
    return make_pipeline(*steps).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    "vectorizer",
    [TfidfVectorizer(), TfidfVectorizer(stop_words="english"), CountVectorizer(binary=True)],
    ids=["tf-idf", "stop words", "binary counts"],
)
def test_a_word_counts_coefficient_times_weight(vectorizer: Any) -> None:
    """Of a logistic regression, a word's contribution is coef × the vectoriser's value."""
    pipeline = fitted(vectorizer, LogisticRegression())
    (found,) = explain_texts(LocalModel(pipeline), ROWS, TEXT)
    assert (found.method, found.space, found.output) == ("linear", "log-odds", "spam")
    weights = pipeline[0].transform(TEXTS[:6]).toarray() * pipeline[-1].coef_[0]
    for words in found.texts:
        for word, value in zip(words.words, words.values, strict=True):
            column = pipeline[0].vocabulary_[word.lower()]
            assert value == pytest.approx(weights[words.position, column], abs=1e-8)
    names = list(pipeline[0].get_feature_names_out())
    for item in found.importance:
        column = names.index(item.word)
        assert item.importance == pytest.approx(np.abs(weights[:, column]).mean(), abs=1e-8)


@pytest.mark.parametrize(
    "steps",
    [
        (TfidfVectorizer(ngram_range=(1, 3)), LogisticRegression()),
        (CountVectorizer(ngram_range=(2, 2), stop_words="english"), LinearSVC()),
        (HashingVectorizer(n_features=2**16), LogisticRegression()),
        (TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4)), LogisticRegression()),
        (CountVectorizer(), MultinomialNB()),
        (CountVectorizer(), ComplementNB()),
    ],
    ids=["phrases", "pairs", "hashes", "letters", "multinomial bayes", "complement bayes"],
)
def test_the_words_of_a_text_add_up(steps: tuple[Any, ...]) -> None:
    """The answer to an empty text plus all words is scikit-learn's margin, whatever a term is."""
    pipeline = fitted(*steps)
    (found,) = explain_texts(LocalModel(pipeline), ROWS, TEXT)
    assert found.method == "linear"
    for words in found.texts:
        margin = words.base_value + sum(words.values) + words.rest
        assert margin == pytest.approx(_margin(pipeline, TEXTS[words.position]), abs=1e-6)
        assert words.base_value == pytest.approx(_margin(pipeline, ""), abs=1e-9)
        if pipeline[0].analyzer == "word":  # else punctuation has terms of its own
            assert words.rest == pytest.approx(0.0, abs=1e-7)


def _margin(pipeline: Any, text: str) -> float:
    if hasattr(pipeline, "decision_function"):
        return float(pipeline.decision_function([text])[0])
    ham, spam = pipeline.predict_log_proba([text])[0]
    return float(spam - ham)


def test_a_phrase_is_shared_by_its_words() -> None:
    """Each word of a pair gets half of what the pair counts."""
    pipeline = fitted(CountVectorizer(ngram_range=(2, 2)), LogisticRegression())
    (found,) = explain_texts(LocalModel(pipeline), pd.DataFrame({"text": ["free prize"]}), TEXT)
    coefficient = pipeline[-1].coef_[0][pipeline[0].vocabulary_["free prize"]]
    assert found.texts[0].words == ["free", "prize"]
    assert found.texts[0].values == pytest.approx([coefficient / 2] * 2, abs=1e-8)


def test_a_text_beside_other_columns_is_explained_alone() -> None:
    """In a column transformer the other columns stay as they are and belong to no word."""
    rows = pd.DataFrame({"size": np.arange(30.0), "text": TEXTS})
    columns = [("t", TfidfVectorizer(), "text"), ("n", StandardScaler(), ["size"])]
    pipeline = make_pipeline(ColumnTransformer(columns), LogisticRegression()).fit(rows, LABELS)
    kinds = {"size": Kind.FLOAT, "text": Kind.TEXT}
    (found,) = explain_texts(LocalModel(pipeline), rows.head(6), kinds)
    assert (found.column, found.method) == ("text", "linear")
    empty = pipeline.decision_function(rows.head(6).assign(text=""))
    assert [words.base_value for words in found.texts] == pytest.approx(empty.tolist())


def test_words_that_a_step_mixes_are_asked_for() -> None:
    """After a projection no coefficient belongs to a word, so the model is asked, and says so."""
    pipeline = fitted(TfidfVectorizer(), TruncatedSVD(5, random_state=0), LogisticRegression())
    (found,) = explain_texts(LocalModel(pipeline), ROWS, TEXT, seconds=0.3)
    assert found.method == "sampled"
    assert "mix" in found.notes[0]


def test_several_classes_have_words_each() -> None:
    """A classifier of three classes has one explanation per class."""
    labels = ["spam", "ham", "spam", "ham", "other", "ham"] * 5
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, labels)
    found = explain_texts(LocalModel(pipeline), ROWS, TEXT)
    assert [text.output for text in found] == ["ham", "other", "spam"]


def test_the_other_class_turns_the_signs() -> None:
    """Explaining the first class of two gives the same words with the other sign."""
    model = LocalModel(fitted(TfidfVectorizer(), LogisticRegression()))
    (one,) = explain_texts(model, ROWS, TEXT)
    (other,) = explain_texts(model, ROWS, TEXT, positive_class="ham")
    assert other.output == "ham"
    assert one.texts[0].values == pytest.approx([-value for value in other.texts[0].values])


# --- models that are asked -------------------------------------------------------------------


def _neighbours() -> Any:
    return fitted(TfidfVectorizer(), KNeighborsClassifier(7, weights="distance"))


def test_sampled_words_are_shapley_values() -> None:
    """Of a short text they equal the Shapley values by definition, over all sets of words."""
    pipeline, words = _neighbours(), ["free", "lunch", "tomorrow", "prize"]
    rows = pd.DataFrame({"text": [" ".join(words)]})
    (found,) = explain_texts(LocalModel(pipeline), rows, TEXT)
    worth = {
        chosen: float(pipeline.predict_proba([" ".join(words[at] for at in chosen)])[0, 1])
        for size in range(5)
        for chosen in combinations(range(4), size)
    }
    got = dict(zip(found.texts[0].words, found.texts[0].values, strict=True))
    for player, word in enumerate(words):
        expected = sum(
            factorial(len(others))
            * factorial(3 - len(others))
            / factorial(4)
            * (worth[tuple(sorted((*others, player)))] - worth[others])
            for others in worth
            if player not in others
        )
        assert got.get(word, 0.0) == pytest.approx(expected, abs=1e-9)


def test_leaving_one_word_out_equals_doing_so_by_hand() -> None:
    """The effect of a word alone is the answer with it minus the answer without it."""
    pipeline = _neighbours()
    model = LocalModel(pipeline)
    view = choose_view(model.info, model.predict(ROWS))
    keys, effects = leave_one_out(TextRequest(model, ROWS, "text", 1.0), 1, view)
    words = HAM.split()
    whole = pipeline.predict_proba([HAM])[0, 1]
    for key, effect in zip(keys, effects[:, 0], strict=True):
        rest = " ".join(word for word in words if word.lower() != key)
        assert effect == pytest.approx(whole - pipeline.predict_proba([rest])[0, 1], abs=1e-12)


def test_long_texts_are_explained_by_their_telling_words() -> None:
    """Of many distinct words most stand together, and all still add up to the answer."""
    rows = pd.DataFrame({"text": [" ".join(f"filler{i}" for i in range(90)) + " " + SPAM]})
    pipeline = _neighbours()
    (found,) = explain_texts(LocalModel(pipeline), rows, TEXT, seconds=2.0)
    words = found.texts[0]
    assert "prize" in words.words
    total = words.base_value + sum(words.values) + words.rest
    assert total == pytest.approx(pipeline.predict_proba(rows["text"])[0, 1], abs=1e-6)


def test_texts_without_words_have_none() -> None:
    """An empty and a word-free text are explained by no word and do no harm."""
    rows = pd.DataFrame({"text": ["", "?!…", "free"]})
    for pipeline in (_neighbours(), fitted(TfidfVectorizer(), LogisticRegression())):
        (found,) = explain_texts(LocalModel(pipeline), rows, TEXT)
        assert [len(words.words) for words in found.texts[:2]] == [0, 0]


# --- words of a text -------------------------------------------------------------------------

DOCUMENTS = st.text(alphabet="aB1éßЖ字 '’-_.,<&\n\t\u0301")


@given(DOCUMENTS)
def test_a_text_is_put_together_again(text: str) -> None:
    """Pieces of any text, and its pieces with marked words, joined are the text."""
    pieces = split_words(text)
    assert "".join(pieces) == text
    words = pieces[1::2]
    assert "".join(part for part, _ in marked_pieces(text, words, [1.0] * len(words))) == text


@given(DOCUMENTS, st.data())
def test_words_left_out_are_gone_and_others_stay(text: str, data: st.DataObject) -> None:
    """Without some words a text has just the other words, in order."""
    whole = WordsOfText.of(text)
    gone = set(data.draw(st.lists(st.sampled_from(whole.keys)))) if whole.keys else set()
    kept = [word for word in whole.sequence if fold(word) not in gone]
    left = "".join(split_words(whole.without(gone)))
    assert [c for c in left if c.isalnum()] == [c for word in _pieces(whole, gone) for c in word]
    assert len(kept) <= len(whole.sequence)


def _pieces(whole: WordsOfText, gone: set[str]) -> list[str]:
    """Return the letters and digits of the words that stay, in order."""
    kept = [word for word in whole.sequence if fold(word) not in gone]
    return ["".join(c for c in word if c.isalnum()) for word in kept]


def test_the_telling_text_lies_farthest_from_an_empty_one() -> None:
    """The text that a report quotes is the one whose words move the answer most."""
    (found,) = explain_texts(
        LocalModel(fitted(TfidfVectorizer(), LogisticRegression())), ROWS, TEXT
    )
    distances = [abs(words.prediction - words.base_value) for words in found.texts]
    told = telling_text(found)
    assert told is not None
    assert told.position == int(np.argmax(distances))
