"""The client's options become the options of the run, typed as JSON says."""

from __future__ import annotations

import doctest
import json

import pytest

from api_requests import request_values
from example_client import client_api_example
from example_client.client_api_example import parse_arguments, request_fields


def test_examples_in_the_docstrings() -> None:
    """The client's docstrings show what its functions answer."""
    assert doctest.testmod(client_api_example).failed == 0


def test_named_and_free_options_reach_the_config() -> None:
    """Numbers, objects and plain words given on the command line are the run's config."""
    arguments = [
        *("model.pkl", "--target", "y", "--rows", "200", "--weight-column", "w"),
        *("--group-column", "city", "--positive-class", "1", "--option", "load_seconds=10"),
        *("--option", 'monotone={"age": "up"}', "--option", "cost_false_negative=5"),
        *("--option", 'symmetric=[["a", "b"]]'),
    ]
    fields = request_fields(parse_arguments(arguments))
    config = request_values({name: text.encode() for name, text in fields.items()})["config"]
    assert (config.target, config.n_rows, config.weight_column) == ("y", 200, "w")
    assert (config.group_column, config.positive_class) == ("city", "1")
    assert (config.load_seconds, config.cost_false_negative) == (10.0, 5.0)
    assert config.monotone == {"age": "up"}
    assert config.symmetric == [("a", "b")]


def test_a_word_that_is_no_json_stays_a_word() -> None:
    """Names of columns need no quotes."""
    fields = request_fields(parse_arguments(["m.pkl", "--option", "group_column=home town"]))
    assert json.loads(fields["options"]) == {"group_column": "home town"}


def test_an_option_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with exit code 2 and names what was given."""
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["m.pkl", "--option", "load_seconds"])
    assert ended.value.code == 2
    assert "'load_seconds' is not NAME=VALUE" in capsys.readouterr().err
