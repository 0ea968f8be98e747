"""Say what is wrong with the stored notebooks: python tools/check_notebooks.py

Each line says what hurts a reader, and what to do about it. The files are
read, and the cells that define something are tried alone, as a reader copies
them; what all the other cells print is the tests' business.
"""
import ast
import builtins
import json
import os
import re
import subprocess
import symtable
import sys
from pathlib import Path

import navigation
import nbformat

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python",
          "name": "python3"}
RERUN = "make run NB={NN}"
MOST_WORDS, MOST_CODE_CELLS = 150, 2
MOST_LINES, MOST_TAKE_AWAY_LINES, MOST_COLUMNS = 25, 40, 79
MOST_KILOBYTES, MOST_PNG_KILOBYTES = 600, 80
LEFT_OVER = re.compile(r":(?:numref|label|eqlabel|eqref|cite|ref):|```\{\.|"
                       r"d2lbook|#@tab|<<<<<<<|>>>>>>>")


# ---- Parts of a notebook ----

def code_cells(notebook):
    return [cell for cell in notebook.cells
            if cell.cell_type == "code" and cell.source.strip()]


def text_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def outputs(notebook):
    return [out for cell in code_cells(notebook) for out in cell.outputs]


def called(cell):
    """A cell as the messages call it."""
    kind = "cell" if cell.cell_type == "code" else "text"
    return f"the {kind} that begins {cell.source.strip()[:40]!r}"


def without_code(text):
    """Markdown without blocks of code and `code`."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def prose(notebook):
    """All the text of a notebook without code in it."""
    return without_code("\n\n".join(
        cell.source for cell in text_cells(notebook)))


# ---- Run, stored, linked as it should be ----

def run_in_order(notebook, path):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"cells were not run in order from a fresh kernel: {RERUN}"


def clean_outputs(notebook, path):
    stored = outputs(notebook)
    if "widgets" in notebook.metadata or any(
            "widget-view" in key for out in stored
            for key in out.get("data", {})):
        yield f"the state of a slider is stored: {RERUN}"
    if any(out.get("name") == "stderr" for out in stored):
        yield ("a warning or notice (stderr) is stored: mend its cause, then "
               + RERUN)
    if any(out.output_type == "error" for out in stored):
        yield f"an error is stored: mend the cell, then {RERUN}"
    if any("stand-in" in out.get("text", "") for out in stored):
        yield ("it was run on the stand-in data: set D2LMINI_DATA to the real "
               f"data, then {RERUN}")


def kernel(notebook, path):
    found = notebook.metadata.get("kernelspec")
    if found != KERNEL:
        yield f"the kernel is {found}, not plain python3: {RERUN}"


def links(notebook, path):
    for target in re.findall(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)",
                             prose(notebook)):
        file, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        if "://" in target:
            yield f"the link {target} is not https"
        elif file and not (path.parent / file).is_file():
            yield f"the link {target} leads nowhere: mend the file name"
        elif anchor and anchor not in anchors(
                path.parent / file if file else path):
            yield (f"the link {target} names no heading there: write it as "
                   "the heading, with - for spaces")


def anchors(path):
    """The headings of a notebook as Jupyter makes anchors of them."""
    cells = text_cells(nbformat.read(path, as_version=4))
    return {heading.strip().replace(" ", "-") for cell in cells
            for heading in re.findall(r"^#+ (.*)$", cell.source, re.M)}


def alt_texts(notebook, path):
    if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+)", prose(notebook)):
        yield ("an image in the text has no alt text: write what it shows "
               "into ![…](file)")
    for out in outputs(notebook):
        data = out.get("data", {})
        if "image/svg+xml" in data:
            yield ("an SVG figure is stored: show it with "
                   "d2l.show_figure(figure, alt), as PNG")
        if "image/png" in data and data.get("text/plain", "<").startswith(
                ("<", "Figure(")):
            yield ("a figure has no alt text: show it with "
                   "d2l.show_figure(figure, alt)")


def left_overs(notebook, path):
    text = "\n".join(cell.source for cell in notebook.cells)
    for mark in LEFT_OVER.findall(text):
        yield f"{mark} is left over from another tool or a merge: delete it"


# ---- Pace and size ----

def headings(notebook, path):
    """The first cell begins with the links to other notebooks."""
    for cell in text_cells(notebook)[1:]:
        text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL).strip()
        for line in text.splitlines()[1:]:
            if re.match(r"#{1,6} |<h[1-6]\b", line):
                yield f"the heading {line!r} begins no cell: split the cell"


def words(text):
    """Number of words in Markdown; a formula or `code` in a line is one.

    Tables, blocks of code and the line of links to other notebooks are none.
    """
    text = re.sub(r"```.*?```|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not (
        line.lstrip().startswith("|") or navigation.LINK_LINE.fullmatch(line))]
    text = re.sub(r"</?\w[^>]*>|(?<=\])\([^)\s]*\)", "", "\n".join(lines))
    text = re.sub(r"\$[^$\n]+\$|`[^`\n]+`", "word", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def lengths_of_text(notebook, path):
    """What an exercise folds away counts by itself."""
    for cell in text_cells(notebook):
        details = re.compile(r"<details.*?</details>", re.DOTALL)
        for part in (details.sub("", cell.source),
                     *details.findall(cell.source)):
            if words(part) > MOST_WORDS:
                yield (f"{called(cell)} has {words(part)} words on end, at "
                       f"most {MOST_WORDS}: split it where the reader takes "
                       "a breath")


def pauses(notebook, path):
    """An exercise's start cell and its folded solution count as one."""
    row, before = 0, set()
    for cell in notebook.cells:
        now = tags(cell)
        if cell.cell_type == "markdown":
            row = 0
        elif "bootstrap" not in now and not (
                "solution" in now and "exercise" in before):
            row += 1
            if row == MOST_CODE_CELLS + 1:
                yield (f"{called(cell)} is the third code cell without a "
                       "word between: say what the reader sees, or join two")
        before = now


