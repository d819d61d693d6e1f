"""Dates reach a model in the form it was trained on."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from date_forms import TimeForm, as_model_takes, form_of_number, read_times, seconds_of, with_times
from explanation import plain_cell
from model_file import inspect_file
from model_utils import open_model
from sample_forms import known_without, take_rows
from sandbox import WorkerParent
from schema_inference import schema_from_sample
from schema_merge import merge_schemas
from schema_utils import Feature, Kind, Schema, time_forms
from tests.local_model import LocalModel, RefusingModel

DAYS = st.datetimes(datetime(1981, 1, 1), datetime(2099, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(DAYS)
def test_numbers_of_dates_are_told_by_their_size(moment: datetime) -> None:
    """Seconds, parts of seconds, days and ordinals of any day of our time are told apart."""
    seconds = moment.replace(tzinfo=UTC).timestamp()
    found: dict[TimeForm, float] = {
        "s": seconds,
        "ms": seconds * 1e3,
        "us": seconds * 1e6,
        "ns": seconds * 1e9,
        "ordinal": moment.toordinal(),
        "days": seconds // 86_400,
    }
    for form, number in found.items():
        assert form_of_number(number) == form
        assert seconds_of(number, form) == pytest.approx(seconds, abs=86_400)


@given(st.lists(DAYS, min_size=1))
def test_times_as_numbers_equal_the_standard_librarys(moments: list[datetime]) -> None:
    """Ordinals and seconds since 1970 are those of ``datetime``, with and without a time zone."""
    naive = pd.DataFrame({"on": pd.Series(moments, dtype="datetime64[us]")})
    aware = pd.DataFrame({"on": naive["on"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")})
    for frame in (naive, aware):
        ordinals = as_model_takes(frame, {"on": "ordinal"})["on"].tolist()
        seconds = as_model_takes(frame, {"on": "s"})["on"].tolist()
        assert ordinals == [moment.toordinal() for moment in moments]
        assert seconds == [moment.replace(tzinfo=UTC).timestamp() for moment in moments]


def test_a_missing_date_stays_missing() -> None:
    """Where a date is missing, the number is missing, and the others are unchanged."""
    frame = pd.DataFrame({"on": pd.Series([pd.Timestamp("1970-01-03"), pd.NaT])})
    numbers = as_model_takes(frame, {"on": "days"})["on"]
    assert numbers.iloc[0] == 2
    assert np.isnan(numbers.iloc[1])


@pytest.mark.parametrize(
    "texts",
    [
        ["2020-12-31", "2021-01-02"],
        ["31.12.2020", "02.01.2021"],
        ["12/31/2020", "01/02/2021"],
        ["2020-12-31T00:00:00+00:00", "2021-01-02T00:00:00+00:00"],
    ],
)
def test_dates_are_read_however_they_are_written(texts: list[str]) -> None:
    """ISO, German, American and zoned dates are the same days; gaps stay gaps."""
    frame = with_times(pd.DataFrame({"on": [texts[0], None, texts[1]]}), ["on"])
    assert frame["on"].dt.date.tolist()[::2] == [date(2020, 12, 31), date(2021, 1, 2)]
    assert frame["on"].isna().tolist() == [False, True, False]


def test_words_are_no_dates() -> None:
    """A column of other texts is left alone."""
    assert read_times(pd.Series(["yesterday", "2020-01-01"])) is None


# --- models ----------------------------------------------------------------------------------

N = 80
HOUSES = pd.DataFrame(
    {
        "area": np.random.default_rng(0).normal(100, 20, N),
        "sold_on": pd.Timestamp("2015-01-01")
        + pd.to_timedelta(np.random.default_rng(1).integers(0, 3000, N), unit="D"),
    }
)
PRICES = HOUSES["area"] * 2000 + (HOUSES["sold_on"] - pd.Timestamp("2015-01-01")).dt.days * 20


def _trained(convert: Any, transformer: Any) -> tuple[Any, pd.DataFrame]:
    table = HOUSES.assign(sold_on=convert(HOUSES["sold_on"]))
    columns = [("n", StandardScaler(), ["area"]), ("d", transformer, ["sold_on"])]
    model = make_pipeline(ColumnTransformer(columns), LinearRegression()).fit(table, PRICES)
    return model, table


FORMS = {
    "datetime64[ns]": lambda times: times.astype("datetime64[ns]"),
    "datetime64[s]": lambda times: times.astype("datetime64[s]"),
    "ordinals": lambda times: times.map(pd.Timestamp.toordinal),
    "milliseconds": lambda times: times.astype("datetime64[ms]").astype("int64"),
    "days": lambda times: (times - pd.Timestamp(0)).dt.days,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_model_of_dates_takes_a_csv_of_dates(
    form: str, workers: WorkerParent, tmp_path: Path
) -> None:
    """Whatever number the dates were at training, dates from a CSV give the same answers."""
    model, table = _trained(FORMS[form], StandardScaler())
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    sample = HOUSES.assign(sold_on=HOUSES["sold_on"].dt.strftime("%Y-%m-%d"))
    with open_model(path, inspect_file(path, "model.pkl"), workers=workers) as handle:
        schema = merge_schemas(None, None, schema_from_sample(sample), handle.info).schema
        handle.time_forms = time_forms(schema)
        taken = take_rows(handle, sample, schema)
        assert taken.refusal is None
        assert taken.frame["sold_on"].dtype.kind == "M"
        answers = handle.predict(taken.frame).y_pred
    assert answers == pytest.approx(model.predict(table), rel=1e-9)


def test_an_encoder_of_times_tells_their_range() -> None:
    """Times among an encoder's categories make a column of times with their range."""
    model, _ = _trained(lambda times: times, OrdinalEncoder())
    told = LocalModel(model).info.features[1]
    assert told.kind == "datetime"
    ends = [HOUSES["sold_on"].min().timestamp(), HOUSES["sold_on"].max().timestamp()]
    assert [told.minimum, told.maximum] == ends


