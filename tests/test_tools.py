"""The scripts behind the Makefile: links, tables, copies that stand alone."""
import os
import re
import subprocess
import sys
from pathlib import Path

import colab
import navigation
import nbformat
import picture
import pytest
import run
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
FIRST, SECOND = "00-start-here", "01-from-dense-to-conv"
LINE = ("[← 00 · Start](00-start-here.ipynb) · "
        "[Contents](00-start-here.ipynb)")
NEXT = "[01 · Convolution →](01-from-dense-to-conv.ipynb)"
BOOTSTRAP = nbformat.v4.new_code_cell(
    "assert False, 'replaced in a copy'", metadata={"tags": ["bootstrap"]})
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Gives a function that writes a notebook of these cells."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(navigation, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(navigation, "ROOT", tmp_path)

    def write(name, *cells):
        cells = [nbformat.v4.new_markdown_cell(cell)
                 if isinstance(cell, str) else cell for cell in cells]
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path
    return write


# ---- Links and tables ----

def test_navigation_mends_everything_at_once_and_only_once(project):
    first = project(FIRST, "# 00 · Start", "| notebook | old |\n|---|---|",
                    f"End\n\n{NEXT}")
    second = project(SECOND, "# 01 · Convolution\n\nAim", "The end")
    ran = nbformat.read(second, as_version=4)
    ran.metadata["d2lmini"] = {"seconds": 61}
    nbformat.write(ran, second)
    readme = first.parent.parent / "README.md"
    readme.write_text("# x\n\n| notebook | a |\n|---|---|\n| old | b |\n\n"
                      "after\n", encoding="utf-8")
    changed = navigation.out_of_date()
    assert set(changed) == {first, second, readme}
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    assert not navigation.out_of_date()
    cells = nbformat.read(second, as_version=4).cells
    assert cells[0].source == f"{LINE}\n\n# 01 · Convolution\n\nAim"
    assert cells[1].source == f"The end\n\n{LINE}"
    cells = nbformat.read(first, as_version=4).cells
    assert cells[0].source == f"{NEXT}\n\n# 00 · Start"
    assert cells[2].source == f"End\n\n{NEXT}"
    learn, terms = navigation.CONTENTS[SECOND]
    row = ("| [01 Convolution]({}01-from-dense-to-conv.ipynb) "
           "| {} | {} | 2 min |")
    assert cells[1].source.endswith(row.format("", learn, terms))
    assert readme.read_text(encoding="utf-8").endswith(
        row.format("notebooks/", learn, terms) + "\n\nafter\n")


def test_a_notebook_needs_a_title_and_ends_with_text(project):
    path = project(FIRST, "no heading", "end")
    with pytest.raises(ValueError, match=r"00-start-here.*'# NN · Title'"):
        navigation.title(path)
    project(FIRST, "# 00 · Start", BOOTSTRAP)
    with pytest.raises(ValueError, match="the last cell must be text"):
        navigation.out_of_date()


def test_readme_shows_the_image_of_the_notebook():
    notebook = nbformat.read(picture.NOTEBOOK, as_version=4)
    stored = (ROOT / "tools" / "picture.png").read_bytes()
    assert picture.picture(notebook, picture.ALT) == stored
    with pytest.raises(SystemExit, match=r"no image in .*'a yak'"):
        picture.picture(notebook, "a yak")


# ---- Copies that stand alone ----

@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colab")
    assert colab.write_copies(folder) == len(NOTEBOOKS)
    return folder


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_copy_carries_the_module_and_changes_nothing_else(path, copies):
    original, copy = (nbformat.read(p, as_version=4)
                      for p in (path, copies / path.name))
    nbformat.validate(copy)
    assert len(copy.cells) == len(original.cells) + 1
    note = copy.cells[0].source
    assert "generated copy" in note and path.stem in note
    head, = [cell for cell, same in zip(copy.cells[1:], original.cells)
             if cell.source != same.source]
    assert head.metadata.jupyter.source_hidden
    assert head.metadata.cellView == "form"
    assert head.source.startswith("#@title")
    for cell in copy.cells:
        if cell.cell_type == "code" and cell is not head:
            assert not re.search(r'^\s*!|^%(?!%writefile)|"pip"|https?://',
                                 cell.source, re.M), "it fetches something"


def test_copy_runs_alone_in_an_empty_folder(copies, tmp_path, monkeypatch):
    """No repository, no D2LMINI_DATA and no network are needed."""
    copy = next(copies.glob("02-*.ipynb"))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.delenv("D2LMINI_DATA", raising=False)
    notebook = nbformat.read(copy, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={
        "metadata": {"path": str(tmp_path)}}).execute()
    carried = tmp_path / "d2lmini_files"
    for name in colab.CARRIED:
        assert (carried / name).read_bytes() == (ROOT / name).read_bytes()


def test_copy_carries_the_results_that_it_reads(project, tmp_path):
    """In the folder d2l.DATA; other copies don't carry them."""
    for name in (*colab.CARRIED, *colab.READ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "data" / "results.jsonl").write_text('{"a": "\\u00d7"}\n')
    reads = nbformat.v4.new_code_cell(
        'print((d2l.DATA / "results.jsonl").read_text())\n'
        'print((d2l.DATA / "elsewhere.json").read_text(encoding="utf-8"))')
    path = project(FIRST, "# 00 · x", BOOTSTRAP, reads, "end")
    script = "\n".join(cell.source for cell in colab.standalone(path).cells
                       if cell.cell_type == "code")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=empty, text=True, check=True,
        env={**os.environ, "PYTHONPATH": "", "PYTHONIOENCODING": "utf-8"},
        capture_output=True, encoding="utf-8")
    assert done.stdout == "\n".join(
        (tmp_path / name).read_text(encoding="utf-8")
        for name in colab.READ) + "\n"
    for carried in sorted((empty / "d2lmini_files").rglob("*.json*")):
        name = carried.relative_to(empty / "d2lmini_files")
        assert carried.read_bytes() == (tmp_path / name).read_bytes()
    path = project(SECOND, "about results.jsonl", BOOTSTRAP, "elsewhere.json")
    assert "jsonl" not in colab.standalone(path).cells[2].source


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
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "colab.py", tmp_path / "out"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""},
        capture_output=True, text=True, check=True)
    assert "copies in" in done.stdout


def test_a_line_printed_in_pieces_is_stored_as_one():
    def printed(text, name="stdout"):
        return nbformat.v4.new_output("stream", name=name, text=text)
    shown = nbformat.v4.new_output("display_data", {"text/plain": "figure"})
    pieces = [printed("a"), printed("b\n"), printed("!", "stderr"), shown,
              printed("c\n"), printed("d\n")]
    assert run.joined(pieces) == [
        printed("ab\n"), printed("!", "stderr"), shown, printed("c\nd\n")]
