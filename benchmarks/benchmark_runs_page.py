"""How long the page Runs takes with many runs, as a person in a browser sees it.

    python benchmarks/benchmark_runs_page.py [--runs 50000]

Prints milliseconds until the list is drawn: opened, filtered by model, by verdict, by words; the
median of five. The same steps with 500 runs stand beside them, so that what the machine and the
framework cost can be told from what the store costs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.benchmark_store import MODELS, fill
from formatting import look
from settings import Settings
from storage import Store
from tests.browsing import open_browser, visit
from tests.serving import running_product

ROUNDS = 5
FEW = 500
FILTERS = (("one model", "model", MODELS[3]), ("verdict", "verdict", look("fail").word))
NOTE_ACTS = """for (const kind of ["pointerdown", "keydown"])
    addEventListener(kind, () => { window.actedAt = performance.now(); }, true);
"""
"""Keeps the moment at which somebody last pressed a button or a key: looking for the place to press
is Playwright's work, not the page's."""

SAYS_OTHERWISE = """before => {
    const total = [...document.querySelectorAll("[data-testid=stMain] p")]
        .find(each => / of /.test(each.innerText) && each.innerText.includes("–"));
    const changed = total !== undefined && total.innerText !== before;
    return changed ? performance.now() - window.actedAt : false;
}"""
"""Milliseconds since then, as soon as the line that counts the runs has changed."""


def measure(n_runs: int) -> dict[str, float]:
    """Return the milliseconds of each step in a store of so many runs."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        store = Store.open(Settings(data_dir=data_dir))
        fill(store, n_runs)
        store.close()
        with running_product(data_dir) as product, open_browser() as context:
            page = context.new_page()
            page.add_init_script(NOTE_ACTS)
            address = f"{product.dashboard}/runs"
            visit(page, address)  # the first visit of all pays for imports
            times: dict[str, list[float]] = {}
            for _ in range(ROUNDS):
                for step, milliseconds in _round(page, address):
                    times.setdefault(step, []).append(milliseconds)
    return {step: statistics.median(values) for step, values in times.items()}


def _round(page: Page, address: str) -> list[tuple[str, float]]:
    """Open the page anew and filter it; return each step with its milliseconds."""
    table = page.locator("[data-testid=stDataFrame]")
    total = page.get_by_text(" of ", exact=False).filter(has_text="–").first

    def opened() -> float:
        start = time.perf_counter()
        page.goto(address)
        expect(table).to_be_visible()
        expect(total).to_be_visible()
        return 1000 * (time.perf_counter() - start)

    def changed_by(act: Callable[[], object]) -> float:
        before = total.inner_text()
        act()  # each frame drawn afterwards is looked at
        return float(page.wait_for_function(SAYS_OTHERWISE, arg=before).json_value())

    def search() -> None:
        box = page.get_by_placeholder("model, estimator, id, label")
        box.fill("branch=main 000001")
        box.press("Enter")

    result = [("first paint", opened())]
    for name, key, option in FILTERS:
        opened()
        page.locator(f".st-key-{key} input").click()
        choice = page.get_by_role("option", name=option, exact=True)
        choice.wait_for()
        result.append((name, changed_by(choice.click)))
    opened()
    result.append(("words", changed_by(search)))
    return result


def main() -> None:
    """Measure a small and a large store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000)
    options = parser.parse_args()
    small, large = measure(FEW), measure(options.runs)
    print(f"{'':16} {FEW:>12,} runs {options.runs:>10,} runs")
    for step in large:
        print(f"{step:16} {small[step]:14.0f} ms {large[step]:11.0f} ms")


if __name__ == "__main__":
    main()
