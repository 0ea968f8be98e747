"""Run notebooks and store their outputs: python tools/run.py [NAME …]

A NAME is a part of a file name ("06", "lenet"); without one, all notebooks
run, each from a fresh kernel. What differs from run to run without meaning
anything, such as the state of sliders, is not stored; how many seconds all
took is, for the tables of contents. The source of the cells never changes.
"""
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python",
          "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def chosen(names):
    """The notebooks whose names hold one of `names`; all if there are none."""
    paths = [path for path in sorted(NOTEBOOKS.glob("*.ipynb"))
             if not names or any(name in path.stem for name in names)]
    if not paths:
        raise SystemExit(f"no notebook in {NOTEBOOKS} has a name with "
                         f"{' or '.join(names)}")
    return paths


def joined(outputs):
    """The outputs, with printed lines that came in pieces made one again."""
    whole = []
    for out in outputs:
        if whole and "name" in out and whole[-1].get("name") == out["name"]:
            whole[-1]["text"] += out["text"]
        else:
            whole.append(out)
    return whole


def run(path):
    """Execute the notebook in its folder, write it back; seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    began = time.perf_counter()
    NotebookClient(notebook, timeout=None, kernel_name="python3",
                   record_timing=False, resources={
                       "metadata": {"path": str(path.parent)}}).execute()
    seconds = round(time.perf_counter() - began)
    notebook.metadata = {"kernelspec": KERNEL, "d2lmini": {"seconds": seconds},
                         "language_info": {"name": "python"}}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # A stored slider without its state is an error message.
            cell.outputs = joined([out for out in cell.outputs
                                   if WIDGET not in out.get("data", {})])
    nbformat.write(notebook, path)
    return seconds


if __name__ == "__main__":
    for notebook_path in chosen(sys.argv[1:]):
        print(f"{notebook_path.name}: {run(notebook_path)} s", flush=True)