def sizes(notebook, path):
    for cell in code_cells(notebook):
        lines = cell.source.splitlines()
        filled = len([line for line in lines if line.strip()])
        if filled > (MOST_TAKE_AWAY_LINES if "take-away" in tags(cell)
                     else MOST_LINES):
            yield f"{called(cell)} has {filled} lines: split it"
        if max(map(len, lines)) > MOST_COLUMNS:
            yield (f"{called(cell)} is wider than {MOST_COLUMNS} columns: "
                   "break the line")
    kilobytes = path.stat().st_size // 1024
    if kilobytes > MOST_KILOBYTES:
        yield (f"the file has {kilobytes} KB, at most {MOST_KILOBYTES}: "
               "smaller figures")
    for out in outputs(notebook):
        size = len(out.get("data", {}).get("image/png", "")) * 3 // 4096
        if size > MOST_PNG_KILOBYTES:
            yield (f"a figure has {size} KB, at most {MOST_PNG_KILOBYTES}: "
                   "draw it smaller or simpler")


# ---- Cells that define what a reader copies ----

TORCH = ("import torch\nfrom torch import nn\n"
         "from torch.nn import functional as F\n")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# A drawing function belongs to its notebook; nobody copies it into a network.
DRAWS = re.compile(r"d2l\.(show_|draw_|COLORS)|\bplt\.")
NEEDS = re.compile(r"#\s*Needs (.+) from above\.")
TRY_ALONE = """
import contextlib, io, json, sys

def what_is_wrong(sources):
    names = {"torch": torch, "nn": nn, "F": F, "__name__": "copied"}
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            for source in sources:
                exec(source, names)
        except Exception as why:
            return f"stops: {type(why).__name__}: {why}"
    return f"prints {told.getvalue()!r}" if told.getvalue() else ""

print(json.dumps([what_is_wrong(each) for each in json.load(sys.stdin)]))
"""


def python(cell):
    """The source of a code cell without lines for IPython (% and !)."""
    return re.sub(r"^[%!].*$", "", cell.source, flags=re.M)


def statements(cell):
    """What ast makes of it: nothing where not_python() finds a fault."""
    try:
        return ast.parse(python(cell)).body
    except SyntaxError:
        return []


def not_python(notebook, path):
    for cell in code_cells(notebook):
        try:
            ast.parse(python(cell))
        except SyntaxError as why:
            yield f"{called(cell)} is not Python ({why.msg}): mend it"


