"""What nbval must know about these notebooks.

A plugin of pytest's: pyproject.toml loads it, whichever notebook is tested
and from wherever.
"""
import os

import pytest


def pytest_configure(config):
    """With pytest-xdist, `-n 3`: one process for all cells of a notebook.

    The processes share the processors. With all of them each, the threads
    would wait for one another.
    """
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadscope"
        threads = os.cpu_count() // config.option.numprocesses
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads)))


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
