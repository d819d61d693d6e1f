"""Claims about kept references: small, exact where it counts, readable only if sound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import drift
import drift_reference as kept
from drift_profiles import NumberProfile
from drift_types import DriftVerdict
from errors import DataError
from schema_utils import Kind


def table(n: int, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n) + shift,
            "tail": rng.lognormal(sigma=1.0, size=n),
            "count": rng.poisson(2.0, n),
            "colour": rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2]),
            "gaps": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n), "s"),
        }
    )


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return table(60_000)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_a_short_reference_gives_the_same_report_as_the_two_tables(shift: float) -> None:
    """Up to the number of points kept, nothing is lost."""
    old, new = table(3000), table(2000, 1, shift)
    ours = kept.compare_with_profile(kept.profile_frame(old), new)
    assert ours == drift.compare_frames(old, new)


def test_a_long_reference_gives_the_same_verdicts(reference: pd.DataFrame) -> None:
    """Every column gets the verdict that all rows of the reference give it."""
    window = table(2000, 1, 0.3)
    ours = kept.compare_with_profile(kept.profile_frame(reference), window)
    full = drift.compare_frames(reference, window)
    assert [f.verdict for f in ours.features] == [f.verdict for f in full.features]
    assert (ours.n_reference, ours.features[0].verdict) == (60_000, DriftVerdict.DRIFT)


@pytest.mark.parametrize("name", ["size", "tail", "count"])
def test_statistics_are_near_those_of_all_rows(reference: pd.DataFrame, name: str) -> None:
    """KS is off by at most 1 / 4,096 and Wasserstein by less than 0.5 % of a standard deviation."""
    window = table(1000, 2)
    feature = next(
        f
        for f in kept.compare_with_profile(kept.profile_frame(reference), window).features
        if f.feature == name
    )
    found = {test.name: test.statistic for test in feature.tests}
    exact = stats.ks_2samp(reference[name], window[name]).statistic
    assert found["kolmogorov_smirnov"] == pytest.approx(exact, abs=1 / kept.MAX_POINTS)
    distance = stats.wasserstein_distance(reference[name], window[name])
    assert found["wasserstein"] == pytest.approx(distance, abs=0.005 * reference[name].std())


def test_missing_values_and_categories_are_counted_exactly(reference: pd.DataFrame) -> None:
    """Shares rest on all rows, not on the points kept."""
    profile = kept.profile_frame(reference)
    assert profile.columns["gaps"].n_missing == reference["gaps"].isna().sum()
    assert profile.columns["colour"].counts == reference["colour"].value_counts().to_dict()


def test_the_ends_of_a_column_are_kept(reference: pd.DataFrame) -> None:
    """The smallest and the largest value stay, so values beyond the range are still told."""
    column = kept.profile_frame(reference).columns["size"]
    assert isinstance(column, NumberProfile)
    assert (column.values[0], column.values[-1]) == (
        reference["size"].min(),
        reference["size"].max(),
    )
    assert len(column.values) == kept.MAX_POINTS


def test_saving_and_reading_changes_nothing(reference: pd.DataFrame) -> None:
    """A profile read back gives the same report."""
    profile = kept.profile_frame(reference)
    again = kept.ReferenceProfile.from_bytes(profile.to_bytes())
    window = table(500, 3)
    assert kept.compare_with_profile(again, window) == kept.compare_with_profile(profile, window)


def test_the_saved_form_does_not_grow_with_the_reference() -> None:
    """Ten times the rows need about the same place."""
    small, large = (len(kept.profile_frame(table(n)).to_bytes()) for n in (20_000, 200_000))
    assert large < 1.1 * small


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nothing", b"\x93NUMPY", b"{}"])
def test_other_files_are_refused(data: bytes) -> None:
    """What is no profile is named as such."""
    with pytest.raises(DataError, match="no reference profile"):
        kept.ReferenceProfile.from_bytes(data)


def test_a_damaged_profile_is_refused(reference: pd.DataFrame) -> None:
    """A file cut short does not become a smaller reference."""
    data = kept.profile_frame(reference).to_bytes()
    with pytest.raises(DataError, match="damaged"):
        kept.ReferenceProfile.from_bytes(data[: len(data) // 2])


def test_a_bomb_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would unpack to more than any profile needs is not unpacked."""
    data = kept.profile_frame(table(100)).to_bytes()
    monkeypatch.setattr(kept, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(DataError, match="unpacks to"):
        kept.ReferenceProfile.from_bytes(data)


def test_another_version_is_refused(
    reference: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile of a later program says its version."""
    monkeypatch.setattr(kept, "FORMAT_VERSION", 2)
    data = kept.profile_frame(reference).to_bytes()
    monkeypatch.undo()
    with pytest.raises(DataError, match="format 2"):
        kept.ReferenceProfile.from_bytes(data)


def test_row_groups_give_the_profile_of_the_whole_file(
    reference: pd.DataFrame, tmp_path: Path
) -> None:
    """Reading Parquet in pieces changes no number."""
    path = tmp_path / "rows.parquet"
    reference.to_parquet(path, row_group_size=7000, index=False)
    whole, pieces = kept.profile_frame(reference), kept.profile_parquet(path)
    window = table(500, 4)
    assert kept.compare_with_profile(pieces, window) == kept.compare_with_profile(whole, window)


def test_parquet_is_compared_with_a_profile(reference: pd.DataFrame, tmp_path: Path) -> None:
    """A file whose one column moved is told so; the kinds are those of the reference."""
    path = tmp_path / "now.parquet"
    table(5000, 5, 0.4).astype({"count": "float"}).to_parquet(path, row_group_size=900)
    report = kept.compare_parquet(kept.profile_frame(reference), path)
    assert [f.feature for f in report.features if f.verdict is DriftVerdict.DRIFT] == ["size"]


def test_identifiers_in_parquet_are_compared_by_length(tmp_path: Path) -> None:
    """A column of distinct texts does not become a table of a million labels."""
    path = tmp_path / "ids.parquet"
    pd.DataFrame({"id": [f"user-{i}" for i in range(12_000)]}).to_parquet(path)
    assert kept.profile_parquet(path).kinds["id"] is Kind.TEXT


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"PAR1 damaged PAR1"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    """The message names the file."""
    path = tmp_path / "rows.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.parquet"):
        kept.profile_parquet(path)


def test_absent_and_extra_columns_are_told(reference: pd.DataFrame) -> None:
    """A column that vanished is drift; one that is new is a note."""
    window = table(200, 6).rename(columns={"size": "length"})
    report = kept.compare_with_profile(kept.profile_frame(reference), window)
    gone = next(f for f in report.features if f.feature == "size")
    assert gone.verdict is DriftVerdict.DRIFT
    assert "length" in report.notes[0]


def test_no_parts_cannot_be_joined() -> None:
    """Joining nothing is a mistake of the caller."""
    with pytest.raises(ValueError, match="no parts"):
        kept.joined([])


MEASURE = """
import sys
from pathlib import Path
import drift_reference as kept

def memory(field):
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(line[1]) / 1024 for line in lines if line[0] == field + ":")

small, large, profile = map(Path, sys.argv[1:])
kept.compare_parquet(kept.profile_parquet(small), small)
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
reference = kept.ReferenceProfile.from_bytes(profile.read_bytes())
report = kept.compare_parquet(reference, large)
print(memory("VmHWM") - before, report.n_current, report.n_drifted)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_a_long_file_is_compared_without_holding_it(tmp_path: Path) -> None:
    """Half a million rows of 20 columns, 80 MB of numbers, take less than a third of that."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / name for name in ("small.parquet", "large.parquet", "profile.npz")]
    for path, n in zip(paths[:2], (2000, 500_000), strict=True):
        frame = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(20)})
        frame.to_parquet(path, row_group_size=50_000)
    paths[2].write_bytes(kept.profile_frame(frame.head(20_000)).to_bytes())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths],
        cwd=Path(kept.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    grown, n_rows, n_drifted = done.stdout.split()
    assert (int(n_rows), int(n_drifted)) == (500_000, 0)
    assert float(grown) < 80 / 3
