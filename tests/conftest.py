# SPDX-License-Identifier: MIT
"""What all rungs of the test ladder share: example counts, the model folder, the table of cases."""

import os
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

import cases_page

ROOT = Path(__file__).parents[1]
TABLE = ROOT / ".build" / "operators.md"

# The same examples on every run, so that a red CI means a change; HOGNOSE_EXAMPLES asks for others.
_EXAMPLES = os.environ.get("HOGNOSE_EXAMPLES")
hypothesis.settings.register_profile(
    "hognose",
    max_examples=int(_EXAMPLES or 60),
    derandomize=_EXAMPLES is None,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("hognose")

_counts = pytest.StashKey[Counter]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases-page", type=Path, help="where to write the table of cases, if no test fails")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_counts] = Counter()


@pytest.fixture(scope="session")
def cases_run(request: pytest.FixtureRequest) -> Counter:
    """Cases compared, by (operator, type, engine); written to a table when the tests are done."""
    return request.config.stash[_counts]


def pytest_terminal_summary(terminalreporter, exitstatus: int, config: pytest.Config) -> None:
    counts = config.stash[_counts]
    if not counts:
        return
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(cases_page.table(counts))
    where = TABLE.relative_to(ROOT)
    total = f"{sum(counts.values()):,} cases compared with TFLM"
    terminalreporter.write_line(f"{total}, by operator, type and engine in {where}")
    path = config.getoption("--cases-page")
    if path and exitstatus == 0:
        path.write_text(cases_page.page(counts))


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of reference models: HOGNOSE_MODELS, or ../shared/models; skips without it."""
    folder = Path(os.environ.get("HOGNOSE_MODELS", ROOT.parent / "shared" / "models"))
    if not folder.is_dir():
        pytest.skip(f"no models: {folder} does not exist (set HOGNOSE_MODELS)")
    return folder
