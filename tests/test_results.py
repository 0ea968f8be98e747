"""The store of results: what is trained, what is kept, what the README shows.

The notebooks here are small ones with data of their own, which claim to be
Fashion-MNIST so that the store takes them.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import navigation
import nbformat
import pytest
import results
import torch

import d2lmini as d2l

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = """\
%matplotlib inline
import math
width = 2 * 2


def images(n, source="Fashion-MNIST"):
    pixels = (torch.arange(n * 784) ** 2 % 251).to(torch.uint8)
    return d2l.Batches(pixels.view(n, 28, 28), torch.arange(n) % 10, 8,
                       None, True, source)


def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width),
                         nn.Linear(width, 10))


unrelated = small().history"""
CELL = """\
train_iter, test_iter = images(32), images(16)
torch.manual_seed(0)
net = small()
lr, num_epochs = 0.1, 3
history = d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr,
                        d2l.try_gpu())
print("after it:", not_defined_anywhere)"""
REHEARSAL = CELL.replace("d2l.try_gpu())", "d2l.try_gpu(), rehearse=True)")


def code(source, network=None, recipe="documents", tags=("result",)):
    if network is None:
        return nbformat.v4.new_code_cell(source)
    return nbformat.v4.new_code_cell(source, metadata={
        "tags": list(tags),
        "d2lmini": {"network": network, "recipe": recipe}})


def write_notebook(root, *cells, name="20-small"):
    (root / "notebooks").mkdir(exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")


@pytest.fixture
def project(tmp_path):
    """A project with one notebook that trains the network "Small"."""
    (tmp_path / "data").mkdir()
    write_notebook(tmp_path, code(DEFINITIONS), code(CELL, "Small"))
    return tmp_path


def planned(root):
    return results.planned(root / "notebooks")


def record(network="Small", recipe="documents", seed=0, device="cpu", **more):
    """A line of the file as a run would give it, some of it changed."""
    return {"network": network, "recipe": recipe, "notebook": "20-small",
            "seed": seed, "epochs": 3, "lr": 0.1, "batch_size": 8,
            "image_side": 28, "optimizer": "SGD", "scheduler": None,
            "init_weights": "xavier_init", "parameters": 3190,
            "multiply_adds": 3176, "test_acc": 0.5, "train_acc": 0.5,
            "train_loss": 1.5, "seconds_per_epoch": 60.0,
            "examples_per_second": 9.0, "device": device, "processors": 2,
            "threads": 1, "torch": "2.0", "data": "Fashion-MNIST",
            "date": "2026-01-01", **more}


def write_records(root, *records):
    path = root / "data" / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in records),
                    encoding="utf-8")
    return path


def tool(root, *arguments, **environment):
    """The tool in a process of its own."""
    return subprocess.Popen(
        [sys.executable, ROOT / "tools" / "results.py", "--root", root,
         *map(str, arguments)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "D2LMINI_DEVICE": "cpu", **environment})


@pytest.fixture
def trained(monkeypatch):
    """The runs that main would train: it gets a record without training."""
    runs = []

    def train(run, seed, weights):
        runs.append((run.network, seed))
        return record(run.network, run.recipe, seed)

    monkeypatch.setattr(results, "in_own_process", train)
    return runs


# ---- What there is to train ----

def test_a_run_takes_its_definitions_from_the_notebook(project):
    run, = planned(project)
    assert "def small" in run.definitions
    assert not {"unrelated", "math"} & set(run.definitions.split())
    plan = results.described(run)
    assert plan == {name: record()[name] for name in results.PLAN}
    cells = code(DEFINITIONS.replace("2 * 2", "3")), code(CELL, "Small")
    write_notebook(project, *cells)
    assert results.described(*planned(project))["parameters"] == 784 * 3 + 43
    write_notebook(project, *cells[:1], code(
        "def small():\n    return nn.Sequential(nn.Flatten(), "
        "nn.Linear(784, 10))"), cells[1], code("def small(): return None"))
    assert results.described(*planned(project))["parameters"] == 7850


@pytest.mark.parametrize("tag", sorted(results.NOT_BEFORE))
def test_definitions_of_exercises_do_not_count(project, tag):
    other = code("def small():\n    ...")
    other.metadata["tags"] = [tag]
    write_notebook(project, code(DEFINITIONS), other, code(CELL, "Small"))
    assert results.described(*planned(project))["parameters"] == 3190


def test_described_reads_the_options_and_the_image_side(project):
    cell = """\
