"""What the notebooks promise beyond their outputs: cells that can be copied, and agree with the module."""
import ast
import builtins
import json
import os
import re
import subprocess
import symtable
import sys
from functools import partial
from pathlib import Path

import nbformat
import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional as F

import d2lmini as d2l

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {path.stem[:2]: nbformat.read(path, as_version=4)
             for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def code_cells(number):
    return [cell for cell in NOTEBOOKS[number].cells if cell.cell_type == "code"]


def copied(number, *names):
    """Run the notebook's cells that define the names, with nothing but the three torch imports."""
    namespace = {"torch": torch, "nn": nn, "F": F}
    for name in names:
        found = [cell.source for cell in code_cells(number)
                 if re.search(rf"^(def|class) {name}\b", cell.source, re.M)]
        assert found, f"notebook {number} defines no {name}"
        blocks = r"^(?:(?:def|class) .*(?:\n(?:[ \t].*)?)*|(?:import|from) .*\n)"
        definitions = re.findall(blocks, found[0], re.M)
        exec("\n".join(definitions), namespace)
    return [namespace[name] for name in names]


# ---- What a cell defines can be copied ----

TORCH = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"


def definitions(number):
    """{name: source} of the functions and classes in a notebook's cells, each with the cell's imports.

    Left out: solutions, and functions that show a figure.
    """
    found = {}
    for cell in code_cells(number)[1:]:
        if {"solution", "take-away"} & set(cell.metadata.get("tags", [])):
            continue
        parts = ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.M)).body
        imports = [part for part in parts if isinstance(part, (ast.Import, ast.ImportFrom))]
        for part in parts:
            if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
                source = "\n".join(map(ast.unparse, [*imports, part]))
                if not re.search(r"d2l\.(show_|draw_|COLORS)|plt\.", source):
                    found[part.name] = source
    return found


def global_names(scope):
    """Names that a scope of Python's symbol table, or one inside it, takes from the module."""
    names = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_referenced()
             and (symbol.is_global() or scope.get_type() == "module")}
    return names.union(*map(global_names, scope.get_children()))


def missing_names(source, known):
    """Names that a definition needs, but neither it, nor torch's imports, nor `known` provides."""
    module = symtable.symtable(TORCH + source, "cell", "exec")
    bound = {symbol.get_name() for symbol in module.get_symbols()
             if symbol.is_assigned() or symbol.is_imported()}
    return {name for name in global_names(module) - bound - known if not hasattr(builtins, name)}


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_definitions_have_no_hidden_globals(number):
    """What a cell defines may build on torch and the notebook's other definitions, on nothing else."""
    found = definitions(number)
    for name, source in found.items():
        missing = missing_names(source, set(found))
        assert not missing, f"{name} in notebook {number} needs {', '.join(missing)} where it is copied"


def test_definitions_run_in_a_fresh_interpreter():
    sources = [list(definitions(number).values()) for number in NOTEBOOKS]
    assert sum(map(len, sources)) > 20
    script = TORCH + """
import json, sys
for notebook in json.load(sys.stdin):
    copied = {"torch": torch, "nn": nn, "F": F, "__name__": "copied"}
    for source in notebook:
        try:
            exec(source, copied)
        except Exception as why:
            sys.exit(f"{why!r} in:\\n{source}")
"""
    done = subprocess.run([sys.executable, "-c", script], input=json.dumps(sources), text=True,
                          capture_output=True, cwd="/")
    assert done.returncode == 0, done.stderr


def test_hidden_globals_are_found():
    assert missing_names("def f(x):\n    return helper(x) + d2l.y", {"helper"}) == {"d2l"}
    assert missing_names("class A(nn.Module):\n    def f(self, X):\n        return X @ W", set()) == {"W"}
    assert not missing_names("import math\ndef f(x):\n    return math.inf, [F.relu(k) for k in x]", set())


TAKE_AWAY = {"06": "lenet", "07": "alexnet_28", "08": "vgg_28", "09": "nin_28", "10": "googlenet_28",
             "11": "bn_lenet", "12": "resnet_28", "13": "densenet_28"}


def take_away(number):
    source, = (cell.source for cell in code_cells(number) if "take-away" in cell.metadata.get("tags", []))
    return source


