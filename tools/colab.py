"""Make copies of the notebooks that stand alone: python tools/colab.py [DIR]

Each copy carries d2lmini.py, the script that draws the stand-in data, and the
results and trained weights that its code names, in one folded cell in place of
the bootstrap cell. So it runs when it is uploaded alone to Colab or opened in
an empty folder; it installs nothing, and downloads nothing but Fashion-MNIST.
Without a DIR the copies go to build/colab.
"""
import base64
import posixpath
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import navigation
import nbformat

CARRIED = ("d2lmini.py", "data/make_standin.py")
READ = ("data/results.jsonl", "data/elsewhere.json")  # from d2l.DATA, by some
WEIGHTS = "data/weights"  # all of it, where the code names the folder
UNPACK = '''#@title Run this cell first: it unpacks d2lmini.py
import base64
import sys
from pathlib import Path

FILES = {files}
home = Path("d2lmini_files").resolve()
for name, text in FILES.items():
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".pt"):  # bytes, written as letters
        (home / name).write_bytes(base64.b85decode("".join(text.split())))
    else:
        (home / name).write_text(text, encoding="utf-8")
sys.path.insert(0, str(home))

import torch
from torch import nn
from torch.nn import functional as F
from matplotlib import pyplot as plt

import d2lmini as d2l'''
NOTE = (
    "**Run the folded cell below first (▶), then the others one by one.** "
    "*This is a generated copy of the notebook `{name}` of d2lmini, "
    "{version}. It carries the module in that cell and needs no other file. "
    "Improve the original, not the copy.*")
TO_A_FILE = re.compile(r"(?<!!)\[([^][]+)\]\(((?:[\w.-]+/)*[\w-]+\.\w+)"
                       r"(?:#[^)\s]*)?\)")
BADGE = re.compile(rf" · {navigation.BADGE}")


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
    weights = [f"{WEIGHTS}/{path.name}"
               for path in sorted((navigation.ROOT / WEIGHTS).glob("*.pt"))
               if f'/ "{Path(WEIGHTS).name}"' in code]
    return [*CARRIED, *(name for name in READ if Path(name).name in code),
            *weights]


def as_text(name):
    """The contents of a file as a copy carries them."""
    path = navigation.ROOT / name
    if path.suffix != ".pt":
        return path.read_text(encoding="utf-8")
    letters = base64.b85encode(path.read_bytes()).decode()
    return "\n".join(textwrap.wrap(letters, 1000))  # no editor likes one line


def outward(text, home):
    """The text with links that lead somewhere from the copy, too.

    To other copies and to the files of the repository `home` on GitHub; what
    has no address yet becomes plain text.
    """
    def link(found):
        label, target = found.groups()
        if not home:
            return label
        if target.endswith(".ipynb"):
            address = navigation.colab_address(Path(target).name, home)
        else:
            file = posixpath.normpath(posixpath.join("notebooks", target))
            address = f"https://github.com/{home}/blob/HEAD/{file}"
        return f"[{label}]({address})"
    return TO_A_FILE.sub(link, BADGE.sub("", text))


def fold(solution):
    """Colab folds a cell with a title; its output would stay in sight."""
    solution.outputs, solution.execution_count = [], None
    solution.metadata["cellView"] = "form"
    solution.source = f"#@title Solution\n{solution.source}"


def standalone(path, home=""):
    """The notebook at `path` with what it needs inside.

    `home` is the project's "owner/name" on GitHub, if it has one.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = outward(cell.source, home)
        elif "solution" in cell.metadata.get("tags", []):
            fold(cell)
    files = ",\n".join(f'    "{name}": {quoted(as_text(name))}'
                       for name in carried(notebook))
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
    home = navigation.repository()
    for path in navigation.paths():
        nbformat.write(standalone(path, home), folder / path.name)
    return len(navigation.paths())


if __name__ == "__main__":
    target = (Path(sys.argv[1]) if len(sys.argv) > 1
              else navigation.ROOT / "build" / "colab")
    print(f"{write_copies(target)} copies in {target}")
