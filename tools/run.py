"""Run notebooks from a fresh kernel and store their outputs: python tools/run.py [NAME …]

A NAME is a part of a file name ("06", "lenet"); without one, all notebooks run. What differs from run
to run without meaning anything, such as times of execution and the state of sliders, is not stored.

The table of results grows from notebook to notebook. Before a notebook runs, the list that begins its
cell tagged "results" is rewritten to hold the rows that the notebook before has printed.
"""
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def chosen(names):
    """The notebooks whose names hold one of `names`, in order; all of them if there are no names."""
    paths = [path for path in sorted(NOTEBOOKS.glob("*.ipynb"))
             if not names or any(name in path.stem for name in names)]
    if not paths:
        raise SystemExit(f"no notebook in {NOTEBOOKS} has a name with {' or '.join(names)}")
    return paths


def printed_rows(path):
    """The rows of the table of results in a notebook's outputs, as (name, number, …)."""
    text = "".join(out.get("text", "") for cell in nbformat.read(path, as_version=4).cells
                   if cell.cell_type == "code" for out in cell.outputs)
    table = re.findall(r"^(\S.{19}) +([\d,]+) +([\d,]+) +(\d\.\d+) +(\d+\.\d+)$", text, re.MULTILINE)
    return [(name.strip(), *(number.replace(",", "_") for number in numbers)) for name, *numbers in table]


def carried_results(source, path):
    """The source of the cell tagged "results", with the rows that the notebook before has printed."""
    before = max(other for other in NOTEBOOKS.glob("*.ipynb") if other.name < path.name)
    rows = [f'    ("{name}", {", ".join(numbers)}),\n' for name, *numbers in printed_rows(before)]
    table = f"results = [\n{''.join(rows)}]"
    return re.sub(r"^results = \[.*?\]$", table, source, count=1, flags=re.M | re.S)


def run(path):
    """Execute the notebook in its folder and write it back, without what changes from run to run."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "results" in cell.metadata.get("tags", ()):
            cell.source = carried_results(cell.source, path)
    NotebookClient(notebook, timeout=None, kernel_name="python3", record_timing=False,
                   resources={"metadata": {"path": str(path.parent)}}).execute()
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook.cells:
        if cell.cell_type == "code":  # a stored slider without its state is an error message
            cell.outputs = [out for out in cell.outputs if WIDGET not in out.get("data", {})]
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for notebook_path in chosen(sys.argv[1:]):
        began = time.perf_counter()
        run(notebook_path)
        print(f"{notebook_path.name}: {time.perf_counter() - began:.0f} s", flush=True)
