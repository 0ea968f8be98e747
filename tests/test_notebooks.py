"""Notebooks beyond their outputs: cells to copy, and the module's twins."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import check_notebooks
import nbformat
import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional as F

import d2lmini as d2l

ROOT = Path(__file__).resolve().parent.parent
PATHS = {path.stem[:2]: path
         for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
NOTEBOOKS = {number: nbformat.read(path, as_version=4)
             for number, path in PATHS.items()}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def code_cells(number):
    return [cell for cell in NOTEBOOKS[number].cells
            if cell.cell_type == "code"]


def copied(number, *names):
    """What a reader gets who copies the cells that define the names.

    Each is run whole, with nothing but torch and what it says it needs.
    """
    cells = {name: sources for cell, sources
             in check_notebooks.definitions(NOTEBOOKS[number])
             for name in check_notebooks.defined(cell)}
    found = []
    for name in names:
        assert name in cells, (
            f"no cell of notebook {number} only defines {name}")
        namespace = {"torch": torch, "nn": nn, "F": F}
        for source in cells[name]:
            exec(source, namespace)
        found.append(namespace[name])
    return found


# ---- What a cell defines can be copied ----

def test_definitions_stand_alone():
    """As `make lint` says it, with all else that it finds."""
    notebooks = {PATHS[number]: notebook
                 for number, notebook in NOTEBOOKS.items()}
    alone = check_notebooks.faults_of_definitions(notebooks)
    found = [f"{path.name}: {fault}" for path, notebook in notebooks.items()
             for fault in (*alone[path], *check_notebooks.mixed_cells(
                 notebook, path))]
    assert found == []
    assert sum(len(check_notebooks.definitions(notebook))
               for notebook in notebooks.values()) > 20


TAKE_AWAY = {"06": "lenet", "07": "alexnet_28", "08": "vgg_28",
             "09": "nin_28", "10": "googlenet_28", "11": "bn_lenet",
             "12": "resnet_28", "13": "densenet_28"}
TRAINED = """
import inspect
torch.manual_seed(0)
net = {network}()
before = [p.detach().clone() for p in net.parameters()]
batches = [(torch.rand(8, 1, 28, 28), torch.arange(8))] * 2
data = {{"batches", "train_iter", "test_iter"}}
data &= set(inspect.signature(train).parameters)
train(net, *[batches for _ in data], 1, 0.01, "cpu")
assert all(p.isfinite().all() for p in net.parameters())
assert any(not torch.equal(p, q) for p, q in zip(net.parameters(), before))
print(sum(p.numel() for p in net.parameters()))
"""


def take_away(number):
    source, = (cell.source for cell in code_cells(number)
               if "take-away" in check_notebooks.tags(cell))
    return source


def test_take_away_cells_are_scripts_that_train(tmp_path):
    """Each has the network and a training loop, and nothing of d2lmini."""
    scripts = [take_away(number) + TRAINED.format(network=network)
               for number, network in TAKE_AWAY.items()]
    runner = ("import json, sys\n"
              "for script in json.load(sys.stdin): exec(script, {})")
    done = subprocess.run(
        [sys.executable, "-c", runner], input=json.dumps(scripts), text=True,
        capture_output=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr
    sizes = [sum(p.numel() for p in copied(number, network)[0]().parameters())
             for number, network in TAKE_AWAY.items()]
    assert list(map(int, done.stdout.split())) == sizes, (
        "not the networks that the notebooks train")


# ---- Cells agree with the module ----

@pytest.mark.parametrize("seed", range(5))
def test_taught_windows_agree_with_the_module(seed):
    torch.manual_seed(seed)
    c_o, c_i, h, w, more_h, more_w = torch.randint(1, 5, (6,)).tolist()
    X = torch.randn(c_i, h + more_h, w + more_w)
    K = torch.randn(c_o, c_i, h, w)
    (corr2d,) = copied("02", "corr2d")
    torch.testing.assert_close(corr2d(X[0], K[0, 0]),
                               d2l.corr2d(X[0], K[0, 0]))
    multi_in, multi_in_out = copied("04", "corr2d_multi_in",
                                    "corr2d_multi_in_out")
    torch.testing.assert_close(multi_in(X, K[0]),
                               d2l.corr2d_multi_in(X, K[0]))
    torch.testing.assert_close(multi_in_out(X, K),
                               d2l.corr2d_multi_in_out(X, K))
    (pool2d,) = copied("05", "pool2d")
    for mode in ("max", "avg"):
        torch.testing.assert_close(pool2d(X[0], (h, w), mode),
                                   d2l.pool2d(X[0], (h, w), mode))


def test_what_02_defines():
    Conv2D, convolve2d, receptive_field = copied(
        "02", "Conv2D", "convolve2d", "receptive_field")
    X, layer = torch.rand(5, 4), Conv2D((2, 3))
    layer.bias.data.fill_(2)
    torch.testing.assert_close(layer(X), d2l.corr2d(X, layer.weight) + 2)
    turned = convolve2d(X, layer.weight.flip(0).flip(1))
    torch.testing.assert_close(turned + 2, layer(X))
    two = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3))
    assert receptive_field(two, 7)[1:6, 1:6].sum() == 25
    assert receptive_field(two, 7).sum() == 25


@pytest.mark.parametrize("arguments", [(3, 3), (3, 6, True, 2)])
def test_taught_residual_block_is_the_modules(arguments):
    (residual,) = copied("12", "Residual")
    taught, ours = residual(*arguments), d2l.Residual(*arguments)
    ours.load_state_dict(taught.state_dict())
    X = torch.rand(4, 3, 6, 6)
    assert torch.equal(taught(X), ours(X))
    assert torch.equal(taught.eval()(X), ours.eval()(X))


def test_taught_layer_table_prints_the_same(capsys):
    layer_table, lenet = copied("06", "layer_table", "lenet")
    printed = []
    for table in (layer_table, d2l.layer_table):
        table(lenet(), torch.rand(2, 1, 28, 28))
        lines = capsys.readouterr().out.splitlines()[1:]
        printed.append([line.split() for line in lines])
    taught, ours = printed
    assert taught[:-1] == ours[:-1]
    assert ["in", "all", "61,706"] == taught[-1][:3] == ours[-1][:3]


class Plain(nn.Sequential):
    """No type that train_ch6 knows: it leaves the order in memory alone."""


@pytest.mark.parametrize("form, rounding", [(Plain, 0),
                                            (nn.Sequential, 1e-6)])
def test_taught_training_takes_the_same_steps(form, rounding):
    train, lenet = copied("06", "train", "lenet")
    batches = [(torch.rand(8, 1, 28, 28), torch.randint(0, 10, (8,)))
               for _ in range(3)]
    weights, accuracies = [], []
    for function in (train, d2l.train_ch6):
        torch.manual_seed(0)
        net = form(*lenet())
        got = function(net, batches, batches, 2, 0.9, "cpu")
        weights.append(net.state_dict())
        accuracies.append(getattr(got, "test_acc", got))
    torch.testing.assert_close(*weights, rtol=0, atol=rounding)
    assert accuracies[0] == accuracies[1]


def test_taught_evaluation_gives_the_same():
    evaluate, lenet = copied("06", "evaluate_accuracy", "lenet")
    net = nn.Sequential(lenet(), nn.Dropout(0.9)).train()
    batches = [(torch.rand(n, 1, 28, 28), torch.randint(0, 10, (n,)))
               for n in (300, 200)]
    assert evaluate(net, batches, "cpu") == pytest.approx(
        d2l.evaluate_accuracy_gpu(net.train(), batches), abs=1e-9)


def test_taught_he_init_is_the_modules():
    (he_init,) = copied("07", "he_init")
    parts = []
    for init in (he_init, d2l.he_init):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(),
                            nn.Flatten(), nn.Linear(3, 4))
        net.apply(init)
        parts.append(net.state_dict())
    assert all(torch.equal(parts[0][key], parts[1][key]) for key in parts[0])


def test_taught_momentum_and_one_cycle_are_the_modules():
    momentum, one_cycle = copied("07", "momentum", "one_cycle")
    histories = []
    for optimizer_of, schedule_of in ((momentum, one_cycle),
                                      (d2l.momentum, d2l.one_cycle)):
        weight = nn.Parameter(torch.tensor([2.0, -3.0]))
        optimizer = optimizer_of([weight], lr=0.05)
        settings = dict(optimizer.defaults)  # the schedule has its own
        schedule, history = schedule_of(optimizer, 20), []
        for _ in range(20):
            optimizer.zero_grad()
            (weight ** 2).sum().backward()
            optimizer.step()
            history.append((schedule.get_last_lr(), weight.tolist(),
                            optimizer.param_groups[0]["momentum"]))
            schedule.step()
        histories.append((type(optimizer), settings, history))
    assert histories[0] == histories[1]


def test_lenets_of_the_documents():
    for name, parameters in (("lenet", 61706), ("relu_variant", 170988)):
        (net,) = copied("06", name)
        assert sum(p.numel() for p in net().parameters()) == parameters


@pytest.mark.parametrize("number, definition, file", [
    ("06", "lenet", "lenet"), ("11", "bn_lenet", "lenet-bn"),
    ("07", "alexnet_28", "alexnet-28x28"), ("08", "vgg_28", "vgg-28x28"),
    ("09", "nin_28", "nin-28x28"), ("10", "googlenet_28", "googlenet-28x28"),
    ("12", "resnet_28", "resnet-28x28"),
    ("13", "densenet_28", "densenet-28x28")])
def test_networks_of_14_are_those_that_were_trained(number, definition, file):
    """With the stored weights, 14's gives what the taught one gives."""
    state = torch.load(ROOT / "data" / "weights" / f"{file}-steady.pt",
                       weights_only=True)
    X, scores = torch.rand(8, 1, 28, 28), []
    for place in (number, "14"):
        net = copied(place, definition)[0]()
        net.load_state_dict(state)
        scores.append(net.eval()(X))
    assert torch.equal(*scores) and scores[0].std() > 1


