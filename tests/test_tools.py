"""The scripts behind the Makefile: links between notebooks, lint of notebooks, copies that stand alone."""
import os
import re
import subprocess
import sys
from pathlib import Path

import check_notebooks
import colab
import navigation
import nbformat
import picture
import pytest
import run
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
FIRST, SECOND = "00-start-here", "01-from-dense-to-conv"
LINE = "[← 00 · Start](00-start-here.ipynb) · [Contents](00-start-here.ipynb)"
NEXT = "[01 · Convolution →](01-from-dense-to-conv.ipynb)"
HEAD = f"{LINE}\n\n# 01 · Convolution"
ROW = "{:20} {:12,} {:15,} {:10.3f} {:9.1f}"


LEARN, TERMS = navigation.CONTENTS[SECOND]
TABLE = f"""\
| notebook | you learn | key terms |
|---|---|---|
| [00 Start](00-start-here.ipynb) | {navigation.CONTENTS[FIRST][0]} |  |
| [01 Convolution](01-from-dense-to-conv.ipynb) | {LEARN} | {TERMS} |"""


def output(kind, **fields):
    return nbformat.v4.new_output(kind, **fields)


def sound_notebooks():
    """Two small notebooks with nothing to mend."""
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    row = ROW.format("LeNet", 61706, 416520, .8, 3)
    first = [md(f"{NEXT}\n\n# 00 · Start\n\n{TABLE}"),
             code("print(1)", execution_count=1, outputs=[output("stream", name="stdout", text=row)]),
             md(f"End\n\n{NEXT}")]
    figure = output("display_data", data={"image/png": "aaaa", "text/plain": "a window on a grid"})
    second = [md(f"{HEAD}\n\nSee [there](#The-end) and [00](00-start-here.ipynb#00-·-Start)."),
              code("x = 1", execution_count=1, outputs=[figure]),
              code('results = [\n    ("LeNet", 61_706, 416_520, 0.800, 3.0),\n]', execution_count=2,
                   metadata={"tags": ["results"]}),
              md(f"## The end\n\n{LINE}")]
    for cells in (first, second):
        for n, cell in enumerate(cells):
            cell.id = f"cell-{n}"
    return {name: nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": dict(run.KERNEL)})
            for name, cells in ((FIRST, first), (SECOND, second))}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two sound notebooks; gives a function that writes them, the second one changed."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for module in (navigation, run):
        monkeypatch.setattr(module, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(navigation, "ROOT", tmp_path)

    def write(change=lambda notebook: None):
        every = sound_notebooks()
        change(every[SECOND])
        for name, notebook in every.items():
            nbformat.write(notebook, notebooks / f"{name}.ipynb")
        readme = navigation.with_table("| notebook | x |\n|---|---|\n| old | old |\n\nafter", "notebooks/")
        (tmp_path / "README.md").write_text(readme, encoding="utf-8")
        return tmp_path
    return write


# ---- Lint ----

def test_lint_finds_nothing_in_sound_notebooks(project, capsys):
    project()
    found = check_notebooks.main()
    assert capsys.readouterr().out == "notebooks: nothing to mend\n" and not found


def heading(text):
    """A change of the first cell: its heading, followed by the text."""
    return lambda nb: nb.cells[0].update(source=f"{HEAD} {text}")


PLANTED = {
    "in order": lambda nb: nb.cells[1].update(execution_count=7),
    "not run": lambda nb: nb.cells[1].update(execution_count=None),
    "state of a slider": lambda nb: nb.metadata.update(widgets={}),
    "slider is stored": lambda nb: nb.cells[1].outputs.append(
        output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}})),
    "(stderr)": lambda nb: nb.cells[1].outputs.append(output("stream", name="stderr", text="careful")),
    "an error": lambda nb: nb.cells[1].outputs.append(output("error", ename="E", evalue="", traceback=[])),
    "stand-in": lambda nb: nb.cells[1].outputs.append(output("stream", name="stdout", text="stand-in data")),
    "the kernel is": lambda nb: nb.metadata.kernelspec.update(name="my-venv"),
    "99-none.ipynb leads nowhere": heading("[x](99-none.ipynb)"),
    "#Begin names no heading": heading("[x](#Begin)"),
    "ipynb#01 names no heading": heading("[x](00-start-here.ipynb#01)"),
    "not https": heading("[x](http://d2l.ai)"),
    "in the text has no alt text": heading("![](a.png)"),
    "a figure has no alt text": lambda nb: nb.cells[1].outputs[0].data.update(
        {"text/plain": "<Figure size 640x480 with 1 Axes>"}),
    "SVG": lambda nb: nb.cells[1].outputs[0].data.update({"image/svg+xml": "<svg/>"}),
    ":numref: is left over": heading(":numref:`a`"),
    "41 cells": lambda nb: [nb.cells.insert(1, nbformat.v4.new_markdown_cell("x")) for _ in range(37)],
    "has 26 lines": lambda nb: nb.cells[1].update(source="\n".join(["x = 1"] * 26)),
    "wider than 79": lambda nb: nb.cells[1].update(source="x = 1" + " " * 75 + "# wide"),
    "the file has": lambda nb: nb.cells[0].update(source=nb.cells[0].source + "long " * 70_000),
    "a figure has 73 KB": lambda nb: nb.cells[1].outputs[0].data.update({"image/png": "a" * 100_000}),
    "table of results lacks": lambda nb: nb.cells[2].update(source="results = []"),
    "dense-to-conv.ipynb: links or contents": lambda nb: nb.cells[0].update(source="# 01 · Convolution"),
    "start-here.ipynb: links or contents": lambda nb: nb.cells[0].update(source=f"{LINE}\n\n# 01 · Other"),
}