train_iter, test_iter = d2l.load_data_fashion_mnist(64, resize=32)
torch.manual_seed(0)
net = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10))
lr, num_epochs = 0.2, 7
history = d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr,
                        d2l.try_gpu(), optimizer=d2l.momentum,
                        scheduler=d2l.one_cycle, init_weights=d2l.he_init)"""
    write_notebook(project, code(cell, "Large"))
    assert results.described(*planned(project)) == {
        "epochs": 7, "lr": 0.2, "batch_size": 64, "image_side": 32,
        "optimizer": "momentum", "scheduler": "one_cycle",
        "init_weights": "he_init", "parameters": 10250,
        "multiply_adds": 10240}


BROKEN_CELLS = {
    "found 0 lines": CELL.replace("torch.manual_seed(0)\n", ""),
    "found 2 lines": CELL.replace("net =", "torch.manual_seed(0)\nnet ="),
    "not on a line of its own": CELL.replace("seed(0)\nnet", "seed(0); net"),
    "found 1 lines": CELL.replace("seed(0)", "seed(1)"),
    "found 0": CELL.replace("d2l.train_ch6(", "dict("),
    "call of train_ch6 or speedrun in the cell, found 2":
        CELL + "\nd2l.train_ch6()",
}


@pytest.mark.parametrize("message", BROKEN_CELLS)
def test_a_cell_that_cannot_be_a_run_is_named(project, message):
    write_notebook(project, code(DEFINITIONS),
                   code(BROKEN_CELLS[message], "Small"))
    with pytest.raises(ValueError, match=f"Small: .*{message}"):
        planned(project)


def test_tag_and_names_go_together(project):
    no_name = code(CELL)
    no_name.metadata["tags"] = ["result"]
    for cell in (no_name, code(CELL, "Small", tags=()),
                 code(CELL, "Small", recipe="")):
        write_notebook(project, cell)
        with pytest.raises(ValueError, match="both the tag `result` and"):
            planned(project)
    write_notebook(project, code(CELL, "Small"), code(CELL, "Small"))
    with pytest.raises(ValueError, match="two cells train Small by documents"):
        planned(project)


RUNS = results.planned(ROOT / "notebooks")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.network}, "
                         f"{run.recipe}")
def test_runs_of_the_real_notebooks(run):
    """One line with the seed, and all that the cell needs is there."""
    assert set(results.described(run)) == set(results.PLAN)
    assert (run.recipe in navigation.RECIPES) == (
        run.notebook != "15-train-faster")
    assert run.needs_accelerator == (run.network in {
        "AlexNet", "VGG-11 / 4", "NiN", "GoogLeNet", "ResNet-18",
        "DenseNet"}), "the full-size networks, no others"


def test_the_stored_results_are_those_of_the_real_notebooks():
    records, sound = results.load(ROOT / "data" / "results.jsonl")
    assert sound == (ROOT / "data" / "results.jsonl").read_bytes()
    assert not list(results.outdated(records, RUNS))


def test_figures_from_elsewhere_name_their_sources():
    text = (ROOT / "data" / "elsewhere.json").read_text(encoding="utf-8")
    elsewhere = json.loads(text)
    for found in elsewhere["results"].values():
        assert set(found) <= set(elsewhere["sources"])
        for figures in found.values():
            navigation.figure(figures)
            for name, values in figures.get("by_epoch", {}).items():
                assert len(values) == figures["epochs"]
                assert values[-1] == figures[name]
    assert set(navigation.RECIPES) == {"documents", "steady"}


# ---- What is kept ----

def test_a_run_is_recorded_whole(project, monkeypatch):
    """From the command line, whatever D2LMINI_PROFILE says."""
    weights = project / "data" / "weights"
    process = tool(project, "--seeds", 0, 1, D2LMINI_PROFILE="test")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "runs to do: 2," in out and "time left: not known yet" in out
    records, _ = results.load(project / "data" / "results.jsonl")
    assert [line["seed"] for line in records] == [0, 1]
    for line in records:
        assert set(line) == results.FIELDS | {"seconds"}
        assert line["seconds"] >= 0
        assert {name: line[name] for name in results.PLAN} == {
            name: record()[name] for name in results.PLAN}
        assert 0 <= line["test_acc"] <= 1 and line["seconds_per_epoch"] >= 0
    first, second = ({name: line[name] for name in ("train_loss", "test_acc")}
                     for line in records)
    assert first != second, "the seed changes nothing"
    monkeypatch.setenv("D2LMINI_PROFILE", "full")
    again = results.recorded(*planned(project), 0, weights)
    assert {name: again[name] for name in first} == first
    monkeypatch.setenv("D2LMINI_PROFILE", "test")
    with pytest.raises(SystemExit, match="2 of 3 epochs were trained"):
        results.recorded(*planned(project), 0, weights)
    assert not weights.exists(), "by another recipe than the kept one"


SPEEDRUN = """\
from types import SimpleNamespace


