"""What the linter and nbval's rules find, each seen on a planted fault."""
import shutil
import subprocess
import sys
from pathlib import Path

import check_notebooks
import navigation
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
FIRST, SECOND = "00-start-here", "01-from-dense-to-conv"
LINE = ("[← 00 · Start](00-start-here.ipynb) · "
        "[Contents](00-start-here.ipynb)")
NEXT = "[01 · Convolution →](01-from-dense-to-conv.ipynb)"
HEAD = f"{LINE}\n\n# 01 · Convolution"
START = """\
def double(x):
    ...


double_cases = [((1,), 2), ((3,), 6)]
d2l.check(double, double_cases)"""
SOLUTION = """\
def double_solution(x):
    return 2 * x


d2l.check(double_solution, double_cases)"""


def output(kind, **fields):
    return nbformat.v4.new_output(kind, **fields)


def prints(text):
    return [output("stream", name="stdout", text=text)]


def md(text):
    return nbformat.v4.new_markdown_cell(text)


def code(source, *tags, outputs=(), count=None):
    return nbformat.v4.new_code_cell(
        source, outputs=list(outputs), execution_count=count,
        metadata={"tags": list(tags)} if tags else {})


def notebook(cells):
    for n, cell in enumerate(cells):
        cell.id = f"cell-{n}"
    return nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": dict(check_notebooks.KERNEL)})


