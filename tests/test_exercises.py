"""Exercises: a start cell runs, its check knows right from wrong answers.

Every exercise of every notebook is tried on the notebook's definitions alone,
as a reader meets it who has run no other cell.
"""
import ast
import contextlib
import functools
import io
import re
from pathlib import Path

import check_notebooks
import nbformat
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F
from wrong_answers import WRONG_ANSWERS

import d2lmini as d2l

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {path.stem[:2]: nbformat.read(path, as_version=4)
             for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def names_to_start_with(notebook):
    """torch, d2l, and what the notebook imports and defines."""
    names = {"torch": torch, "nn": nn, "F": F, "d2l": d2l, "plt": plt}
    for cell in check_notebooks.code_cells(notebook):
        if not (check_notebooks.is_free(cell)
                or check_notebooks.examples(cell)):
            exec(check_notebooks.python(cell), names)
    return names


def what_it_prints(function, *arguments):
    """The text that a call prints, or what stopped it."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        try:
            function(*arguments)
        except Exception as why:  # a cell of a notebook: anything may go wrong
            print(f"{type(why).__name__}: {why}")
    return told.getvalue()


def spoil(value):
    """Fill every tensor in the arguments of a call with zeros."""
    if torch.is_tensor(value):
        value.detach().zero_()
    elif isinstance(value, (list, tuple)):
        for part in value:
            spoil(part)


def in_place(answer):
    """The answer as a function that leaves zeros in its arguments."""
    @functools.wraps(answer)
    def spoiling(*arguments):
        got = answer(*arguments)
        got = got.clone() if torch.is_tensor(got) else got
        spoil(arguments)
        return got
    return spoiling


def up_to_its_check(solution, name):
    """The solution's source; what follows its check may need real data."""
    parts = list(map(ast.unparse, check_notebooks.statements(solution)))
    check = f"d2l.check({name}_solution, {name}_cases)"
    end = parts.index(check) + 1 if check in parts else None
    return "\n".join(parts[:end])


def faults(notebook, start, solution, wrong_answers):
    """What is wrong with an exercise: a list of sentences, [] if nothing."""
    name = check_notebooks.exercise_name(start)
    names = names_to_start_with(notebook)
    told = what_it_prints(exec, start.source, names)
    if not told.startswith("not yet"):
        return [f"the unanswered start cell prints {told!r}: is an answer "
                "still in it?"]
    cases = names[f"{name}_cases"]
    told = what_it_prints(exec, up_to_its_check(solution, name), names)
    if told.splitlines()[-1:] != ["right"]:
        return [f"the solution prints {told!r}"]
    right = names[f"{name}_solution"]
    found = []
    # The reader's way: an answer under the exercise's name, the start's cases
    for form, answer in (("", right), (", in place,", in_place(right)),
                         (" after that", right)):
        told = what_it_prints(d2l.check, answer, cases)
        if told != "right\n":
            found.append(f"the right answer{form} is told {told!r}")
    if len(set(wrong_answers)) < 2:
        found.append("list two typical wrong answers or more in "
                     "tests/wrong_answers.py")
    for text in wrong_answers:
        told = what_it_prints(d2l.check, eval(text, names), cases)
        if not told.startswith("not yet"):
            found.append(f"the wrong answer {text} is told {told!r}")
        elif re.search(r"of \d+: \w+: ", told):
            found.append(f"the wrong answer {text} gives none: {told!r}")
    return found


EXERCISES = {
    f"{number} {check_notebooks.exercise_name(start)}":
        (notebook, start, solution)
    for number, notebook in NOTEBOOKS.items()
    for _, start, solution in check_notebooks.exercises(notebook)}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_exercise_knows_right_from_wrong(exercise):
    number, name = exercise.split()
    wrong_answers = WRONG_ANSWERS.get(number, {}).get(name, [])
    found = faults(*EXERCISES[exercise], wrong_answers)
    assert found == []


def test_wrong_answers_belong_to_exercises():
    listed = {f"{number} {name}" for number, exercises in WRONG_ANSWERS.items()
              for name in exercises}
    assert listed <= set(EXERCISES), "no such exercise: was it renamed?"


# ---- These tests can fail ----

START = """\
def double(X):
    ...


double_cases = [((torch.ones(2),), [2, 2]), ((torch.arange(3),), [0, 2, 4])]
d2l.check(double, double_cases)"""
SOLUTION = """\
def double_solution(X):
    return twice(X)


d2l.check(double_solution, double_cases)"""
WRONG = ["lambda X: X", "lambda X: X + 1"]


def faults_of_a_small_notebook(start=START, solution=SOLUTION, wrong=WRONG,
                               twice="def twice(X):\n    return 2 * X"):
    code = nbformat.v4.new_code_cell
    cells = [code("raise ValueError('an example')"), code(twice),
             code(start, metadata={"tags": ["exercise"]}),
             code(solution, metadata={"tags": ["solution"]})]
    notebook = nbformat.v4.new_notebook(cells=cells)
    (_, start, solution), = check_notebooks.exercises(notebook)
    return "\n".join(faults(notebook, start, solution, wrong))


def test_a_sound_exercise_has_no_fault():
    assert not faults_of_a_small_notebook()
    assert not faults_of_a_small_notebook(solution=SOLUTION + "\ndata")


FAULTY = {
    "the wrong answer lambda X: X ** 2 is told 'right": {
        "start": START.replace("arange(3)", "arange(0, 3, 2)")
                      .replace("[0, 2, 4]", "[0, 4]")
                      .replace("((torch.ones(2),), [2, 2]), ", ""),
        "wrong": ["lambda X: X ** 2", "lambda X: X"]},
    "lambda X: Y gives none": {"wrong": ["lambda X: X", "lambda X: Y"]},
    "list two typical wrong answers": {"wrong": WRONG[:1]},
    "list two typical": {"wrong": WRONG[:1] * 2},
    "start cell prints 'right": {"start": START.replace(
        "...", "return 2 * X")},
    "start cell prints \"NameError": {"start": "data\n" + START},
    "the solution prints 'not yet": {"solution": SOLUTION.replace(
        "twice(X)", "X")},
    "the solution prints ''": {"solution": SOLUTION.replace(
        "d2l.check(", "print_nothing = (")},
    "name 'twice' is not defined": {"twice": "double = 1"},
    "the right answer is told 'not yet": {"solution": SOLUTION.replace(
        "(X)\n", "(X)[:2]\n").replace("d2l.", "double_cases = "
                                      "[((torch.ones(2),), [2, 2])]\nd2l.")},
}


@pytest.mark.parametrize("message", FAULTY)
def test_a_faulty_exercise_is_found(message):
    assert message in faults_of_a_small_notebook(**FAULTY[message])


def test_a_check_that_lets_answers_spoil_its_cases_is_found(monkeypatch):
    monkeypatch.setattr(d2l.copy, "deepcopy", lambda arguments: arguments)
    found = faults_of_a_small_notebook()
    assert "the right answer after that is told 'not yet: case 1" in found
