"""Lessons of the drift playground: a setting of the knobs, a story, and what it teaches.

Owns: ``LESSONS``. What a lesson says will happen is stated as data too, and a test plays each.
"""

from __future__ import annotations

from dataclasses import dataclass

from playground import Knobs


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Parameters
    ----------
    id, title : str
        ``title`` is its name in the field.
    story : str
        What has happened, before the guess.
    knobs : Knobs
        The setting that shows it.
    column : str
        The column to look at.
    alarm, falls : bool
        Whether an input column is flagged, and whether the model becomes worse.
    teaches : str
        Why, after the guess.
    """

    id: str
    title: str
    story: str
    knobs: Knobs
    column: str
    alarm: bool
    falls: bool
    teaches: str


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        "covariate",
        "Covariate shift",
        "The clinic opens a branch where people are older and heavier. The disease works there as "
        "it does everywhere.",
        Knobs(shift=1.0, rows=5000),
        "age",
        alarm=True,
        falls=False,
        teaches="All numbers move, every test rings, and the model is as right as before: it "
        "learned how answers depend on inputs, and that has not changed. Drift of the inputs is a "
        "reason to look, not a proof of damage.",
    ),
    Lesson(
        "prior",
        "Prior shift",
        "After a campaign, patients with fast progression come five times as often. Within each "
        "group people are as before.",
        Knobs(odds=5.0, rows=5000),
        "log_triglycerides",
        alarm=True,
        falls=False,
        teaches="Only the mix of answers changed, yet inputs move too, because the answer is "
        "written in them. Accuracy hardly suffers here, but the probabilities do: the model still "
        "reckons with the old odds, so it says yes too rarely.",
    ),
    Lesson(
        "concept",
        "Concept drift",
        "A new treatment turns the outcome of the 40 % of patients with the highest triglycerides. "
        "Who comes to the clinic is unchanged.",
        Knobs(concept=0.4, rows=5000),
        "log_triglycerides",
        alarm=False,
        falls=True,
        teaches="The worst kind: inputs, predictions and confidence look as ever, while the truth "
        "behind them has changed. No statistic of the inputs can see it; only fresh labels can.",
    ),
    Lesson(
        "missing",
        "Missing values",
        "A form was changed, and a third of all fields now arrives empty.",
        Knobs(missing=0.33, rows=5000),
        "glucose",
        alarm=True,
        falls=True,
        teaches="The values that are there look as before, so tests that drop gaps (most of them) "
        "stay silent. The missing rate is tested by itself here, and it rings. The model guesses "
        "the mean for what it does not know and loses part of its skill; its confidence notices.",
    ),
    Lesson(
        "unit",
        "Unit change",
        "The laboratory reports triglycerides in another unit: the same people, numbers 2.54 times "
        "as large.",
        Knobs(unit=2.54, rows=5000),
        "log_triglycerides",
        alarm=True,
        falls=True,
        teaches="One column is enough. The values lie far outside what the model has seen, it says "
        "yes to nearly everybody and is surer than ever: the estimated accuracy goes up while the "
        "true one collapses. Confidence is worthless far from the training data.",
    ),
    Lesson(
        "outliers",
        "Outliers",
        "Three of a hundred measurements of the flowers are glitches, far out on either side.",
        Knobs(data="iris", outliers=0.03, rows=5000),
        "petal_length",
        alarm=True,
        falls=True,
        teaches="The bulk of the values has not moved, so PSI and Jensen-Shannon hardly stir. The "
        "distance that counts how far values travelled (Wasserstein) and the tests of spread and "
        "of values beyond the old range see it. The glitched rows are simply answered wrongly.",
    ),
    Lesson(
        "correlated",
        "Correlated shift",
        "The population changes as populations do: columns move together, each the way the others "
        "pull it.",
        Knobs(together=0.6, rows=5000),
        "glucose",
        alarm=True,
        falls=False,
        teaches="Several alarms with one cause. Each new row is still a plausible person, so the "
        "model copes. Try the same distance as a measured offset of one column alone: fewer "
        "alarms, more damage.",
    ),
    Lesson(
        "nothing",
        "Nothing at all",
        "Another two thousand patients from the same population.",
        Knobs(rows=2000),
        "age",
        alarm=False,
        falls=False,
        teaches="Samples differ by chance: sooner or later some uncorrected test says p < 0.05. "
        "Corrected over all columns, and with a floor for the effect, the alarm stays silent. "
        "Change the seed a few times and count.",
    ),
)


def lesson_by_id(lesson_id: str) -> Lesson:
    """Return the lesson called ``lesson_id``; raises KeyError for an unknown one.

    Examples
    --------
    >>> lesson_by_id("covariate").title
    'Covariate shift'
    """
    return {lesson.id: lesson for lesson in LESSONS}[lesson_id]
