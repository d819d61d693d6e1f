"""Tables made up for the built-in examples: short messages, and houses sold over some years.

Owns: ``messages`` and ``houses``. The same rows every time; nobody's data.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_ORDINARY = (
    "Are we still on for {meal} on {day}?",
    "Can you send me the {thing} before {day}, please",
    "Running late, be there in {n} minutes",
    "Thanks for the {thing}, see you on {day}",
    "Did you call {who} about the {thing} yet?",
    "{who} says {meal} is at {n}, don't be late",
    "I left the {thing} at home, can {who} bring it",
    "The prize of the quiz is a free {meal} on {day}",
    "Call me when you are free, it's about the {thing}",
    "No worries, the {thing} can wait until {day}",
    "Happy birthday! Are you free for {meal} on {day}?",
)
_UNWANTED = (
    "WINNER! You have been selected for a {prize}, call {phone} now",
    "Free entry: text WIN to {phone} and claim your {prize}",
    "Urgent! Your account is suspended, verify it at www.{site}.example today",
    "Claim your {prize} today, reply YES, this offer ends on {day}",
    "Cheap loans without a credit check, apply now: {phone}",
    "Congratulations, your number won a guaranteed {prize}. Call {phone}",
    "Hi, are you free on {day}? See my pictures at www.{site}.example",
    "You have {n} unread messages, text READ to {phone}. Cost 150p",
    "Last chance: {prize} for the first {n} who call {phone}",
)
_SLOTS = {
    "meal": ["lunch", "dinner", "breakfast", "coffee"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "thing": ["report", "tickets", "keys", "budget", "photos", "meeting", "invoice"],
    "who": ["Anna", "Ben", "Mum", "Dad", "Priya", "Tom"],
    "prize": ["cash prize", "holiday", "new phone", "gift card", "free ringtone"],
    "phone": ["08712460324", "09061701461", "80082", "87239"],
    "site": ["win-now", "secure-login", "top-offer", "dating4u"],
}
_MISLABELLED = 0.02


def messages(n_rows: int = 700, seed: int = 7) -> pd.DataFrame:
    """Return short messages with the column ``label``: ``spam`` or ``ham``.

    Examples
    --------
    >>> sorted(messages(50)["label"].unique())
    ['ham', 'spam']
    """
    rng = np.random.default_rng(seed)
    unwanted = rng.random(n_rows) < 0.35
    texts = [_message(_UNWANTED if bad else _ORDINARY, rng) for bad in unwanted]
    told = unwanted ^ (rng.random(n_rows) < _MISLABELLED)
    return pd.DataFrame({"message": texts, "label": np.where(told, "spam", "ham")})


def _message(templates: tuple[str, ...], rng: np.random.Generator) -> str:
    """Fill one or two templates."""
    chosen = rng.choice(len(templates), size=1 + int(rng.random() < 0.3), replace=False)
    slots = {name: str(rng.choice(words)) for name, words in _SLOTS.items()}
    return " ".join(templates[at].format(**slots, n=rng.integers(2, 60)) for at in chosen)


def houses(n_rows: int = 800, seed: int = 11) -> pd.DataFrame:
    """Return houses with the date and the price of their sale.

    Prices rise until the middle of 2022, then fall a little.

    Examples
    --------
    >>> houses(3).columns.tolist()
    ['living_area', 'rooms', 'district', 'garden', 'sold_on', 'price']
    """
    rng = np.random.default_rng(seed)
    area = rng.normal(115, 32, n_rows).clip(35, 260)
    names = ["centre", "harbour", "hills", "outskirts"]
    district = rng.choice(names, n_rows, p=[0.3, 0.2, 0.2, 0.3])
    garden = rng.random(n_rows) < np.where(district == "outskirts", 0.8, 0.35)
    day = rng.integers(0, 3200, n_rows)
    market = 1 + 0.09 * np.minimum(day, 2370) / 365 - 0.05 * np.maximum(day - 2370, 0) / 365
    per_area = pd.Series([3100, 3400, 2900, 2200], index=names)
    value = area * per_area[district].to_numpy() + 18_000 * garden
    return pd.DataFrame(
        {
            "living_area": area.round(1),
            "rooms": np.maximum(1, np.round(area / 27 + rng.normal(0, 0.7, n_rows))).astype(int),
            "district": district,
            "garden": garden,
            "sold_on": pd.Timestamp("2016-01-01") + pd.to_timedelta(day, unit="D"),
            "price": (value * market * rng.normal(1, 0.06, n_rows)).round(-2),
        }
    )