def test_stored_weights_are_few():
    files = [path for path in (ROOT / "data" / "weights").rglob("*")
             if path.is_file()]
    assert len(files) == 8
    assert sum(path.stat().st_size for path in files) < 3_000_000


# ---- What every notebook has ----

@pytest.mark.parametrize("number", NOTEBOOKS)
def test_bootstrap_is_the_same_and_finds_the_module(number, tmp_path,
                                                    monkeypatch):
    cell = code_cells(number)[0]
    assert "bootstrap" in cell.metadata.tags and not cell.outputs
    assert cell.source == code_cells("00")[0].source
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    shutil.copy(ROOT / "d2lmini.py", tmp_path)
    for _ in range(2):  # the module is above, then beside the notebook
        monkeypatch.setattr(sys, "path", sys.path.copy())
        monkeypatch.setattr(sys, "path_importer_cache", {})  # knows "."
        monkeypatch.delitem(sys.modules, "d2lmini")
        namespace = {}
        exec(cell.source, namespace)
        module = Path(namespace["d2l"].__file__).resolve()
        assert module == tmp_path / "d2lmini.py"
        monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_few_cells_are_left_uncompared(number):
    cells = code_cells(number)
    ignored = [cell for cell in cells
               if "nbval-ignore-output" in check_notebooks.tags(cell)]
    assert len(ignored) <= len(cells) / 4, (
        f"{len(ignored)} of {len(cells)} cells are not compared")
    for cell in ignored:
        assert "assert" not in cell.source, (
            "a check belongs into a compared cell")