def is_constant(statement):
    """True for NAMES = … and for a name that gets a number, text or list."""
    if not isinstance(statement, ast.Assign):
        return False
    parts = [part for target in statement.targets for part in ast.walk(target)]
    if any(isinstance(part, (ast.Attribute, ast.Subscript)) for part in parts):
        return False
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    literal = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.BinOp,
               ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context)
    return (all(re.fullmatch("[A-Z]{2}[A-Z0-9_]*", name) for name in names)
            or all(isinstance(part, literal)
                   for part in ast.walk(statement.value)))


def is_example(statement):
    """True if it neither imports, nor defines, nor sets a constant."""
    quiet = (*DEFINITIONS, ast.Import, ast.ImportFrom)
    return not isinstance(statement, quiet) and not is_constant(statement)


def examples(cell):
    return list(filter(is_example, statements(cell)))


def defined(cell):
    """Names of the functions and classes that a cell defines."""
    return [statement.name for statement in statements(cell)
            if isinstance(statement, DEFINITIONS)]


def is_free(cell):
    """True for cells that hold a whole answer or a whole script."""
    return bool(tags(cell)
                & {"bootstrap", "exercise", "solution", "take-away"})


def mixed_cells(notebook, path):
    for cell in code_cells(notebook):
        if defined(cell) and examples(cell) and not is_free(cell):
            example = ast.unparse(examples(cell)[0]).splitlines()[0][:40]
            yield (f"the cell that defines {', '.join(defined(cell))} also "
                   f"runs {example!r}: give the definition a cell of its own")


def needed_from_above(cell):
    """Names that the cell's first line says it needs: # Needs … from above."""
    says = NEEDS.match(cell.source.strip())
    return re.findall(r"(?!and\b)\b[^\W\d]\w*", says[1]) if says else []


def definitions(notebook):
    """(cell, sources) of each cell that only defines, and draws nothing.

    sources: what to run, in order, for the cell to work: the cells that it
    says it needs, and itself.
    """
    found, above = [], {}
    for cell in code_cells(notebook):
        if (not defined(cell) or examples(cell) or is_free(cell)
                or DRAWS.search(cell.source)):
            continue
        needed = [source for name in needed_from_above(cell)
                  for source in above.get(name, ())]
        sources = list(dict.fromkeys([*needed, cell.source]))
        above |= dict.fromkeys(defined(cell), sources)
        found.append((cell, sources))
    return found


def global_names(scope):
    """Names that a scope of the symbol table takes from the module."""
    names = {symbol.get_name() for symbol in scope.get_symbols()
             if symbol.is_referenced() and symbol.is_global()}
    return names.union(*map(global_names, scope.get_children()))


def missing_names(source):
    """Names that a cell needs beyond its own, Python's and torch's."""
    module = symtable.symtable(TORCH + source, "cell", "exec")
    bound = {symbol.get_name() for symbol in module.get_symbols()
             if symbol.is_assigned() or symbol.is_imported()}
    return {name for name in global_names(module) - bound
            if not hasattr(builtins, name)}


def name_faults(cell, above):
    """What is wrong with the names in a cell; above: names defined before."""
    missing, says = missing_names(python(cell)), set(needed_from_above(cell))
    for name in sorted(missing - says):
        hint = (f"begin it with '# Needs {name} from above.'" if name in above
                else "pass it in, or define or import it there")
        yield f"{called(cell)} needs {name} where it is copied: {hint}"
    for name in sorted(says - missing):
        yield f"{called(cell)} does not need {name}: correct its first line"
    for name in sorted(says & missing - above):
        yield (f"{called(cell)} needs {name}, but no cell above that only "
               "defines has it")


def tried_alone(lists_of_sources):
    """What is wrong with each, tried in a fresh interpreter; "" if nothing."""
    if not lists_of_sources:
        return []
    outside = {name: value for name, value in os.environ.items()
               if name != "PYTHONPATH"}  # d2lmini shall not be found
    done = subprocess.run(
        [sys.executable, "-c", TORCH + TRY_ALONE], env=outside, text=True,
        input=json.dumps(lists_of_sources), stdout=subprocess.PIPE, check=True,
        cwd=Path(__file__).resolve().parent)
    return json.loads(done.stdout)


def faults_of_definitions(notebooks):
    """{path: faults} of the cells that define, for {path: notebook}."""
    faults, tries = {path: [] for path in notebooks}, []
    for path, notebook in notebooks.items():
        above = set()
        for cell, sources in definitions(notebook):
            found = list(name_faults(cell, above))
            faults[path] += found
            above.update(defined(cell))
            if not found:
                tries.append((path, cell, sources))
    problems = tried_alone([sources for *_, sources in tries])
    for (path, cell, _), problem in zip(tries, problems):
        if problem:
            faults[path].append(f"{called(cell)}, run alone, {problem}")
    return faults