def test_dates_that_are_names_to_the_model_stay_names() -> None:
    """A model with an encoder of date texts gets texts, not times."""
    model, table = _trained(lambda times: times.dt.strftime("%Y-%m"), OneHotEncoder())
    schema = merge_schemas(None, None, schema_from_sample(table), LocalModel(model).info).schema
    assert schema.inputs[1].kind is Kind.CATEGORICAL
    assert take_rows(LocalModel(model), table, schema).refusal is None


def test_dates_without_a_sample_are_drawn_where_the_model_saw_them() -> None:
    """Of a model alone, a column called like a date and sized like one is a column of dates."""
    model, _ = _trained(FORMS["ordinals"], StandardScaler())
    (_, told) = merge_schemas(None, None, None, LocalModel(model).info).schema.inputs
    assert (told.kind, told.time_form) == (Kind.DATETIME, "ordinal")
    assert told.minimum is not None
    assert told.maximum is not None
    middle = (told.minimum + told.maximum) / 2
    assert middle == pytest.approx(HOUSES["sold_on"].astype("datetime64[s]").astype("int64").mean())


def test_yes_and_no_become_true_and_false_where_the_model_wants_numbers() -> None:
    """A model trained on booleans takes a CSV that says yes and no."""
    table = pd.DataFrame({"open": [True, False] * 20, "size": np.arange(40.0)})
    model = LinearRegression().fit(table, table["open"] * 3 + table["size"])
    sample = table.assign(open=np.where(table["open"], "yes", "no"))
    info = LocalModel(model).info
    schema = merge_schemas(None, None, schema_from_sample(sample), info).schema
    taken = take_rows(RefusingModel(model), sample, schema)
    assert taken.note == "Yes and no are read as true and false in 'open'."
    assert taken.frame["open"].tolist() == table["open"].tolist()
    assert taken.schema.inputs[0].kind is Kind.BOOLEAN
    assert taken.schema.inputs[0].frequencies == [0.5, 0.5]


def test_number_words_are_refused_in_one_sentence() -> None:
    """A sample with words where numbers belong is refused with the cause and the next step."""
    table = pd.DataFrame({"years": [1.0, 2.0, 3.0], "score": [7.0, 8.0, 9.0]})
    model = RefusingModel(LinearRegression().fit(table, [1, 2, 3]))
    sample = table.assign(years=["one", "two", "three"])
    schema = merge_schemas(None, None, schema_from_sample(sample), model.info).schema
    refusal = str(take_rows(model, sample, schema).refusal)
    assert "could not convert string to float: 'one'" in refusal
    assert "upload rows as LinearRegression received them" in refusal


def test_of_a_refused_sample_only_the_numbers_are_kept() -> None:
    """What texts stand in a refused column says nothing of what the model takes there."""
    sample = Schema(features=[Feature(name="a", minimum=1.0), Feature(name="b", kind=Kind.TEXT)])
    left = known_without(sample).features
    assert [(each.name, each.kind) for each in left] == [("a", Kind.FLOAT), ("b", Kind.FLOAT)]


def test_a_date_reads_as_a_date() -> None:
    """An explanation says 2021-03-04, and the time only where there is one."""
    assert plain_cell(pd.Timestamp("2021-03-04")) == "2021-03-04"
    assert plain_cell(pd.Timestamp("2021-03-04 05:06")) == "2021-03-04T05:06:00"
