"""Claims about the playground: its worlds are true to their models, its knobs do what they say."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression

import playground
import playground_data as worlds
from drift_types import DriftVerdict
from playground import Knobs, play
from playground_lessons import LESSONS, Lesson, lesson_by_id

WORLDS = [world.id for world in worlds.WORLDS]


def test_the_iris_numbers_are_those_of_fisher() -> None:
    """Means and pooled covariance agree with scikit-learn's copy of the data."""
    data = load_iris(as_frame=True)
    groups = [data.data[data.target == k] for k in range(3)]
    assert np.allclose([g.mean() for g in groups], worlds.IRIS_MEANS, atol=5e-4)
    assert np.allclose(
        np.mean([g.cov() for g in groups], axis=0), worlds.IRIS_COVARIANCE, atol=2e-3
    )


def test_the_body_numbers_are_those_of_the_diabetes_study() -> None:
    """Means, spreads, correlations and regression weights agree with scikit-learn's copy."""
    data = load_diabetes(as_frame=True, scaled=False)
    inputs = data.data[["age", "bmi", "bp", "s5", "s6"]]
    assert np.allclose(inputs.mean(), worlds.BODY_MEANS, rtol=1e-3)
    assert np.allclose(inputs.std(), worlds.BODY_STDS, rtol=1e-3)
    assert np.allclose(inputs.corr(), worlds.BODY_CORRELATION, atol=1e-3)
    scaled = ((inputs - inputs.mean()) / inputs.std()).assign(female=data.data["sex"] == 2)
    fitted = LinearRegression().fit(scaled, data.target)
    expected = [*worlds.PROGRESSION_WEIGHTS, worlds.PROGRESSION_OF_FEMALES]
    assert np.allclose(fitted.coef_, expected, atol=0.1)


@pytest.mark.parametrize("world_id", ["iris", "clinic"])
def test_probabilities_of_a_world_are_its_frequencies(world_id: str) -> None:
    """Among rows whose class has probability p, a share p is of that class."""
    world, rng = worlds.world_by_id(world_id), np.random.default_rng(0)
    frame = world.draw(20_000, rng)
    answers = playground.draw_answers(world, frame, rng)
    likely = world.truth(frame)[:, -1]
    close = (likely > 0.6) & (likely < 0.8)
    assert np.mean(answers[close] == world.classes[-1]) == pytest.approx(
        likely[close].mean(), abs=0.06
    )


def test_the_discriminant_is_that_of_scikit_learn() -> None:
    """Our arrays give the probabilities of LinearDiscriminantAnalysis."""
    world, rng = worlds.world_by_id("iris"), np.random.default_rng(1)
    frame = world.draw(2000, rng)
    answers = playground.draw_answers(world, frame, rng)
    theirs = LinearDiscriminantAnalysis().fit(frame, answers)
    ours = playground.fit(world, frame, answers).predict(frame)
    assert ours.y_proba is not None
    assert np.allclose(ours.y_proba, theirs.predict_proba(frame), atol=1e-3)


def test_least_squares_are_those_of_scikit_learn() -> None:
    """The regression predicts what LinearRegression does on the encoded columns."""
    world, rng = worlds.world_by_id("diabetes"), np.random.default_rng(1)
    frame = world.draw(500, rng)
    answers = playground.draw_answers(world, frame, rng)
    encoded = frame.assign(sex=frame["sex"] == "male")
    theirs = LinearRegression().fit(encoded, answers).predict(encoded)
    assert np.allclose(playground.fit(world, frame, answers).predict(frame).y_pred, theirs)


@pytest.mark.parametrize("world_id", WORLDS)
def test_untouched_knobs_raise_no_alarm(world_id: str) -> None:
    """Fresh rows of the same world: no column drifted, and quality as before."""
    outcome = play(Knobs(data=world_id, rows=5000))
    assert (outcome.alarm, outcome.has_fallen) == (False, False)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_a_lesson_shows_what_it_says(lesson: Lesson) -> None:
    """Alarm and damage of every lesson are as its text claims, also for other draws."""
    for step in range(3):
        outcome = play(lesson.knobs.model_copy(update={"seed": lesson.knobs.seed + step}))
        assert (outcome.alarm, outcome.has_fallen) == (lesson.alarm, lesson.falls)
    assert lesson.column in {feature.feature for feature in outcome.report.features}


