"""Work of others on the machine is told from the kernel's own count."""

import doctest
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import machine_load
from machine_load import OtherWork, busy_seconds


def test_examples_in_the_docstrings_hold() -> None:
    """Every example a reader sees is what the function returns."""
    assert doctest.testmod(machine_load).failed == 0


@given(ticks=st.lists(st.integers(0, 10**12), min_size=8, max_size=10))
def test_idle_and_waiting_time_is_not_work(ticks: list[int]) -> None:
    """All columns but idle, iowait and the guests' (which user contains) are summed."""
    text = "cpu  " + " ".join(map(str, ticks)) + "\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    assert busy_seconds(text, 100) == pytest.approx((sum(ticks[:8]) - ticks[3] - ticks[4]) / 100)


@pytest.mark.parametrize("text", ["", "\n", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3"])
def test_another_text_tells_nothing(text: str) -> None:
    """A text without the line of all cores gives no number instead of 0."""
    assert busy_seconds(text, 100) is None


def test_own_work_and_the_model_are_not_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 0.5 s of the machine 0.3 s were the model's: at most 0.2 s remain, over 0.2 s or more."""
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine_load, "STAT", stat)
    monkeypatch.setattr(os, "sysconf", lambda _name: 100)
    stat.write_text("cpu 100 0 0 0 0 0 0 0 0 0\n")
    others = OtherWork.watch()
    time.sleep(0.2)
    stat.write_text("cpu 150 0 0 999 0 0 0 0 0 0\n")
    found = others.cores(timed_seconds=0.3)
    assert found is not None
    assert 0.0 < found <= 1.0
    assert others.cores(timed_seconds=9.0) == 0.0
    stat.unlink()
    assert others.cores(timed_seconds=0.3) is None


@pytest.mark.skipif(not machine_load.STAT.exists(), reason="the kernel tells no times here")
def test_a_busy_neighbour_is_seen() -> None:
    """A process that spins meanwhile shows as work of others."""
    others = OtherWork.watch()
    subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.3: pass"])
    found = others.cores(timed_seconds=0.0)
    assert found is not None
    assert found > 0.1
