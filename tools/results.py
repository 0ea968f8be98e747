"""Train the series' networks and keep the results: python tools/results.py

    --seeds 0 1 2    the seeds (these are the default)
    --only lenet     only networks with a word that begins so

What to train stands in the notebooks: a code cell with the tag `result`, and
{"d2lmini": {"network": …, "recipe": …}} in its metadata, trains one network.
It runs with the notebook's own definitions, and with each seed in place of 0.
It trains by d2lmini's train_ch6, or by notebook 15's speedrun.

Each run has a process of its own, and its line in data/results.jsonl as soon
as it is finished. A run whose line is there is skipped, so a call that was
stopped or killed loses the run under way, and the next call goes on. Cells
where train_ch6 only rehearses on a CPU run where an accelerator is; those
where speedrun only rehearses are trained whole.

The networks that seed 0 and the steady recipe trained are kept, too: their
weights, in half precision, in data/weights. Notebook 14 looks into them.
"""
import argparse
import ast
import contextlib
import datetime
import functools
import inspect
import json
import os
import re
import statistics
import subprocess
import symtable
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

import nbformat
import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import d2lmini as d2l  # noqa: E402  (found by the line above)

DATA_SET = "Fashion-MNIST"
TRAINERS = ("train_ch6", "speedrun")  # same first arguments, and histories
KEPT = ("steady", 0)  # recipe and seed of the networks whose weights stay
REFUSED = 3  # exit status of a run that found other data
SEED_LINE = re.compile(r"^torch\.manual_seed\(0\)$", re.MULTILINE)
NOT_BEFORE = {"bootstrap", "solution", "exercise", "take-away"}
KEY = ("network", "recipe", "seed", "device")
PLAN = ("epochs", "lr", "batch_size", "image_side", "optimizer", "scheduler",
        "init_weights", "parameters", "multiply_adds")
FIELDS = {*KEY, *PLAN, "notebook", "test_acc", "train_acc", "train_loss",
          "seconds_per_epoch", "examples_per_second", "processors", "threads",
          "torch", "data", "date"}


@dataclass(frozen=True)
class Run:
    """One network and recipe: the program that trains it with seed 0."""

    network: str
    recipe: str
    notebook: str
    definitions: str  # of the notebook, what the cell needs of them
    cell: str
    needs_accelerator: bool


# ---- What there is to train ----

def planned(folder):
    """The runs that the notebooks in the folder hold, in their order."""
    runs = []
    for path in sorted(folder.glob("*.ipynb")):
        before = []
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            name, tags = _name(cell, path), set(cell.metadata.get("tags", ()))
            if name:
                runs.append(_run(*name, path, before, cell.source))
            if not tags & NOT_BEFORE:
                before += _statements(cell.source, path)
    names = [(run.network, run.recipe) for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two cells train {' by '.join(name)}: give one "
                             "another network or recipe in its metadata")
    return runs


def _name(cell, path):
    """(network, recipe) of a cell that is a run, None of any other."""
    about = cell.metadata.get("d2lmini", {})
    if "result" not in cell.metadata.get("tags", ()) and not about:
        return None
    if ("result" not in cell.metadata.get("tags", ())
            or not about.get("network") or not about.get("recipe")):
        raise ValueError(
            f"{path.name}: the cell that begins {cell.source[:40]!r} needs "
            'both the tag `result` and the metadata {"d2lmini": {"network": '
            '…, "recipe": …}}')
    return about["network"], about["recipe"]


def _run(network, recipe, path, before, source):
    """The run of a cell: the definitions it needs, itself up to training."""
    statements = _statements(source, path)
    trained = [(statement, call) for statement in statements
               for call in ast.walk(statement) if _trainer(call)]
    if len(trained) != 1:
        raise ValueError(f"{path.name}, {network}: expected one call of "
                         f"{' or '.join(TRAINERS)} in the cell, found "
                         f"{len(trained)}")
    statement, call = trained[0]
    lines = source.splitlines()[:statement.end_lineno]
    cell = "\n".join(lines)
    if (len(SEED_LINE.findall(cell)), cell.count("manual_seed")) != (1, 1):
        raise ValueError(
            f"{path.name}, {network}: expected the line torch.manual_seed(0) "
            f"once before training, found {cell.count('manual_seed')} lines "
            "that set a seed, or not on a line of its own")
    definitions = map(ast.unparse, _needed(statements, before))
    rehearses = any(word.arg == "rehearse" for word in call.keywords)
    return Run(network, recipe, path.stem, "\n".join(definitions), cell,
               rehearses and _trainer(call) == "train_ch6")