def test_the_unit_lesson_is_sure_and_wrong() -> None:
    """Estimated accuracy rises while the true one collapses."""
    outcome = play(lesson_by_id("unit").knobs)
    assert outcome.estimated is not None
    assert outcome.estimated_before is not None
    assert outcome.estimated > outcome.estimated_before
    assert outcome.score < outcome.score_before - 0.1


def test_the_missing_lesson_is_noticed_by_confidence() -> None:
    """The model's own confidence falls with the gaps."""
    assert play(lesson_by_id("missing").knobs).estimate_noticed


def test_the_outlier_lesson_is_hidden_from_psi() -> None:
    """PSI stays below its limit where the standardised Wasserstein distance passes its own."""
    outcome = play(lesson_by_id("outliers").knobs)
    column = next(f for f in outcome.report.features if f.feature == "petal_length")
    rings = {test.name: test.drift_detected for test in column.tests}
    assert (rings["psi"], rings["wasserstein_normed"]) == (False, True)


@pytest.mark.parametrize(
    ("name", "amount", "statistic", "expected"),
    [("shift", 1.0, "mean", 1.0), ("spread", 2.0, "std", 2.0), ("offset", -0.5, "mean", -0.5)],
)
def test_a_knob_moves_a_column_by_its_amount(
    name: str, amount: float, statistic: str, expected: float
) -> None:
    """Amounts are standard deviations of the reference, or factors on its spread."""
    reference = playground.reference_of("diabetes")
    knobs = Knobs.model_validate(
        {"data": "diabetes", "columns": "age", "rows": 20_000, name: amount}
    )
    frame, _ = playground.draw_current(knobs, reference)
    moved = (frame["age"] - reference.frame["age"].mean()) / reference.frame["age"].std()
    assert moved.agg(statistic) == pytest.approx(expected, abs=0.05)
    assert frame["bmi"].mean() == pytest.approx(reference.frame["bmi"].mean(), rel=0.02)


def test_prior_shift_multiplies_the_odds_and_keeps_the_rows() -> None:
    """Five times the odds of yes, in as many rows as asked for."""
    reference = playground.reference_of("clinic")
    share = []
    for odds in (1.0, 5.0):
        _, y_true = playground.draw_current(Knobs(odds=odds, rows=20_000), reference)
        share.append(np.mean(y_true == "yes"))
        assert len(y_true) == 20_000
    odds_before, odds_after = (s / (1 - s) for s in share)
    assert odds_after / odds_before == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("world_id", WORLDS)
def test_concept_drift_leaves_inputs_and_predictions_alone(world_id: str) -> None:
    """The inputs are the same cells as without it."""
    frames = [
        playground.draw_current(
            Knobs(data=world_id, concept=concept), playground.reference_of(world_id)
        )[0]
        for concept in (0.0, 0.5)
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert play(Knobs(data=world_id, concept=0.5, rows=5000)).has_fallen


def test_the_same_knobs_give_the_same_outcome() -> None:
    """An address with all knobs is a link to one picture."""
    knobs = Knobs(noise=0.4, missing=0.1, seed=7)
    assert play(knobs) == play(knobs)


def test_power_grows_with_the_rows() -> None:
    """A shift of a fifth of a standard deviation is found more often in more rows."""
    few, many = (
        playground.noticed_share(Knobs(shift=0.2, rows=rows), repetitions=10) for rows in (50, 2000)
    )
    assert few < many == 1.0


@pytest.mark.parametrize("world_id", WORLDS)
@pytest.mark.parametrize("rows", [20, 500])
def test_extreme_knobs_still_give_an_answer(world_id: str, rows: int) -> None:
    """All knobs at their ends at once: every column has a verdict, nothing raises."""
    knobs = Knobs(
        data=world_id,
        shift=3,
        spread=4,
        together=-3,
        mix=0.9,
        odds=20,
        concept=1,
        offset=-3,
        noise=3,
        unit=1000,
        outliers=0.5,
        missing=0.95,
        rows=rows,
    )
    outcome = play(knobs)
    assert len(outcome.report.features) == len(playground.reference_of(world_id).kinds)
    assert all(feature.verdict in DriftVerdict for feature in outcome.report.features)


def test_a_move_is_quick() -> None:
    """5,000 rows cost less processor time than the 300 ms from slider to picture."""
    play(Knobs(rows=5000))
    started = time.process_time()
    play(Knobs(rows=5000, shift=0.3))
    assert time.process_time() - started < 0.3  # 0.02 is usual