def test_take_away_cells_are_scripts_that_train(tmp_path):
    """Each has the network and a training loop in at most 40 lines, and nothing of d2lmini."""
    scripts = []
    for number, network in TAKE_AWAY.items():
        source = take_away(number)
        assert "d2l" not in source and len([line for line in source.splitlines() if line.strip()]) <= 40
        scripts.append(source + f"""
torch.manual_seed(0)
net = {network}()
before = [p.detach().clone() for p in net.parameters()]
train(net, [(torch.rand(8, 1, 28, 28), torch.arange(8))] * 2, 1, 0.01)
assert all(p.isfinite().all() for p in net.parameters())
assert any(not torch.equal(p, q) for p, q in zip(net.parameters(), before))
print(sum(p.numel() for p in net.parameters()))
""")
    runner = "import json, sys\nfor script in json.load(sys.stdin): exec(script, {})"
    done = subprocess.run([sys.executable, "-c", runner], input=json.dumps(scripts), capture_output=True,
                          text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr
    sizes = []
    for number, network in TAKE_AWAY.items():
        known = {"torch": torch, "nn": nn, "F": F}
        for source in definitions(number).values():
            exec(source, known)
        sizes.append(sum(p.numel() for p in known[network]().parameters()))
    assert list(map(int, done.stdout.split())) == sizes, "not the networks that the notebooks train"


# ---- Cells agree with the module ----

@pytest.mark.parametrize("seed", range(5))
def test_taught_helpers_agree_with_the_module(seed):
    torch.manual_seed(seed)
    c_o, c_i, h, w, more_h, more_w = torch.randint(1, 5, (6,)).tolist()
    X, K = torch.randn(c_i, h + more_h, w + more_w), torch.randn(c_o, c_i, h, w)
    (corr2d,) = copied("02", "corr2d")
    torch.testing.assert_close(corr2d(X[0], K[0, 0]), d2l.corr2d(X[0], K[0, 0]))
    _, multi_in, multi_in_out = copied("04", "corr2d", "corr2d_multi_in", "corr2d_multi_in_out")
    torch.testing.assert_close(multi_in(X, K[0]), d2l.corr2d_multi_in(X, K[0]))
    torch.testing.assert_close(multi_in_out(X, K), d2l.corr2d_multi_in_out(X, K))
    (pool2d,) = copied("05", "pool2d")
    for mode in ("max", "avg"):
        torch.testing.assert_close(pool2d(X[0], (h, w), mode), d2l.pool2d(X[0], (h, w), mode))


@pytest.mark.parametrize("arguments", [(3, 3), (3, 6, True, 2)])
def test_taught_residual_block_is_the_modules(arguments):
    (residual,) = copied("12", "Residual")
    X, taught, ours = torch.rand(4, 3, 6, 6), residual(*arguments), d2l.Residual(*arguments)
    ours.load_state_dict(taught.state_dict())
    assert torch.equal(taught(X), ours(X)) and torch.equal(taught.eval()(X), ours.eval()(X))


def test_taught_layer_table_prints_the_same(capsys):
    layer_table, lenet = copied("06", "layer_table", "lenet")
    printed = []
    for table in (layer_table, d2l.layer_table):
        table(lenet(), torch.rand(2, 1, 28, 28))
        printed.append([line.split() for line in capsys.readouterr().out.splitlines()[1:]])
    taught, ours = printed
    assert taught[:-1] == ours[:-1] and taught[-1] == ours[-1][:-1] == ["in", "all", "61,706"]


def test_taught_training_takes_the_same_steps():
    _, train, lenet = copied("06", "evaluate_accuracy", "train", "lenet")
    batches = [(torch.rand(8, 1, 28, 28), torch.randint(0, 10, (8,))) for _ in range(3)]
    results = []
    for function in (train, partial(d2l.train_ch6, channels_last=False), d2l.train_ch6):
        torch.manual_seed(0)
        net = lenet()
        accuracies = function(net, batches, batches, 2, 0.9, "cpu")
        results.append((net.state_dict(), getattr(accuracies, "test_acc", accuracies)))
    (weights, accs), (usual_order, usual_accs), (channels_last, _) = results
    assert all(torch.equal(weights[key], usual_order[key]) for key in weights) and accs == usual_accs
    torch.testing.assert_close(weights, channels_last, rtol=0, atol=1e-6)


def test_lenets_of_the_documents():
    for name, parameters in (("lenet", 61706), ("relu_variant", 170988)):
        (net,) = copied("06", name)
        assert sum(p.numel() for p in net().parameters()) == parameters


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_bootstrap_is_the_same_and_finds_the_module(number, tmp_path, monkeypatch):
    cell = code_cells(number)[0]
    assert "bootstrap" in cell.metadata.tags and not cell.outputs
    assert cell.source == code_cells("00")[0].source
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    with pytest.raises(AssertionError, match="put a copy beside this notebook"):
        exec(cell.source, {})
    namespace = {"__vsc_ipynb_file__": str(ROOT / "notebooks" / "any.ipynb")}  # as VS Code sets it
    exec(cell.source, namespace)
    assert namespace["home"][0] == ROOT
    (tmp_path / "d2lmini.py").write_text((ROOT / "d2lmini.py").read_text())
    namespace = {}
    exec(cell.source, namespace)
    assert namespace["home"] == [tmp_path]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_few_cells_are_left_uncompared(number):
    cells = code_cells(number)
    ignored = [cell for cell in cells if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(ignored) <= len(cells) / 4, f"{len(ignored)} of {len(cells)} cells are not compared"
    for cell in ignored:
        assert "assert" not in cell.source, "a check belongs into a compared cell"


def test_packages_are_listed_alike():
    """requirements.txt, environment.yml and notebook 00 ask for the same packages and floors."""
    wanted = dict(re.findall(r"^(\w+)>=([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M))
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    conda = dict(package.split(">=") for package in environment["dependencies"] if package != "pip")
    names = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
    assert {names.get(name, name): floor for name, floor in conda.items() if name != "python"} == wanted
    checked = next(cell.source for cell in code_cells("00") if "Version" in cell.source)
    assert dict(re.findall(r'\("(\w+)", "([\d.]+)"\)', checked)).items() <= wanted.items()


def test_workflow_calls_the_same_commands():
    """Continuous integration runs what the Makefile and the README say."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
    makefile, readme = (ROOT / "Makefile").read_text(), (ROOT / "README.md").read_text()
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    for command in commands["make"]:
        assert re.search(rf"^{command.split()[1]}:", makefile, re.M), f"the Makefile cannot {command}"
    for command in commands["windows"]:
        assert command in readme, f"the README does not say: {command}"
    systems = [*jobs["make"]["strategy"]["matrix"]["os"], jobs["windows"]["runs-on"]]
    assert systems == ["ubuntu-latest", "macos-latest", "windows-latest"]
