"""The scripts behind the Makefile: links, tables, copies that stand alone."""
import os
import re
import subprocess
import sys
from pathlib import Path

import bench
import colab
import navigation
import nbformat
import picture
import pytest
import run
from nbclient import NotebookClient
from small_data import small_set, write_packed

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


@pytest.mark.parametrize("address, home", [
    ("https://github.com/me/d2lmini.git", "me/d2lmini"),
    ("https://github.com/me/d2lmini", "me/d2lmini"),
    ("git@github.com:me/d2l.mini.git", "me/d2l.mini"),
    ("/srv/git/d2lmini.git", ""), (None, "")])
def test_badges_where_the_remote_is_on_github(project, address, home):
    """None elsewhere; and a second run changes nothing more."""
    first = project(FIRST, "# 00 · Start", "End")
    second = project(SECOND, "# 01 · Convolution", "End")
    root = first.parent.parent
    (root / "README.md").write_text(
        "# x\n\n<!-- ways: tools/navigation.py -->\n<!-- end of ways -->\n\n"
        "| notebook |\n|---|\n")
    subprocess.run(["git", "init", "-q", root], check=True)
    if address:
        subprocess.run(["git", "-C", root, "remote", "add", "origin", address],
                       check=True)
    for _ in range(2):  # the remote may also come later, or go
        for path, text in navigation.out_of_date().items():
            path.write_text(text, encoding="utf-8")
        assert not navigation.out_of_date()
        texts = [(root / "README.md").read_text(encoding="utf-8")] + [
            nbformat.read(path, as_version=4).cells[0].source
            for path in (first, second)]
        assert ("[in Colab](https://" in texts[0]) == bool(home)
        for text, name in zip(texts, (FIRST, FIRST, SECOND)):
            badge = (f"(https://colab.research.google.com/github/{home}/blob/"
                     f"colab/{name}.ipynb)")
            assert (badge in text) == bool(home)
            assert text.count("[![Open in Colab]") == bool(home)
        assert ("mybinder.org/v2/gh/me" in texts[0]) == bool(home)
        if not home:
            break
        subprocess.run(["git", "-C", root, "remote", "remove", "origin"],
                       check=True)
        home = ""


def test_a_notebook_needs_a_title_and_ends_with_text(project):
    path = project(FIRST, "no heading", "end")
    with pytest.raises(ValueError, match=r"00-start-here.*'# NN · Title'"):
        navigation.title(path)
    project(FIRST, "# 00 · Start", BOOTSTRAP)
    with pytest.raises(ValueError, match="the last cell must be text"):
        navigation.out_of_date()


def test_readme_shows_the_chart_of_the_notebook():
    notebook = nbformat.read(picture.NOTEBOOK, as_version=4)
    stored = (ROOT / "tools" / "results.png").read_bytes()
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
def test_copy_carries_the_module_and_leads_nowhere_else(path, copies):
    original, copy = (nbformat.read(p, as_version=4)
                      for p in (path, copies / path.name))
    nbformat.validate(copy)
    note, *rest = copy.cells
    assert "Run the folded cell" in note.source and path.stem in note.source
    for cell, same in zip(rest, original.cells, strict=True):
        tags = same.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            assert not re.search(r"\]\((?!https?:)[\w./-]+\.\w+", cell.source)
            continue
        if "bootstrap" not in tags:
            assert not re.search(r'^\s*!|^%(?!%writefile)|"pip"|https?://',
                                 cell.source, re.M), "it fetches something"
        if {"bootstrap", "solution"} & set(tags):
            assert cell.source.startswith("#@title")
            assert cell.metadata.cellView == "form"  # folded, in Colab
            assert cell.metadata.jupyter.source_hidden
        else:
            assert cell.source == same.source
        if "solution" in tags:
            assert cell.source.endswith(same.source) and not cell.outputs


def test_links_of_a_copy():
    """To the copies' addresses where they are known, else plain text."""
    text = ("[← 00 · a](00-a.ipynb) · [![Open in Colab](https://colab.research"
            ".google.com/x.svg)](https://colab.research.google.com/y)\n\n`net"
            "[:6](X)`, [data](../data/README.md#z), [b](#c), [d](https://e.f)")
    assert colab.outward(text, "") == (
        "← 00 · a\n\n`net[:6](X)`, data, [b](#c), [d](https://e.f)")
    assert colab.outward(text, "me/d2lmini") == (
        "[← 00 · a](https://colab.research.google.com/github/me/d2lmini/blob/"
        "colab/00-a.ipynb)\n\n`net[:6](X)`, [data](https://github.com/me/"
        "d2lmini/blob/HEAD/data/README.md), [b](#c), [d](https://e.f)")


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
    assert not list(empty.rglob("*.pt"))
    for carried in sorted((empty / "d2lmini_files").rglob("*.json*")):
        name = carried.relative_to(empty / "d2lmini_files")
        assert carried.read_bytes() == (tmp_path / name).read_bytes()
    path = project(SECOND, "about results.jsonl", BOOTSTRAP, "elsewhere.json")
    assert "jsonl" not in colab.standalone(path).cells[2].source


def test_copy_carries_the_weights_that_it_loads(project, tmp_path):
    for name in colab.CARRIED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    kept = tmp_path / "data" / "weights"
    kept.mkdir()
    for name, contents in (("a", bytes(range(256)) * 40), ("b-c", b"x")):
        (kept / f"{name}.pt").write_bytes(contents)
    path = project(FIRST, "# 00 · x", BOOTSTRAP, nbformat.v4.new_code_cell(
        'print(len(list((d2l.DATA / "weights").iterdir())))'), "end")
    script = "\n".join(cell.source for cell in colab.standalone(path).cells
                       if cell.cell_type == "code")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run([sys.executable, "-c", script], cwd=empty, text=True,
                          check=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": ""})
    assert done.stdout == "2\n"
    for path in kept.iterdir():
        copy = empty / "d2lmini_files" / "data" / "weights" / path.name
        assert copy.read_bytes() == path.read_bytes()


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


def test_bench_refuses_the_stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "stand-in"
    write_packed(folder, small_set())
    monkeypatch.setenv("D2LMINI_DATA", str(folder))
    with pytest.raises(SystemExit, match="times of stand-in data"):
        bench.prepare()


def test_bench_tells_medians_and_the_ratios_of_pairs():
    part = next(iter(bench.PARTS))
    assert bench.row(part, [(1, 3), (2, 8), (4, 4)]) == (
        f"| {part} | 2 s | 4 s | 3 (1 to 4) |")
    assert "| 0.04 s | 100 s | 2,500 (2,500 to 2,500) |" in bench.row(
        part, [(0.04, 100)])