def sound_notebooks():
    """Two small notebooks with nothing to mend."""
    rows = "".join(
        f"\n| [{title}]({name}.ipynb) | "
        f"{' | '.join(navigation.CONTENTS[name])} |  |"
        for name, title in ((FIRST, "00 Start"), (SECOND, "01 Convolution")))
    table = ("| notebook | you learn | key terms | runs in |\n"
             f"|---|---|---|---|{rows}")
    first = [md(f"{NEXT}\n\n# 00 · Start\n\n{table}"),
             code("print(1)", count=1, outputs=prints("1\n")),
             md(f"End\n\n{NEXT}")]
    figure = output("display_data", data={"image/png": "aaaa",
                                          "text/plain": "a window"})
    solution = code(SOLUTION, "solution", count=4, outputs=prints("right\n"))
    solution.metadata.jupyter = {"source_hidden": True}
    second = [
        md(f"{HEAD}\n\nSee [there](#The-end) and "
           "[00](00-start-here.ipynb#00-·-Start)."),
        code("import torch", "bootstrap", count=1),
        code("x = 1", count=2, outputs=[figure]),
        md("**1 · Twice.** Write `double(x)`."),
        code(START, "exercise", count=3, outputs=prints(
            "not yet: case 1 of 2: it gives nothing (None): …\n")),
        solution,
        md("<details><summary>Discussion</summary>\n\nWhy not?\n</details>"),
        md(f"## The end\n\n{LINE}")]
    return {FIRST: notebook(first), SECOND: notebook(second)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Gives a function that writes two sound notebooks, the second changed."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.setattr(navigation, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(navigation, "ROOT", tmp_path)

    def write(change=lambda notebook: None):
        every = sound_notebooks()
        change(every[SECOND])
        for name, nb in every.items():
            nbformat.write(nb, notebooks / f"{name}.ipynb")
        readme = navigation.with_table("| notebook | x |\n|---|---|\n\nafter",
                                       "notebooks/", "")
        (tmp_path / "README.md").write_text(readme, encoding="utf-8")
        return tmp_path
    return write


def test_nothing_is_found_in_sound_notebooks(project, capsys):
    project()
    found = check_notebooks.main()
    assert capsys.readouterr().out == "notebooks: nothing to mend\n"
    assert not found


# ---- Faults in a stored notebook ----

def heading(text):
    """A change of the first cell: its heading, followed by the text."""
    return lambda nb: nb.cells[0].update(source=f"{HEAD} {text}")


def more(number, text):
    """A change that puts a text behind a cell's own."""
    return lambda nb: nb.cells[number].update(
        source=nb.cells[number].source + text)


def source(number, text):
    return lambda nb: nb.cells[number].update(source=text)


def replaced(number, old, new):
    def change(nb):
        assert old in nb.cells[number].source
        nb.cells[number].source = nb.cells[number].source.replace(old, new)
    return change


def stored(number, *outputs):
    return lambda nb: nb.cells[number].outputs.extend(outputs)


def shown(number, **data):
    return lambda nb: nb.cells[number].outputs[0].data.update(data)


def inserted(at, *cells):
    """A change that inserts cells, and counts all code cells anew."""
    def change(nb):
        nb.cells[at:at] = cells
        counts = 0
        for n, cell in enumerate(nb.cells):
            cell.id = f"cell-{n}"
            if cell.cell_type == "code":
                cell.execution_count = counts = counts + 1
    return change


def stands_wrong(number, text):
    """A change of what a cell has printed."""
    return lambda nb: nb.cells[number].update(outputs=prints(text))


def tagged(number, *tags):
    return lambda nb: nb.cells[number].metadata.update(tags=list(tags))


PLANTED = {
    "in order": lambda nb: nb.cells[2].update(execution_count=7),
    "in order from a fresh kernel":
        lambda nb: nb.cells[2].update(execution_count=None),
    "state of a slider": lambda nb: nb.metadata.update(widgets={}),
    "slider is stored": stored(2, output("display_data", data={
        "application/vnd.jupyter.widget-view+json": {"model_id": "1"}})),
    "(stderr)": stored(2, output("stream", name="stderr", text="careful")),
    "an error": stored(2, output("error", ename="E", evalue="",
                                 traceback=[])),
    "stand-in": stored(2, *prints("stand-in data")),
    "the kernel is": lambda nb: nb.metadata.kernelspec.update(name="my-venv"),
    "99-none.ipynb leads nowhere": heading("[x](99-none.ipynb)"),
    "#Begin names no heading": heading("[x](#Begin)"),
    "ipynb#01 names no heading": heading("[x](00-start-here.ipynb#01)"),
    "not https": heading("[x](http://d2l.ai)"),
    "in the text has no alt text": heading("![](a.png)"),
    "a figure has no alt text": shown(2, **{
        "text/plain": "<Figure size 640x480 with 1 Axes>"}),
    "SVG": shown(2, **{"image/svg+xml": "<svg/>"}),
    ":numref: is left over": heading(":numref:`a`"),
    "the heading '### Why?' begins no cell": more(3, "\n\n### Why?\n\nSo."),
    "the heading '<h2>Why?</h2>' begins no cell":
        more(3, "\n\n<h2>Why?</h2>"),
    "has 154 words on end": more(3, " one `2 + 2` $3 + 3$" * 50),
    "has 151 words on end": more(6, "<details>" + " again" * 151
                                 + "</details>"),
    "'y = 2' is the third code cell": inserted(2, code("z = 1"),
                                               code("a = 1"), code("y = 2")),
    "'x = 1' is the third code cell": inserted(1, code("z = 1"),
                                               code("a = 1")),
    "'y = 5' is the third code cell": inserted(6, code("z = 1"),
                                               code("y = 5")),
    "has 26 lines": source(2, "\n".join(["x = 1"] * 26)),
    "has 41 lines": inserted(2, code("\n".join(["x = 1"] * 41),
                                     "take-away")),
    "wider than 79": source(2, "x = 1" + " " * 75 + "# wide"),
    "the file has": lambda nb: nb.cells[0].metadata.update(x="x" * 620_000),
    "a figure has 97 KB": shown(2, **{"image/png": "a" * 133_000}),
    "is not Python (": source(2, "x = = 1"),
    "defines f also runs 'f(1)'":
        source(2, "def f(x):\n    return x\n\n\nf(1)"),
    "dense-to-conv.ipynb: links or contents": source(0, "# 01 · Convolution"),
    "start-here.ipynb: links or contents":
        source(0, f"{LINE}\n\n# 01 · Other"),
    # An exercise that is not whole
    "does not end in d2l.check(NAME, NAME_cases)":
        replaced(4, "(double, double_cases)", "(double, cases)"),
    "start cell, but does not end in": more(4, "\nprint('more')"),
    "no question stands above": lambda nb: nb.cells.pop(3),
    "has no double(…) with ...": replaced(4, "    ...", "    return 1"),
    "double: the start cell has no double(…)":
        replaced(4, "def double", "def treble"),
    "has no list double_cases": replaced(4, "double_cases = [", "cases = ["),
    "double: the start cell has no list":
        replaced(4, "[((1,), 2), ((3,), 6)]", "cases_for(double)"),
    "start cell is not 'not yet …'": stands_wrong(4, "right\n"),
    "no cell tagged solution follows": tagged(5),
    "tagged solution follows its start cell": lambda nb: nb.cells.pop(5),
    "defines no double_solution": replaced(5, "def double_", "def my_"),
    "has no line d2l.check(double_solution, double_cases)":
        replaced(5, "double_cases", "[((1,), 2)]"),
    "solution has no line": replaced(5, "(double_solution,", "(double,"),
    "solution is not 'right'": stands_wrong(5, "not yet: case 2 of 2\n"),
    "of the solution is not 'right'": stands_wrong(5, ""),
    "output of the solution is not 'right'":
        stands_wrong(5, "right\nnot yet: case 2 of 2\n"),
    "the solution is not folded": lambda nb: nb.cells[5].metadata.pop(
        "jupyter"),
    "is a solution without a start cell": tagged(4),
}


@pytest.mark.parametrize("message", PLANTED)
def test_what_is_planted_is_found(message, project, capsys):
    project(PLANTED[message])
    assert check_notebooks.main() == 1
    told = capsys.readouterr().out
    assert message in told
    assert all(": " in line for line in told.splitlines())


MAY_BE = {
    "150 words": more(3, " word" * 145),
    "a long table": more(3, "\n\n| a | b |\n|---|---|\n"
                         + "| a b | c |\n" * 99),
    "long blocks of code": more(3, "\n\n```\n" + "x = 1\n# why\n" * 99
                                + "```"),
    "a long formula": more(3, "\n\n$$\n" + "x + y\n" * 200 + "$$"),
    "a long text, and a long discussion of its own": source(
        6, f"<details>{' so' * 140}</details>{' so' * 140}"),
    "a long text and links": source(
        7, f"## The end\n\n{'so ' * 147}\n\n{LINE}"),
    "a comment in a block of code": more(3, "\n\n```\n# Why?\n```"),
    "two code cells in a row": inserted(2, code("z = 1")),
    "an exercise, then a code cell": inserted(6, code("z = 1")),
    "a line for IPython": source(2, "%matplotlib inline\nx = 1"),
    "40 lines to take away": inserted(
        2, code("\n".join(["x = 1"] * 40), "take-away")),
    "600 KB": lambda nb: nb.cells[0].metadata.update(x="x" * 600_000),
    "80 KB": shown(2, **{"image/png": "a" * 109_000}),
}


@pytest.mark.parametrize("name", MAY_BE)
def test_what_may_be_is_not_reported(name, project, capsys):
    project(MAY_BE[name])
    check_notebooks.main()
    assert capsys.readouterr().out == "notebooks: nothing to mend\n"


def test_a_readme_that_is_behind_is_found(project, capsys):
    readme = project() / "README.md"
    old = readme.read_text(encoding="utf-8")
    readme.write_text(old.replace("Convolution", "Old"), encoding="utf-8")
    assert check_notebooks.main() == 1
    assert "README.md: links or contents" in capsys.readouterr().out


# ---- Cells that define ----

F = "def f(x):\n    return 2 * x"
G = "def g(x):\n    return f(x)"
NEEDS_F = "# Needs f from above.\n"
DEFINITIONS = {  # name: (the cells, what is reported)
    "a name of torch's, for itself": (["def nn(x):\n    return x"], None),
    "imports and constants": (
        ["import math\n\nRATES = torch.tensor([0.1])\nsize = 3 * 5\n\n\n"
         "def f(x):\n    return math.pi * RATES[0] * F.relu(x) * size"], None),
    "a class": (["class A(nn.Module):\n    def forward(self, X):\n"
                 "        return super().forward(X)"], None),
    "needs, and says so": ([F, NEEDS_F + G], None),
    "needs what needs": (
        [F, NEEDS_F + G, "# Needs f and g from above.\n"
         "class A:\n    y = g(f(1))",
         "# Needs A from above.\nz = 1\n\n\nclass B(A):\n    w = 2"], None),
    "draws": (["def show(x):\n    d2l.show_images(x + data)"], None),
    "a whole answer": ([("solution", F + "\n\n\nf(W)")], None),
    "a whole script": ([("take-away", F + "\n\n\nf(W)")], None),
    "no definition": (["x = W"], None),
    "d2l": (["def f(x):\n    return d2l.corr2d(x, x)"],
            "needs d2l where it is copied: pass it in"),
    "data of the notebook": (["W = torch.rand(3)", F.replace("2", "W")],
                             "needs W where it is copied"),
    "a class of the notebook": (["class A(Base):\n    pass"],
                                "needs Base where it is copied"),
    "data in a default": (["def f(x=W):\n    return x"],
                          "needs W where it is copied"),
    "data in a method": (["class A:\n    def f(self, X):\n"
                          "        return [X @ W for _ in range(2)]"],
                         "needs W where it is copied"),
    "an import of another cell": (
        ["import math", "def f(x):\n    return math.pi * x"],
        "needs math where it is copied"),
    "needs, and says nothing": ([F, G], "with '# Needs f from above.'"),
    "says it needs what it does not": (
        [F, NEEDS_F + "def h(x):\n    return x"], "does not need f"),
    "needs what is nowhere": ([NEEDS_F + G], "no cell above that only"),
    "needs what is below": ([NEEDS_F + G, F], "no cell above that only"),
    "needs what is mixed": ([F + "\n\n\nf(1)", NEEDS_F + G],
                            "no cell above that only"),
    "prints": (["class A:\n    print('hello')"],
               "run alone, prints 'hello\\n'"),
    "warns": (["import warnings\n\n\nclass A:\n    warnings.warn('old')"],
              "run alone, prints"),
    "stops": (["class A(nn.Modul):\n    pass"],
              "run alone, stops: AttributeError"),
    "stops in a default": (["def f(x=torch.rand(2).reshape(3)):\n    pass"],
                           "run alone, stops: RuntimeError"),
    "brings d2lmini along": (["import d2lmini as d2l\n\n\n"
                              "def f(x):\n    return d2l.corr2d(x, x)"],
                             "run alone, stops: ModuleNotFoundError"),
    "a magic": (["%matplotlib inline\n" + F], "run alone, stops: SyntaxError"),
    "an example": ([F + "\n\n\nf(1)"], "defines f also runs 'f(1)'"),
    "data": (["net = nn.ReLU()\n\n\n" + F], "also runs 'net = nn.ReLU()'"),
    "data with a capital": (["X = torch.rand(3)\n\n\n" + F], "also runs 'X ="),
    "data with a capital and a number": (
        ["X4 = torch.rand(3)\n\n\n" + F], "also runs 'X4 ="),
    "a check": ([F + "\n\n\nassert f(1) == 2"], "also runs 'assert"),
    "draws, and is used": (["def show():\n    plt.plot([1])\n\n\nshow()"],
                           "defines show also runs 'show()'"),
}


@pytest.fixture(scope="module")
def reports():
    """{name: what the linter says of the definitions planted above}."""
    planted = {}
    for name, (cells, _) in DEFINITIONS.items():
        pairs = [("", cell) if isinstance(cell, str) else cell
                 for cell in cells]
        planted[Path(name)] = notebook(
            [code(text, *filter(None, [tag])) for tag, text in pairs])
    with pytest.MonkeyPatch.context() as patch:  # it shall not matter
        patch.setenv("PYTHONPATH", str(ROOT))
        alone = check_notebooks.faults_of_definitions(planted)
    return {path.name: [*check_notebooks.mixed_cells(nb, path), *alone[path]]
            for path, nb in planted.items()}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions_are_tried(name, reports):
    told, expected = "\n".join(reports[name]), DEFINITIONS[name][1]
    assert expected in told if expected else not told


# ---- nbval's rules ----

@pytest.mark.parametrize("arguments", [["notebooks/02-x.ipynb"],
                                       ["tests", "notebooks"]])
def test_nbval_gets_its_rules(arguments, tmp_path):
    """A cell that was never run fails, another text on stderr does not."""
    for folder in ("tools", "tests", "notebooks"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "tools" / "nbval_rules.py", tmp_path / "tools")
    before = output("stream", name="stderr", text="an old notice\n")
    noisy = code("import sys\nprint('now', file=sys.stderr)", count=1,
                 outputs=[before])
    nb = notebook([noisy, code("print(1)")])
    nbformat.write(nb, tmp_path / "notebooks" / "02-x.ipynb")
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments],
                          cwd=tmp_path, capture_output=True, text=True)
    assert "committed without being run" in done.stdout, done.stdout
    assert "1 passed, 1 error" in done.stdout
