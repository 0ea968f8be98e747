"""Make copies of the notebooks that stand alone: python tools/colab.py [DIR]

Each copy carries d2lmini.py, the script that draws the stand-in data, and the
files of results that its code names, in one folded cell in place of the search
for the module. So it runs when it is uploaded alone to Colab or opened in an
empty folder; it installs nothing, and downloads nothing but Fashion-MNIST.
Without a DIR the copies go to build/colab.
"""
import subprocess
import sys
from pathlib import Path

import navigation
import nbformat

CARRIED = ("d2lmini.py", "data/make_standin.py")
READ = ("data/results.jsonl", "data/elsewhere.json")  # from d2l.DATA, by some
UNPACK = '''#@title Run this cell first: it unpacks d2lmini.py
import sys
from pathlib import Path

FILES = {files}
home = Path("d2lmini_files").resolve()
for name, text in FILES.items():
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text(text, encoding="utf-8")
sys.path.insert(0, str(home))

import torch
from torch import nn
from torch.nn import functional as F
from matplotlib import pyplot as plt

import d2lmini as d2l'''
NOTE = (
    "*This is a generated copy of the notebook `{name}` of d2lmini, {version}."
    " It carries the module in the folded cell below and needs no other file."
    " Improve the original, not the copy.*")


def version():
    """Commit and date of the sources, from git where there is one."""
    command = ["git", "log", "-1", "--format=version %h of %as"]
    try:
        done = subprocess.run(command, cwd=navigation.ROOT, text=True,
                              capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "of an unknown version (made outside a git repository)"
    return done.stdout.strip()


def quoted(text):
    """Python source for a string, as readable as the text itself."""
    if "'''" in text or text.endswith("'"):
        raise ValueError("a carried file must not hold three single quotes, "
                         "nor end with one")
    return f"r'''{text}'''"


def carried(notebook):
    """The files that a copy needs: the module's, and those its code names."""
    code = "\n".join(cell.source for cell in notebook.cells
                     if cell.cell_type == "code")
    return [*CARRIED, *(name for name in READ if Path(name).name in code)]


def standalone(path):
    """The notebook at `path` with what it needs inside."""
    notebook = nbformat.read(path, as_version=4)
    texts = {name: (navigation.ROOT / name).read_text(encoding="utf-8")
             for name in carried(notebook)}
    files = ",\n".join(f'    "{name}": {quoted(text)}'
                       for name, text in texts.items())
    cell = next(cell for cell in notebook.cells
                if "bootstrap" in cell.metadata.get("tags", []))
    cell.source = UNPACK.replace("{files}", "{\n" + files + "}")
    cell.metadata.update({"cellView": "form",
                          "jupyter": {"source_hidden": True}})
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(
        NOTE.format(name=path.stem, version=version()), id="generated-copy"))
    return notebook


def write_copies(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for path in navigation.paths():
        nbformat.write(standalone(path), folder / path.name)
    return len(navigation.paths())


if __name__ == "__main__":
    target = (Path(sys.argv[1]) if len(sys.argv) > 1
              else navigation.ROOT / "build" / "colab")
    print(f"{write_copies(target)} copies in {target}")