@pytest.mark.parametrize("message", PLANTED)
def test_lint_finds_what_is_planted(message, project, capsys):
    project(PLANTED[message])
    assert check_notebooks.main() == 1
    told = capsys.readouterr().out
    assert (message if message != "not run" else "in order") in told
    assert all(": " in line for line in told.splitlines())


def test_lint_finds_a_readme_that_is_behind(project, capsys):
    readme = project() / "README.md"
    old = readme.read_text(encoding="utf-8").replace("Convolution", "Old title")
    readme.write_text(old, encoding="utf-8")
    assert check_notebooks.main() == 1
    assert "README.md: links or contents" in capsys.readouterr().out


# ---- Links and tables ----

def test_navigation_mends_everything_at_once_and_only_once(project):
    root = project(lambda nb: nb.cells[0].update(source="# 01 · Convolution\n\nAim"))
    readme = ("# x\n\n| notebook | a |\n|---|---|\n| old | b |\n\nResults\n\n"
              "| network | parameters |\n|---|---|\n\nafter\n")
    (root / "README.md").write_text(readme, encoding="utf-8")
    changed = navigation.out_of_date()
    assert {path.name for path in changed} == {f"{SECOND}.ipynb", "README.md"}
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    assert not navigation.out_of_date()
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "(notebooks/01-from-dense-to-conv.ipynb)" in readme and readme.endswith("\n\nafter\n")
    assert "\n| LeNet | 61,706 | 416,520 | 0.800 | 3.0 |\n" in readme
    second = nbformat.read(root / "notebooks" / f"{SECOND}.ipynb", as_version=4)
    assert second.cells[0].source == f"{LINE}\n\n# 01 · Convolution\n\nAim"


def test_results_are_carried_on(project):
    root = project()
    first = root / "notebooks" / f"{FIRST}.ipynb"
    assert run.printed_rows(first) == [("LeNet", "61_706", "416_520", "0.800", "3.0")]
    second = root / "notebooks" / f"{SECOND}.ipynb"
    sound = sound_notebooks()[SECOND].cells[2].source
    for before in ("results = []", "results = [\n    ('old', 1),\n]"):
        assert run.carried_results(f"{before}\nrows = [1]", second) == f"{sound}\nrows = [1]"


def test_readme_shows_the_picture_of_the_notebook():
    notebook = nbformat.read(picture.NOTEBOOK, as_version=4)
    assert picture.picture(notebook, picture.ALT) == (ROOT / "tools" / "picture.png").read_bytes()


# ---- Copies that stand alone ----

@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colab")
    assert colab.write_copies(folder) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    return folder


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem[:2])
def test_copy_carries_the_module_and_changes_nothing_else(path, copies):
    original, copy = (nbformat.read(p, as_version=4) for p in (path, copies / path.name))
    nbformat.validate(copy)
    assert "generated copy" in copy.cells[0].source and path.stem in copy.cells[0].source
    different = [cell for cell, same in zip(copy.cells[1:], original.cells) if cell.source != same.source]
    assert len(different) == 1 and len(copy.cells) == len(original.cells) + 1
    head = different[0]
    assert head.metadata.jupyter.source_hidden and head.metadata.cellView == "form"
    assert head.source.startswith("#@title")
    for cell in copy.cells:
        if cell.cell_type == "code" and cell is not head:
            assert not re.search(r"^\s*[%!]|subprocess|https?://", cell.source, re.M), "it fetches something"


def test_copy_runs_alone_in_an_empty_folder(copies, tmp_path, monkeypatch):
    """No repository, no D2LMINI_DATA and no network are needed."""
    copy = next(copies.glob("02-*.ipynb"))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.delenv("D2LMINI_DATA", raising=False)
    notebook = nbformat.read(copy, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3",
                   resources={"metadata": {"path": str(tmp_path)}}).execute()
    carried = tmp_path / "d2lmini_files"
    for name in colab.CARRIED:
        assert (carried / name).read_bytes() == (ROOT / name).read_bytes()


def test_carried_text_survives_quoting():
    for text in ('a \\ b \\n "x" """y"""\n', "ü × 卷积\n"):
        assert eval(colab.quoted(text)) == text
    for text in ("'''", "ends with '"):
        with pytest.raises(ValueError, match="three single quotes"):
            colab.quoted(text)


def test_version_without_git(tmp_path, monkeypatch):
    monkeypatch.setattr(navigation, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "unknown version" in colab.version()


def test_scripts_run_from_anywhere(tmp_path):
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, ROOT / "tools" / "colab.py", tmp_path / "out"], cwd=tmp_path,
                          env=environment, capture_output=True, text=True, check=True)
    assert "copies in" in done.stdout