def speedrun(net, train_iter, test_iter, num_epochs, lr, device, *,
             rehearse=False):
    epochs = 1 if rehearse else num_epochs
    time.sleep(0.1)
    return SimpleNamespace(train_loss=[2.0], train_acc=[0.4], test_acc=[0.5],
                           seconds=[1.0] * epochs, flipped_acc=0.6)"""


def test_a_speedrun_is_run_whole_and_timed_whole(project, capsys):
    """Also where its cell only rehearses, and without an accelerator."""
    cell = REHEARSAL.replace("d2l.train_ch6", "speedrun").replace(
        "torch.manual", "time.sleep(0.2)\ntorch.manual")
    write_notebook(project, code(DEFINITIONS), code(SPEEDRUN),
                   code("import time"), code(cell, "Small", "to 50 %"))
    run, = planned(project)
    assert not run.needs_accelerator
    plan = results.described(run)
    assert {name: plan[name] for name in ("epochs", "lr", "parameters",
                                          "optimizer", "scheduler")} == {
        "epochs": 3, "lr": 0.1, "parameters": 3190, "optimizer": "its own",
        "scheduler": "its own"}
    results.main([0], "", project)
    (line,), _ = results.load(project / "data" / "results.jsonl")
    assert 0.3 <= line["seconds"] < 2, "from the cell's first line on"
    assert (line["test_acc"], line["flipped_acc"]) == (0.5, 0.6)
    assert line["epochs"] == 3 and line["seconds_per_epoch"] == 1.0


def test_kept_weights_are_those_of_the_run(project):
    write_notebook(project, code(DEFINITIONS), code(CELL, "Small 1", "steady"))
    run, = planned(project)
    weights = project / "data" / "weights"
    first, _ = (results.recorded(run, seed, weights) for seed in (0, 1))
    kept = weights / "small-1-steady.pt"
    assert list(weights.iterdir()) == [kept], "of seed 0 alone"
    names = {"torch": torch, "nn": torch.nn, "d2l": d2l}
    exec(DEFINITIONS.replace("%matplotlib inline", "").replace(
        "unrelated", "#"), names)
    net, images = names["small"](), names["images"](16)
    net.load_state_dict(torch.load(kept, weights_only=True))
    assert d2l.evaluate_accuracy_gpu(net, images) == first["test_acc"]
    assert kept.stat().st_size < 2 * first["parameters"] + 3000


@pytest.mark.parametrize("loader", ["images(32, d2l.STAND_IN)",
                                    "list(images(32))"])
def test_other_data_are_refused(project, loader, capfd):
    cell = CELL.replace("images(32)", loader)
    write_notebook(project, code(DEFINITIONS), code(cell, "Small"),
                   code(cell, "Other"))
    with pytest.raises(SystemExit) as told:
        results.main([0], "", project)
    assert told.value.code == results.REFUSED
    assert capfd.readouterr().err.count("set D2LMINI_DATA") == 1
    assert not (project / "data" / "results.jsonl").exists()


def test_a_run_that_fails_costs_only_itself(project):
    """Here: one that dies without a word, as for want of memory."""
    dies = CELL.replace("net =", "import os; os._exit(9)\nnet =")
    write_notebook(project, code(DEFINITIONS), code(dies, "Dies"),
                   code(CELL, "Small"))
    with pytest.raises(SystemExit, match="not recorded:\nDies, documents, s"):
        results.main([0], "", project)
    records, _ = results.load(project / "data" / "results.jsonl")
    assert [line["network"] for line in records] == ["Small"]


def test_first_seed_of_everything_comes_first(project, trained, capsys):
    write_notebook(project, code(DEFINITIONS), code(CELL, "Small"),
                   code(CELL, "Other"), code(REHEARSAL, "Large"))
    results.main([0, 1], "", project)
    assert trained == [("Small", 0), ("Other", 0), ("Small", 1), ("Other", 1)]
    assert "runs to do: 4, networks that need an accelerator: 1" in (
        capsys.readouterr().out)
    results.main([0, 1, 2], "", project)
    assert trained[4:] == [("Small", 2), ("Other", 2)]


def test_only_runs_that_are_missing_are_trained(project, trained, capsys):
    write_records(project, record(seed=0), record(seed=1, device="GPU 5000"),
                  record(seed=2, recipe="steady", epochs=10))
    write_notebook(project, code(DEFINITIONS), code(CELL, "Small"),
                   code(CELL.replace("0.1, 3", "0.1, 10"), "Small", "steady"))
    results.main([0, 1, 2], "", project)
    assert trained == [("Small", 0), ("Small", 1), ("Small", 1), ("Small", 2)]
    # 3 epochs of a minute twice, 10 twice; at the end the last one.
    out = capsys.readouterr().out
    assert "[1 of 4] Small, steady, seed 0; about 26 min left" in out
    assert "[4 of 4] Small, documents, seed 2; about 3 min left" in out


@pytest.mark.parametrize("only, networks", [
    ("lenet", ["LeNet", "LeNet + BN"]), ("bn", ["LeNet + BN"]),
    ("googlenet", ["GoogLeNet 28x28"])])
def test_only_some_networks(project, trained, only, networks):
    write_notebook(project, code(DEFINITIONS), *(
        code(CELL, name) for name in ("LeNet", "LeNet + BN",
                                      "GoogLeNet 28x28")))
    results.main([0], only, project)
    assert [name for name, _ in trained] == networks
    with pytest.raises(SystemExit, match="begins with 'x'; there are LeNet"):
        results.main([0], "x", project)


def test_a_line_cut_anywhere_costs_only_itself(project, capsys):
    path = write_records(project, record(seed=0), record(seed=1))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole) + 1):
        path.write_bytes(whole[:length])
        records = results.mend(path)
        complete = length >= len(whole) - 1  # the end of the line may lack
        told = "line 2 was cut off" in capsys.readouterr().err
        assert told == (first < length and not complete)
        assert [line["seed"] for line in records] == [0, 1][:1 + complete]
        if not complete:
            results.append(path, record(seed=1))
        assert path.read_bytes() == whole


def test_a_line_is_written_at_once_and_to_the_disk(project, monkeypatch):
    calls = []
    for name in ("write", "fsync", "close"):
        real = getattr(os, name)
        monkeypatch.setattr(results.os, name, lambda *args, name=name, real=
                            real: calls.append(name) or real(*args))
    results.append(project / "data" / "results.jsonl", record())
    assert calls == ["write", "fsync", "close"]
    monkeypatch.setattr(results.os, "write", lambda file, line: 1)
    with pytest.raises(OSError, match="the disk is full"):
        results.append(project / "data" / "results.jsonl", record(seed=1))


def test_a_broken_line_elsewhere_is_named(project, trained):
    lines = [json.dumps(record(seed=seed)) for seed in range(3)]
    path = project / "data" / "results.jsonl"
    for broken, message in ((lines[1][:50], "line 2 is broken"),
                            ("", "line 2 is broken"), ("5", "line 2 lacks"),
                            ('{"network": "x"}', "line 2 lacks .*seed"),
                            (lines[0], "line 2 is the same run as line 1")):
        text = "\n".join([lines[0], broken, lines[2], ""])
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            results.main([0, 1, 2], "", project)
        assert path.read_text(encoding="utf-8") == text and not trained


def test_results_of_another_definition_are_named(project, trained):
    write_records(project, record(), record(seed=1, lr=0.2),
                  record(network="Old"))
    with pytest.raises(SystemExit) as told:
        results.main([0, 1], "", project)
    assert str(told.value).splitlines()[1:-1] == [
        "line 2, Small, documents: lr was 0.2, is 0.1",
        "line 3, Old, documents: no notebook trains it any more"]
    assert not trained


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is Unix")
def test_killed_at_any_moment(project):
    """What a killed call has told to be finished is in the file, whole."""
    path, seeds, told = project / "data" / "results.jsonl", range(3), 0
    began = time.monotonic()
    process = tool(project, "--seeds", 0)
    told += process.communicate(timeout=600)[0].count("test accuracy")
    one_run = time.monotonic() - began
    chance = random.Random()
    for _ in range(4):
        before = path.read_bytes()
        process = tool(project, "--seeds", *seeds)
        time.sleep(chance.uniform(0.3, 1) * one_run)
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=600)
        told += out.count("test accuracy")
        assert "Error" not in err, err
        records, sound = results.load(path)
        assert sound.startswith(before) and len(records) >= told
    process = tool(project, "--seeds", *seeds)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    records, _ = results.load(path)
    assert sorted(line["seed"] for line in records) == list(seeds)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is Unix")
def test_a_killed_call_leaves_no_training_behind(project):
    """The training holds stderr open: that it closes says that it ended."""
    write_notebook(project, code(DEFINITIONS),
                   code(CELL.replace("0.1, 3", "0.1, 10 ** 9"), "Small"))
    process = tool(project, "--seeds", 0)
    assert any("epoch 2" in line for line in process.stderr)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


# ---- What the README shows ----

ELSEWHERE = {
    "sources": {"note": {"what": "a note", "runs": 1},
                "book": {"what": "a book", "runs": None},
                "unused": {"what": "nobody's", "runs": 2}},
    "results": {"Small": {"note": {"test_acc": 0.8},
                          "book": {"lowest": 0.1, "highest": 0.9}}}}
README = """\
# x

