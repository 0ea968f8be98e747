"""Time d2lmini against the book's package: python tools/bench.py [ROUNDS]

The book's package is d2l 0.17.6, put into build/bench, out of everybody's way.
Each part is one program that runs with either package, in a fresh kernel, ours
and theirs in turn, ROUNDS times (3). The table of medians goes into the
README. A quiet machine is needed, some 15 minutes, and the real data.
"""
import os
import platform
import shutil
import statistics
import subprocess
import sys

import navigation
import nbformat
import torch
from nbclient import NotebookClient

sys.path.insert(0, str(navigation.ROOT))
import d2lmini as d2l

BENCH = navigation.ROOT / "build" / "bench"
SITE, WORK = BENCH / "site", BENCH / "work"  # theirs look into ../data
PACKAGES = ("d2l==0.17.6", "pandas", "requests")
OURS = f"""\
import sys, time
sys.path.insert(0, {str(navigation.ROOT)!r})
import d2lmini as d2l
import torch
from torch import nn"""
THEIRS = f"""\
import sys, time
sys.path.append({str(SITE)!r})
from d2l import torch as d2l
import torch
from torch import nn"""
LOAD = """\
train_iter, _ = d2l.load_data_fashion_mnist({arguments})
began = time.perf_counter()
for X, y in train_iter:
    pass
print(time.perf_counter() - began)"""
TRAIN = """\
torch.manual_seed(0)
train_iter, test_iter = d2l.load_data_fashion_mnist(256)
net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
    nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(),
    nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))
next(iter(train_iter))
began = time.perf_counter()
d2l.train_ch6(net, train_iter, test_iter, {epochs}, 0.9, d2l.try_gpu())
took = time.perf_counter() - began"""
MEMORY = """
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # Linux"""
CORR2D = """\
import statistics
X, K, took = torch.rand(128, 128), torch.rand(3, 3), []
for _ in range({calls}):
    began = time.perf_counter()
    {call}
    took.append(time.perf_counter() - began)
print(1000 * statistics.median(took))"""
PARTS = {  # what is measured: (unit, our program, theirs)
    **{f"loader alone, one epoch at {side}×{side}": (
        "s", *2 * (LOAD.format(arguments=f"256, resize={side}"
                               if side > 28 else "256"),))
       for side in (28, 96, 224)},
    "LeNet, one epoch with test and plot": (
        "s", *2 * (TRAIN.format(epochs=1) + "\nprint(took)",)),
    "LeNet, ten epochs with test and plot": (
        "s", *2 * (TRAIN.format(epochs=10) + "\nprint(took)",)),
    "its peak memory, without the loader's processes": (
        "MB", *2 * (TRAIN.format(epochs=1) + MEMORY,)),
    "`corr2d`, 128×128 and 3×3": (
        "ms", CORR2D.format(calls=200, call="d2l.corr2d(X, K)"),
        CORR2D.format(calls=5, call="d2l.corr2d(X, K)")),
    "our `corr2d` (left) and PyTorch's `F.conv2d` (right)": (
        "ms", CORR2D.format(calls=200, call="d2l.corr2d(X, K)"),
        CORR2D.format(calls=200, call="nn.functional.conv2d("
                                      "X[None, None], K[None, None])")),
    "import": ("s", None, None)}


def prepare():
    """Their package, and the data where it looks for them."""
    source = d2l.load_data_fashion_mnist(256)[0].source
    if source != "Fashion-MNIST":
        raise SystemExit(f"the times of {source} say nothing: set D2LMINI_DATA"
                         " to the folder with the four files")
    if not (SITE / PACKAGES[-1]).exists():  # the last one
        for package in PACKAGES:  # d2l would pin old versions of everything
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--target",
                 SITE, *(["--no-deps"] if "d2l" in package else []), package],
                check=True)
    raw = BENCH / "data" / "FashionMNIST" / "raw"
    for folder in (raw, WORK):
        folder.mkdir(parents=True, exist_ok=True)
    for path in d2l.fashion_mnist_files().values():
        shutil.copy(path, raw)


def measured(setup, program):
    """The number that the program prints, in a kernel of its own."""
    cells = [nbformat.v4.new_code_cell(code) for code in (setup, program)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={
        "metadata": {"path": str(WORK)}}).execute()
    printed = "".join(out.text for out in cells[-1].outputs
                      if out.get("name") == "stdout")
    return float(printed.split()[-1])


def import_seconds(setup):
    """Wall-clock of a process that does nothing but import."""
    code = f"import time; began = time.perf_counter()\n{setup}\n" \
           "print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", code], text=True, check=True,
                          capture_output=True)
    return float(done.stdout)


def pairs(part, rounds):
    """[(ours, theirs), …] of one part."""
    _, ours, theirs = PARTS[part]
    found = []
    for _ in range(rounds):
        if ours is None:
            found.append((import_seconds(OURS), import_seconds(THEIRS)))
        else:
            found.append((measured(OURS, ours), measured(THEIRS, theirs)))
        print(f"{part}: {found[-1][0]:.4g} and {found[-1][1]:.4g}", flush=True)
    return found


def short(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def row(part, found):
    """A line of the README's table."""
    unit = PARTS[part][0]
    ours, theirs = map(short, map(statistics.median, zip(*found)))
    ratios = sorted(other / own for own, other in found)
    least, middle, most = map(short, (
        ratios[0], statistics.median(ratios), ratios[-1]))
    return (f"| {part} | {ours} {unit} | {theirs} {unit} | "
            f"{middle} ({least} to {most}) |")


def main(rounds):
    prepare()
    rows = [row(part, pairs(part, rounds)) for part in PARTS]
    text = "\n".join([
        "| | d2lmini | d2l 0.17.6 | ratio |", "|---|---|---|---|", *rows, "",
        f"Medians of {rounds} runs each, in turn, on Fashion-MNIST; the ratio "
        "is that of the pairs, with its",
        f"lowest and highest. {platform.system()}, CPU with "
        f"{os.cpu_count()} cores, PyTorch {torch.__version__}.", ""])
    readme = navigation.ROOT / "README.md"
    readme.write_text(navigation.between(
        "bench", readme.read_text(encoding="utf-8"), lambda: text),
        encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
