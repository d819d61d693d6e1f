"""A small table with the usual faults, to see what the data check says.

Owns: its rows, made without any numerical library.
"""

from __future__ import annotations

import csv
import io
import random

COLUMNS = ("customer", "age", "city", "income", "country", "cancelled_on_paper", "churn")


def example_table(n_rows: int = 300, seed: int = 7) -> bytes:
    """Return CSV with gaps, outliers, spellings, a constant, an identifier and a leaking column.

    Examples
    --------
    >>> example_table(2).decode().splitlines()[0]
    'customer,age,city,income,country,cancelled_on_paper,churn'
    """
    draw = random.Random(seed)  # noqa: S311 - an example, no secret
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    made = [_row(draw, number) for number in range(n_rows)]
    rows.writerows(made + made[: n_rows // 12])
    return text.getvalue().encode()


def _row(draw: random.Random, number: int) -> list[object]:
    churn = draw.random() < 0.3
    income = round(draw.gauss(3000, 400)) * (100 if draw.random() < 0.07 else 1)
    return [
        f"C-{draw.getrandbits(40):010x}-{number}",
        "" if draw.random() < 0.25 else draw.randint(18, 80),
        draw.choice(["Berlin", "Paris", "paris ", "Rome"]),
        income,
        "EU",
        "signed" if churn else "none",
        "yes" if churn else "no",
    ]
