"""What nbval must know about these notebooks.

A plugin of pytest's: pyproject.toml loads it, whichever notebook is tested
and from wherever.
"""
import pytest


def pytest_configure(config):
    """With pytest-xdist, `-n 2`: one process for all cells of a notebook."""
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadscope"


def pytest_collectstart(collector):
    """Notices such as a missing network are no part of a result: stderr."""
    path = getattr(collector, "path", None)
    if path is not None and path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)


def pytest_runtest_setup(item):
    """nbval compares nothing in a cell that was never run: refuse it."""
    cell = getattr(item, "cell", None)
    if (cell is not None and cell.source.strip()
            and cell.execution_count is None):
        pytest.fail("this cell was committed without being run, so there is "
                    "nothing to compare: make run", pytrace=False)