<!-- results: tools/navigation.py -->
old
<!-- end of results -->

after
"""


@pytest.fixture
def readme(project, monkeypatch):
    """Gives the README that navigation would write, as lines."""
    (project / "data" / "elsewhere.json").write_text(json.dumps(ELSEWHERE))
    write_notebook(project, code(DEFINITIONS), code(CELL, "Small"),
                   code(CELL, "Small", "steady"),
                   code(REHEARSAL.replace("small()", "nn.Sequential("
                                          "nn.Flatten(), nn.Linear(784, 10))"),
                        "Large"))
    monkeypatch.setattr(navigation, "ROOT", project)
    monkeypatch.setattr(navigation, "NOTEBOOKS", project / "notebooks")

    def lines():
        text, again = README, navigation.results_text
        for _ in range(2):
            before = text
            text = navigation.between("results", text, again)
        assert text == before
        return text.splitlines()
    return lines


def test_one_table_of_all_results(project, readme):
    write_records(
        project, record(test_acc=.5), record(seed=1, test_acc=.7),
        record(seed=2, test_acc=.9), record(device="GPU 5000", test_acc=.4))
    lines = readme()
    there = "note 0.800; book 0.100 to 0.900"
    assert lines[:4] == [*README.splitlines()[:3],
                         navigation.HEAD.splitlines()[0]]
    assert lines[-3:] == README.splitlines()[-3:]
    assert [line for line in lines if line.startswith("|")][2:] == [
        "| [Small](notebooks/20-small.ipynb) | for images of 28×28 | 3,190 | "
        "3,176 | 0.700, 3 runs (0.500 to 0.900); 0.400, 1 run on GPU 5000 | "
        f"not run here | {there} |",
        "| [Large](notebooks/20-small.ipynb) | for images of 28×28 | 7,850 | "
        "7,840 | not run here |  |  |"]
    text = " ".join(lines)
    assert "- note: a note, one run. - book: a book, lowest to" in text
    assert "nobody" not in text


def test_a_table_of_the_races(project, readme):
    write_notebook(project, code(DEFINITIONS), code(CELL, "Small"),
                   code(CELL, "Small", "race to 50 %"),
                   code(CELL, "Small", "race to 60 %"),
                   code(CELL, "Small", "race to 70 %"),
                   code(CELL, "Small", "to 50 %, no shoes"))
    write_records(
        project, record(seconds=9.0, test_acc=.1),
        record(recipe="race to 50 %", seconds=3.0, test_acc=.7),
        record(recipe="race to 50 %", seconds=1.0, test_acc=.5, seed=1),
        record(recipe="race to 50 %", seconds=1.5, test_acc=.6, seed=2),
        record(recipe="race to 60 %", seconds=7.0, test_acc=.61),
        record(recipe="race to 60 %", seconds=1.0, test_acc=.62,
               device="GPU 5000"),
        record(recipe="to 50 %, no shoes", seconds=1.0, test_acc=.2))
    assert "to 50 %" not in "".join(readme())
    head, rule, *rows = navigation.races_text().splitlines()
    link = "(notebooks/20-small.ipynb)"
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    assert rows == [
        f"| [race to 50 %]{link} | Small | 3,190 | 3 | 1.5 (3.0) | "
        "0.6000 (0.5000), 3 runs |",
        f"| [race to 60 %]{link} | Small | 3,190 | 3 | 7.0 (7.0); 1.0 (1.0) "
        "on GPU 5000 | 0.6100 (0.6100), 1 run; 0.6200 (0.6200), 1 run |",
        f"| [race to 70 %]{link} | Small | 3,190 | 3 | not run here |  |"]


@pytest.mark.parametrize("mark", ["results", "races", "ways", "bench"])
def test_the_readme_has_the_places_that_are_written(mark):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert navigation.between(mark, text, lambda: "new").count("new<!--") == 1


@pytest.mark.skipif(os.name == "nt", reason="make is for a Unix shell")
def test_make_passes_seeds_and_names_on():
    done = subprocess.run(
        ["make", "-n", "results", "SEEDS=4 5", "ONLY=batch norm"], cwd=ROOT,
        capture_output=True, text=True, check=True)
    assert 'results.py --seeds 4 5 --only "batch norm"' in done.stdout