# ---- Exercises: a question, a start cell, a folded solution ----

def printed(cell):
    return "".join(out.get("text", "") for out in cell.outputs)


def exercise_name(start):
    """NAME of a start cell that ends in d2l.check(NAME, NAME_cases)."""
    last = "".join(map(ast.unparse, statements(start)[-1:]))
    match = re.fullmatch(r"d2l\.check\((\w+), \1_cases\)", last)
    return match[1] if match else None


def exercises(notebook):
    """(cell before, start cell, cell after) of each exercise, in order."""
    cells = [None, *notebook.cells, None]
    return [(cells[n - 1], cell, cells[n + 1]) for n, cell in enumerate(cells)
            if cell is not None and "exercise" in tags(cell)]


def whole_exercises(notebook, path):
    for before, start, after in exercises(notebook):
        if start.cell_type != "code" or exercise_name(start) is None:
            yield (f"{called(start)} is a start cell, but does not end in "
                   "d2l.check(NAME, NAME_cases)")
            continue
        name = exercise_name(start)
        for fault in (*faults_of_start(name, start),
                      *faults_of_solution(name, after)):
            yield f"exercise {name}: {fault}"
        if before is None or before.cell_type != "markdown":
            yield f"exercise {name}: no question stands above its start cell"
    for before, cell in zip([None, *notebook.cells], notebook.cells):
        if "solution" in tags(cell) and (before is None or not (
                tags(before) & {"exercise", "solution"})):
            yield (f"{called(cell)} is a solution without a start cell, "
                   "tagged exercise, above it")


def faults_of_start(name, start):
    functions = [part for part in statements(start)
                 if isinstance(part, ast.FunctionDef) and part.name == name]
    if not any(isinstance(part, ast.Constant) and part.value is ...
               for function in functions for part in ast.walk(function)):
        yield f"the start cell has no {name}(…) with ... to be filled in"
    lists = [ast.unparse(part.targets[0]) for part in statements(start)
             if isinstance(part, ast.Assign)
             and isinstance(part.value, ast.List)]
    if f"{name}_cases" not in lists:
        yield f"the start cell has no list {name}_cases = [(…), …]"
    if not printed(start).startswith("not yet"):
        yield ("the stored output of the start cell is not 'not yet …': put "
               f"the ... back, then {RERUN}")


def faults_of_solution(name, solution):
    if (solution is None or solution.cell_type != "code"
            or "solution" not in tags(solution)):
        yield "no cell tagged solution follows its start cell"
        return
    if f"{name}_solution" not in defined(solution):
        yield f"the solution defines no {name}_solution"
    check = f"d2l.check({name}_solution, {name}_cases)"
    if check not in map(ast.unparse, statements(solution)):
        yield f"the solution has no line {check}"
    lines = printed(solution).splitlines()
    if "right" not in lines or any(line.startswith("not yet")
                                   for line in lines):
        yield (f"the stored output of the solution is not 'right': mend it, "
               f"then {RERUN}")
    if not solution.metadata.get("jupyter", {}).get("source_hidden"):
        yield ("the solution is not folded: its metadata need "
               '"jupyter": {"source_hidden": true}')


# ---- All of it ----

CHECKS = (run_in_order, clean_outputs, kernel, links, alt_texts, left_overs,
          headings, lengths_of_text, pauses, sizes, not_python, mixed_cells,
          whole_exercises)


def problems(notebooks):
    """What is wrong, a list of sentences, for {path: notebook}."""
    definition_faults = faults_of_definitions(notebooks)
    found = []
    for path, notebook in notebooks.items():
        faults = [fault for check in CHECKS for fault in check(notebook, path)]
        found += [f"{path.name}: {fault.replace('{NN}', path.stem[:2])}"
                  for fault in dict.fromkeys(
                      [*faults, *definition_faults[path]])]
    return found


def main():
    found = problems({path: nbformat.read(path, as_version=4)
                      for path in navigation.paths()})
    found += [f"{path.name}: links or contents are out of date: python "
              "tools/navigation.py" for path in navigation.out_of_date()]
    print("\n".join(found) or "notebooks: nothing to mend")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
