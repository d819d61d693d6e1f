"""Pictures of every page, light and dark, wide and narrow: ``make screenshots``.

    python -m tests.screenshots [--out docs/screenshots] [--url http://127.0.0.1:8501]

Without ``--url`` the product is started on free ports with a data directory of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browsing import current_run_id, open_browser, settle, visit
from tests.serving import running_product

SECTIONS = (
    "Summary",
    "Performance",
    "Quality",
    "Behaviour",
    "Drift",
    "Explanations",
    "Data",
    "Details",
)
LOOKS = (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390))


def shoot(page: Page, path: Path) -> None:
    """Take a picture of the whole page."""
    height = page.evaluate(
        "document.querySelector('[data-testid=stMain]').scrollHeight || document.body.scrollHeight"
    )
    width = page.viewport_size["width"] if page.viewport_size else 1280
    page.set_viewport_size({"width": width, "height": min(6000, max(900, int(height) + 40))})
    settle(page)
    page.wait_for_timeout(900)
    page.screenshot(path=path)
    page.set_viewport_size({"width": width, "height": 900})


def run_examples(page: Page, dashboard: str, names: list[str]) -> list[str]:
    """Run examples through the overview; return the ids of the runs."""
    ids = []
    for name in names:
        visit(page, dashboard)
        page.locator(f".st-key-over-run-{name} button").click()
        ids.append(current_run_id(page))
        expect(page.get_by_role("tab", name="Summary")).to_be_visible()
    return ids


def shoot_everything(page: Page, dashboard: str, runs: list[str], stem: Path) -> None:
    """Take pictures of all pages in the present look."""
    visit(page, dashboard)
    shoot(page, stem.with_name(f"{stem.name}-overview.png"))
    visit(page, f"{dashboard}/runs")
    shoot(page, stem.with_name(f"{stem.name}-runs.png"))
    visit(page, f"{dashboard}/compare?runs={','.join(runs[:2])}")
    shoot(page, stem.with_name(f"{stem.name}-compare.png"))
    visit(page, f"{dashboard}/drift")
    page.locator(".st-key-drift-example button").click()
    expect(page.get_by_text("columns have drifted")).to_be_visible()
    shoot(page, stem.with_name(f"{stem.name}-drift.png"))
    visit(page, f"{dashboard}/playground?lesson=free&shift=0.5&missing=0.1")
    shoot(page, stem.with_name(f"{stem.name}-playground.png"))
    visit(page, f"{dashboard}/test")
    shoot(page, stem.with_name(f"{stem.name}-test-empty.png"))
    page.locator(".st-key-test-use button").click()
    expect(page.get_by_text("4 · Run")).to_be_visible()
    shoot(page, stem.with_name(f"{stem.name}-test.png"))
    for number, run in enumerate(runs):
        for section in SECTIONS:
            visit(page, f"{dashboard}/run?run={run}&section={section}")
            expect(page.get_by_role("tab", name=section)).to_be_visible()
            shoot(page, stem.with_name(f"{stem.name}-run{number}-{section.lower()}.png"))


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--url")
    parser.add_argument("--examples", default="iris_forest,clinic_pipeline,diabetes_ridge")
    parser.add_argument("--looks", default="all", help="all, or the first N looks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    looks = LOOKS if options.looks == "all" else LOOKS[: int(options.looks)]
    with ExitStack() as stack:
        dashboard = options.url
        if dashboard is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            dashboard = stack.enter_context(running_product(folder / "data")).dashboard
        runs: list[str] = []
        for theme, width in looks:
            with open_browser(theme=theme, width=width) as context:
                page = context.new_page()
                if not runs:
                    runs = run_examples(page, dashboard, options.examples.split(","))
                shoot_everything(page, dashboard, runs, options.out / f"{theme}-{width}")


if __name__ == "__main__":
    main()