def _statements(source, path):
    """A cell's statements, without its magics."""
    return ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE),
                     str(path)).body


def _trainer(node):
    """The function of TRAINERS that a call calls; None of any other node."""
    function = getattr(node, "func", None)
    name = getattr(function, "id", getattr(function, "attr", None))
    return name if name in TRAINERS else None


def _needed(statements, before):
    """Those of the definitions before that the statements build on."""
    wanted = set().union(*map(_used, statements))
    wanted -= set().union(*map(_stored, statements))
    needed, size = [], -1
    while size < len(needed):  # until nothing new is wanted
        size = len(needed)
        needed = [other for other in before if _defined(other) & wanted]
        wanted = wanted.union(*map(_used, needed))
    return needed


def _used(statement):
    """Names that a statement takes from outside itself."""
    return _outside(symtable.symtable(ast.unparse(statement), "cell", "exec"))


def _outside(scope):
    names = {symbol.get_name() for symbol in scope.get_symbols()
             if symbol.is_referenced()
             and (symbol.is_global() or scope.get_type() == "module")}
    return names.union(*map(_outside, scope.get_children()))


def _stored(statement):
    """Names that a statement gives a value."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(name.asname or name.name).split(".")[0]
                for name in statement.names}
    return {node.id for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _defined(statement):
    """Names of a function, class, import or constant; none of all else.

    A constant calls nothing: conv_arch = ((1, 64), (1, 128)).
    """
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    constant = isinstance(statement, ast.Assign) and not any(
        isinstance(node, ast.Call) for node in ast.walk(statement))
    return _stored(statement) if constant or isinstance(
        statement, kinds) else set()


# ---- A run ----

def described(run):
    """What the run would train, a dict of PLAN; on no data, in no time."""
    found = {}

    def note(train):
        def noted(*args, **options):
            found.update(_plan(_arguments(train, args, options)))
        return noted

    def no_data(batch_size, resize=None):
        return 2 * (d2l.Batches(None, None, batch_size, resize, True,
                                DATA_SET),)

    with (torch.device("meta"),  # shapes without numbers
          mock.patch.object(d2l, "load_data_fashion_mnist", no_data)):
        _execute(run, run.cell, note)
    return found


def recorded(run, seed, weights):
    """Train with the seed; gives the line for the file, a dict.

    weights is the folder for the trained network.
    """
    found = {}

    def watch(train):
        def watched(*args, **options):
            arguments = _arguments(train, args, options)
            data = getattr(arguments["train_iter"], "source", "unknown data")
            if data != DATA_SET:
                print(f"{run.network} would train on {data}. Results are kept "
                      f"for {DATA_SET} only: set D2LMINI_DATA to the folder "
                      "with its four files.", file=sys.stderr)
                sys.exit(REFUSED)
            if not run.needs_accelerator:
                options["rehearse"] = False
            history = train(*args, **options)
            ended = time.perf_counter()
            if len(history.seconds) != arguments["num_epochs"]:
                sys.exit(f"{len(history.seconds)} of "
                         f"{arguments['num_epochs']} epochs were trained: not "
                         "recorded")
            found.update(_plan(arguments), **_measured(history, arguments),
                         data=data, ended=ended)
            if hasattr(history, "flipped_acc"):
                found["flipped_acc"] = round(history.flipped_acc, 4)
            if (run.recipe, seed) == KEPT:
                keep(arguments["net"], weights_path(weights, run))
            return history
        return watched

    began = _execute(run, SEED_LINE.sub(f"torch.manual_seed({seed})",
                                        run.cell), watch)
    found["seconds"] = round(found.pop("ended") - began, 1)
    return {"network": run.network, "recipe": run.recipe,
            "notebook": run.notebook, "seed": seed, **found,
            "torch": torch.__version__,
            "date": datetime.date.today().isoformat()}


def weights_path(folder, run):
    """data/weights/alexnet-28x28-steady.pt"""
    words = re.findall(r"\w+", f"{run.network} {run.recipe}".lower())
    return Path(folder) / f"{'-'.join(words)}.pt"


def keep(net, path):
    """Write the network's state_dict, in half precision, at once or never."""
    state = {name: value.cpu().contiguous().half()
             if value.is_floating_point() else value.cpu()
             for name, value in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    torch.save(state, new)
    os.replace(new, path)


def _execute(run, cell, replaced):
    """Run the cell with replaced(train) for train; gives when it began.

    That is on time.perf_counter(), after imports and definitions and before
    the data are loaded.
    """
    names = {"torch": torch, "nn": nn, "F": F, "d2l": d2l,
             "__name__": run.notebook}
    exec(compile(run.definitions, run.notebook, "exec"), names)
    names |= {name: replaced(names[name]) for name in TRAINERS
              if name in names}
    with mock.patch.object(d2l, "train_ch6", replaced(d2l.train_ch6)):
        began = time.perf_counter()
        exec(compile(cell, run.notebook, "exec"), names)
        return began


def _arguments(train, args, options):
    """All arguments of a call of a training function by name."""
    bound = inspect.signature(train).bind(*args, **options)
    bound.apply_defaults()
    return bound.arguments


def _plan(arguments):
    net, data = arguments["net"], arguments["train_iter"]
    side = data.resize or 28
    parameters, work = d2l.net_size(net, torch.rand(1, 1, side, side))
    chosen = {key: getattr(value, "__name__", value) for key in (
        "optimizer", "scheduler", "init_weights")
        for value in [arguments.get(key, "its own")]}
    return {"epochs": arguments["num_epochs"], "lr": arguments["lr"],
            "batch_size": data.batch_size, "image_side": side, **chosen,
            "parameters": parameters, "multiply_adds": work}


def _measured(history, arguments):
    examples = len(arguments["train_iter"].labels) * len(history.seconds)
    return {
        "test_acc": round(history.test_acc[-1], 4),
        "train_acc": round(history.train_acc[-1], 4),
        "train_loss": round(history.train_loss[-1], 4),
        "seconds_per_epoch": round(statistics.median(history.seconds), 2),
        "examples_per_second": round(examples / sum(history.seconds), 1),
        "device": device_name(arguments["device"]),
        "processors": os.cpu_count(), "threads": torch.get_num_threads()}


def device_name(device):
    """"cpu", the name of a GPU, or "mps"."""
    device = torch.device(device)
    return (torch.cuda.get_device_name(device) if device.type == "cuda"
            else device.type)


def in_own_process(run, seed, weights):
    """The record of a run in a fresh process; None if the run fails."""
    command = [sys.executable, __file__, "--run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        process.stdin.write(json.dumps([asdict(run), seed, str(weights)])
                            + "\n")
        process.stdin.flush()  # and left open: see run_and_tell
        answer = process.stdout.read()
    if process.returncode == REFUSED:
        sys.exit(REFUSED)
    return json.loads(answer) if process.returncode == 0 else None


def run_and_tell():
    """The other side of in_own_process: train, and print the record."""
    run, seed, weights = json.loads(sys.stdin.readline())

    def end_with_parent():
        os.read(0, 1)  # nothing comes: it ends when the parent does
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ.pop("D2LMINI_PROFILE", None)  # whole runs only
    with contextlib.redirect_stdout(sys.stderr):
        record = recorded(Run(**run), seed, weights)
    print(json.dumps(record))


# ---- The file ----

def load(path):
    """(records, sound): the file's lines, and its bytes without a cut line.

    A kill can cut the last line only; a broken line elsewhere, one without
    the fields, or the same run twice is a ValueError that names the line.
    """
    lines = path.read_bytes().splitlines(True) if path.exists() else []
    records, first = [], {}
    for n, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as why:
            if n == len(lines):
                print(f"{path.name}: line {n} was cut off, it is dropped",
                      file=sys.stderr)
                return records, b"".join(lines[:-1])
            raise ValueError(f"{path}, line {n} is broken ({why}): mend or "
                             "delete it") from why
        missing = FIELDS.difference(record if isinstance(record, dict) else ())
        if missing:
            raise ValueError(f"{path}, line {n} lacks "
                             f"{', '.join(sorted(missing))}: delete it")
        other = first.setdefault(key(record), n)
        if other != n:
            raise ValueError(f"{path}, line {n} is the same run as line "
                             f"{other}: delete one of them")
        records.append(record)
    return records, b"".join(lines)


def same(record, run):
    """Whether it is a record of the run, with any seed."""
    return (record["network"], record["recipe"]) == (run.network, run.recipe)


def key(record):
    return tuple(record[name] for name in KEY)


def mend(path):
    """Give the file whole lines only; gives its records."""
    records, sound = load(path)
    if path.exists() and len(sound) < path.stat().st_size:
        os.truncate(path, len(sound))
    if sound and not sound.endswith(b"\n"):
        _write(path, b"\n")
    return records


def append(path, record):
    """One line more, on the disk when this returns."""
    _write(path, json.dumps(record).encode() + b"\n")


def _write(path, line):
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.write(file, line) < len(line):
            raise OSError(f"{path}: the disk is full")
        os.fsync(file)
    finally:
        os.close(file)


def outdated(records, runs):
    """What is wrong with records that the notebooks no longer train so."""
    plans = {(run.network, run.recipe): run for run in runs}
    describe = functools.cache(described)
    for n, record in enumerate(records, 1):
        run = plans.get((record["network"], record["recipe"]))
        now = describe(run) if run else {}
        other = [f"{name} was {record[name]}, is {now[name]}" for name in now
                 if record[name] != now[name]]
        if other or not run:
            yield (f"line {n}, {record['network']}, {record['recipe']}: "
                   + ("; ".join(other) or "no notebook trains it any more"))


# ---- All runs, one after the other ----

def time_left(left, records, device):
    """How long the runs will take, in words, by the runs in the file."""
    took = {(record["network"], record["recipe"]):
            record["epochs"] * record["seconds_per_epoch"]
            for record in records if record["device"] == device}
    if not took:
        return "time left: not known yet"
    mean = statistics.fmean(took.values())
    seconds = sum(took.get((run.network, run.recipe), mean)
                  for run, _ in left)
    return f"about {seconds / 3600:.1f} h left" if seconds > 5400 else (
        f"about {seconds / 60:.0f} min left")


def main(seeds, only, root):
    path, device = root / "data" / "results.jsonl", d2l.try_gpu()
    name = device_name(device)
    runs = planned(root / "notebooks")
    records = mend(path)
    old = list(outdated(records, runs))
    if old:
        sys.exit("\n".join([f"{path} does not fit the notebooks:", *old,
                            "Delete these lines, and they are run anew."]))
    word = re.compile(rf"\b{re.escape(only)}", re.IGNORECASE)
    chosen = [run for run in runs if word.search(run.network)]
    if not chosen:
        sys.exit(f"no network has a word that begins with {only!r}; there are "
                 + (", ".join(dict.fromkeys(run.network for run in runs))
                    or "no cells with the tag `result`"))
    able = [run for run in chosen
            if device.type != "cpu" or not run.needs_accelerator]
    done = set(map(key, records))
    todo = [(run, seed) for seed in dict.fromkeys(seeds) for run in able
            if (run.network, run.recipe, seed, name) not in done]
    print(f"on {name}: runs to do: {len(todo)}, networks that need an "
          f"accelerator: {len(chosen) - len(able)}")
    failed = []
    for n, (run, seed) in enumerate(todo):
        what = f"{run.network}, {run.recipe}, seed {seed}"
        print(f"[{n + 1} of {len(todo)}] {what}; "
              f"{time_left(todo[n:], records, name)}", flush=True)
        record = in_own_process(run, seed, root / "data" / "weights")
        if record is None:
            failed.append(what)
            continue
        append(path, record)
        records.append(record)
        print(f"    test accuracy {record['test_acc']:.4f}", flush=True)
    if failed:
        sys.exit("\n".join(["failed, and not recorded:", *failed]))


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", default="")
    parser.add_argument("--root", type=Path, default=ROOT,
                        help="the project's folder")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:] == ["--run"]:
        run_and_tell()
    else:
        try:
            main(**vars(options()))
        except KeyboardInterrupt:
            sys.exit("stopped: the finished runs are kept")