def test_packages_are_listed_alike():
    """requirements.txt, environment.yml, notebook 00: the same floors."""
    requirements = text("requirements.txt")
    wanted = dict(re.findall(r"^(\w+)>=([\d.]+)", requirements, re.M))
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["channels"] == ["conda-forge"]
    conda = dict(package.split(">=")
                 for package in environment["dependencies"]
                 if not re.match("pip|python", package))
    names = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
    assert {names.get(name, name): floor
            for name, floor in conda.items()} == wanted
    checked = next(cell.source for cell in code_cells("00")
                   if "Version" in cell.source)
    floors = dict(re.findall(r'\("(\w+)", "([\d.]+)"\)', checked))
    assert floors and floors.items() <= wanted.items()


def test_workflow_calls_the_same_commands():
    """Continuous integration runs what the Makefile and the README say."""
    workflow = text(".github/workflows/test.yml")
    jobs = yaml.safe_load(workflow)["jobs"]
    makefile = text("Makefile")
    readme = text("README.md")
    commands = {name: [step["run"] for step in job["steps"] if "run" in step]
                for name, job in jobs.items()}
    for command in commands["make"]:
        assert re.search(rf"^{command.split()[1]}:", makefile, re.M), (
            f"the Makefile cannot {command}")
    for command in commands["windows"]:
        assert command in readme, f"the README does not say: {command}"
    systems = [*jobs["make"]["strategy"]["matrix"]["os"],
               jobs["windows"]["runs-on"]]
    assert systems == ["ubuntu-latest", "macos-latest", "windows-latest"]


# ---- The glossary of notebook 00 ----

def words_of(number):
    """The text of a notebook's Markdown cells, in lower case."""
    return "\n".join(cell.source for cell in NOTEBOOKS[number].cells
                     if cell.cell_type == "markdown").lower()


def glossary():
    """(term, Chinese name, notebook) of each row."""
    cell, = (cell.source for cell in NOTEBOOKS["00"].cells
             if cell.source.startswith("## Glossary"))
    rows = [[part.strip() for part in line.strip("|").split("|")]
            for line in cell.splitlines() if line.startswith("|")][2:]
    return [(term, chinese, number) for term, chinese, _, number in rows]


@pytest.mark.parametrize("term, chinese, number", glossary())
def test_glossary_names_the_notebook_that_explains_a_term(
        term, chinese, number):
    assert term.lower() in words_of(number) and chinese in words_of(number)
    for other in NOTEBOOKS:  # no earlier one explains it without a pointer
        if "00" < other < number and f"**{term}" in words_of(other):
            assert f"{number}-" in words_of(other) or (
                f"notebook {number}" in words_of(other)), other


def test_glossary_follows_the_series():
    numbers = [number for _, _, number in glossary()]
    assert len(numbers) > 25 and numbers == sorted(numbers)
