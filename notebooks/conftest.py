"""What nbval must know about these notebooks; pytest reads it, readers need not."""
import pytest


def pytest_collectstart(collector):
    """Notices such as a missing network go to stderr and are no part of a result."""
    if getattr(collector, "path", None) is not None and collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)


def pytest_runtest_setup(item):
    """nbval compares nothing in a cell that was never run: refuse it."""
    cell = getattr(item, "cell", None)
    if cell is not None and cell.source.strip() and cell.execution_count is None:
        pytest.fail("this cell was committed without being run, so there is nothing to compare: "
                    "make run", pytrace=False)
