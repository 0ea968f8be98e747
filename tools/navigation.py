"""Write what leads from notebook to notebook: python tools/navigation.py

The line previous · contents · next at the top and bottom of every notebook,
and the tables of contents in the README and in notebook 00, from CONTENTS
below and the notebooks' own titles; and the README's tables of results, from
data/results.jsonl and data/elsewhere.json. Where git's remote "origin" is on
GitHub, each notebook and the README also lead to Colab and Binder. Running it
twice changes nothing more.
"""
import json
import math
import re
import statistics
import subprocess
import textwrap
from pathlib import Path

import nbformat
import results

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
CONTENTS = {  # file name: (what you learn, key terms)
    "00-start-here": (
        "does it work here, and where to begin",
        ""),
    "01-from-dense-to-conv": (
        "why images need another layer",
        "translation invariance 平移不变性, locality 局部性"),
    "02-cross-correlation": (
        "the operation, edges, learning a kernel, receptive field",
        "cross-correlation 互相关, receptive field 感受野"),
    "03-padding-and-stride": (
        "how large the output is",
        "padding 填充, stride 步幅"),
    "04-channels": (
        "many maps in, many maps out, 1×1 convolution",
        "channel 通道"),
    "05-pooling": (
        "coarser maps that forgive small shifts",
        "pooling 汇聚"),
    "06-lenet": (
        "a whole network: build, train, judge",
        "training 训练, accuracy 精度"),
    "07-alexnet": (
        "deeper: ReLU, dropout, and a recipe that trains",
        "dropout 暂退法, momentum 动量"),
    "08-vgg": (
        "networks from blocks of 3×3 convolutions",
        "block 块"),
    "09-nin": (
        "1×1 convolutions inside, no dense layer at the end",
        "global average pooling 全局平均汇聚"),
    "10-googlenet": (
        "four window sizes side by side",
        "Inception block Inception 块"),
    "11-batch-norm": (
        "batch normalisation by hand, and what it changes",
        "batch normalisation 批量规范化"),
    "12-resnet": (
        "the shortcut that lets networks grow deep",
        "residual block 残差块"),
    "13-densenet": (
        "keep everything, add a little: concatenation",
        "dense block 稠密块"),
    "14-which-network": (
        "which network for what: accuracy, luck, cost, mistakes",
        "Pareto front 帕累托前沿, ensemble 集成"),
    "15-train-faster": (
        "where the time goes, and 94 % on two cores in minutes",
        "profiler 性能分析器, mixed precision 混合精度"),
    "16-many-machines": (
        "the same training on several processes and machines",
        "data parallelism 数据并行, all-reduce 全归约"),
}
COLAB = "https://colab.research.google.com"
BADGE = rf"\[!\[Open in Colab\]\({COLAB}/[^)]*\)\]\({COLAB}/[^)]*\)"
LINK = rf"(?:\[[^]]*\]\([\w-]+\.ipynb\)|{BADGE})"
LINK_LINE = re.compile(rf"{LINK}( · {LINK})*")


# ---- Where the project is at home ----

def repository():
    """"owner/name" if git's remote "origin" is on GitHub, else ""."""
    command = ["git", "config", "--get", "remote.origin.url"]
    try:
        done = subprocess.run(command, cwd=ROOT, text=True,
                              capture_output=True)
    except OSError:  # no git
        return ""
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$",
                      done.stdout.strip())
    return found[1] if found else ""


def colab_address(name, home):
    """Where Colab opens the copy of a notebook, on the branch `colab`."""
    return f"{COLAB}/github/{home}/blob/colab/{name}"


def colab_badge(name, home):
    return (f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]"
            f"({colab_address(name, home)})")


def ways_to_open(home):
    """The README's line of all of them."""
    first = paths()[0].name
    here = (f"[Run it on your machine](#start) · "
            f"[read it on this page](notebooks/{first})")
    if not home:
        return f"{here} · [take it to Colab](#colab-binder-vs-code)"
    binder = (f"https://mybinder.org/v2/gh/{home}/HEAD"
              f"?labpath=notebooks/{first}")
    return (f"{colab_badge(first, home)} [![Open in Binder]"
            f"(https://mybinder.org/badge_logo.svg)]({binder}) · {here}")


# ---- Links and contents ----

def paths():
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def title(path):
    """The notebook's heading without the #, such as "06 · LeNet"."""
    first = nbformat.read(path, as_version=4).cells[0]
    for line in first.source.splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    raise ValueError(
        f"{path.name}: the first cell has no line '# NN · Title'")


def link_line(path, home):
    """The line previous · contents · next of a notebook."""
    every = paths()
    k = every.index(path)
    links = []
    if k > 0:
        links += [f"[← {title(every[k - 1])}]({every[k - 1].name})",
                  f"[Contents]({every[0].name})"]
    if k + 1 < len(every):
        links.append(f"[{title(every[k + 1])} →]({every[k + 1].name})")
    if home:
        links.append(colab_badge(path.name, home))
    return " · ".join(links)


def minutes(path):
    """How long its last complete run took, as tools/run.py noted it."""
    noted = nbformat.read(path, as_version=4).metadata.get("d2lmini", {})
    return f"{math.ceil(noted['seconds'] / 60)} min" if noted else ""


def table(prefix, home):
    """The table of contents; `prefix` leads to the notebooks' folder."""
    lines = ["| notebook | you learn | key terms | runs in |",
             "|---|---|---|---|"]
    if home:
        lines = [lines[0] + " open |", lines[1] + "---|"]
    for path in paths():
        learn, terms = CONTENTS[path.stem]
        link = f"[{title(path).replace(' ·', '')}]({prefix}{path.name})"
        lines.append(f"| {link} | {learn} | {terms} | {minutes(path)} |")
        if home:
            lines[-1] += f" [in Colab]({colab_address(path.name, home)}) |"
    return "\n".join(lines)


def with_table(text, prefix, home):
    """The text with its table of notebooks written anew."""
    return re.sub(r"^\| notebook \|.*(\n\|.*)*",
                  lambda _: table(prefix, home), text, flags=re.MULTILINE)


def with_links(path, notebook, home):
    """The notebook with its lines of links, and in 00 its table, anew."""
    line = link_line(path, home)
    first, last = notebook.cells[0], notebook.cells[-1]
    if last.cell_type != "markdown":
        raise ValueError(f"{path.name}: the last cell must be text, to end "
                         "with the links")
    lines = first.source.splitlines()
    rest = lines[1:] if LINK_LINE.fullmatch(lines[0]) else ["", *lines]
    first.source = "\n".join([line, *rest])
    lines = last.source.splitlines()
    rest = lines[:-1] if LINK_LINE.fullmatch(lines[-1]) else [*lines, ""]
    last.source = "\n".join([*rest, line])
    if path.name.startswith("00"):
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = with_table(cell.source, "", home)
    return notebook


# ---- The README's tables of results ----

RECIPES = ("documents", "steady")  # a column each
WHAT = {
    "LeNet": "the network of 1998, with sigmoids",
    "ReLU variant": "LeNet's plan, wider, with ReLU and max pooling",
    "VGG-11 / 4": "a quarter of VGG-11's channels, for images of 224×224",
    "LeNet + own BN": "LeNet with batch normalisation, built by hand",
    "LeNet + BN": "LeNet with PyTorch's batch normalisation"}
HEAD = """\
| network | what it is | parameters | multiply-adds | plain SGD | \
steady recipe | others, by plain SGD |
|---|---|---|---|---|---|---|"""
LEGEND = """\
Test accuracy after the last epoch: the mean of so many runs with different
seeds (lowest to highest), each trained from scratch on the 60,000 training
images of Fashion-MNIST and tested on the 10,000 test images. Plain SGD takes
steps of one size, as the documents do; the steady recipe is momentum with a
one-cycle schedule, from notebook 07. Learning rates, epochs and batches stand
in each notebook. Multiply-adds are for one image. "Not run here" needs an
accelerator. Others are what other people report for the network:"""


def between(mark, text, new):
    """The text with what stands between two marks written anew."""
    marked = re.compile(rf"(<!-- {mark}: tools/\w+\.py -->\n).*?"
                        rf"(?=<!-- end of {mark} -->)", re.DOTALL)
    return marked.sub(lambda found: found[1] + new(), text)


def results_text():
    """The table of all runs that the notebooks hold, and what its rows are."""
    records, _ = results.load(ROOT / "data" / "results.jsonl")
    elsewhere = json.loads(
        (ROOT / "data" / "elsewhere.json").read_text(encoding="utf-8"))
    networks, sources = {}, {}
    for run in results.planned(NOTEBOOKS):
        if run.recipe in RECIPES:
            networks.setdefault(run.network, []).append(run)
    rows = []
    for network, runs in networks.items():
        there = elsewhere["results"].get(network, {})
        sources |= {name: elsewhere["sources"][name] for name in there}
        own = [record for record in records if record["network"] == network]
        rows.append(row(runs, own, there))
    legend = [LEGEND, *(f"- {name}: {about['what']}, {runs_of(about)}."
                        for name, about in sources.items())]
    legend = "\n".join(textwrap.fill(" ".join(part.split()), 79,
                                     break_on_hyphens=False,
                                     subsequent_indent="  " * (part[0] == "-"))
                       for part in legend)
    return "\n".join([HEAD, *rows, "", legend, ""])


def row(runs, records, there):
    """A line of the table: a network's runs, its records, and others'."""
    network, plan = runs[0].network, results.described(runs[0])
    side = plan["image_side"]
    cells = [f"[{network}](notebooks/{runs[0].notebook}.ipynb)",
             WHAT.get(network, f"for images of {side}×{side}"),
             f"{plan['parameters']:,}", f"{plan['multiply_adds']:,}"]
    for recipe in RECIPES:
        own = [record for record in records if record["recipe"] == recipe]
        cells.append("; ".join(
            measured([record for record in own if record["device"] == device])
            for device in dict.fromkeys(record["device"] for record in own)))
        if not own and any(run.recipe == recipe for run in runs):
            cells[-1] = "not run here"
    cells.append("; ".join(f"{name} {figure(found)}"
                           for name, found in there.items()))
    return f"| {' | '.join(cells)} |"


def measured(records):
    """The accuracy of records on one device, in words."""
    found, device = [r["test_acc"] for r in records], records[0]["device"]
    runs = (f"{len(found)} runs ({min(found):.3f} to {max(found):.3f})"
            if len(found) > 1 else "1 run")
    return (f"{statistics.fmean(found):.3f}, {runs}"
            + f" on {device}" * (device != "cpu"))


RACES = """\
| what | network | parameters | epochs | seconds, median (longest) | \
test accuracy, median (lowest) |
|---|---|---|---|---|---|"""


def races_text():
    """The table of the races: runs by neither recipe of the other table.

    A recipe "to …" is a race with one ingredient changed, not one of them.
    """
    records, _ = results.load(ROOT / "data" / "results.jsonl")
    return "\n".join([RACES, *(
        race(run, [record for record in records if results.same(record, run)])
        for run in results.planned(NOTEBOOKS)
        if run.recipe not in RECIPES and not run.recipe.startswith("to ")),
        ""])


def race(run, records):
    """A line of that table: a run, and its records on each device."""
    plan = results.described(run)
    seconds, accuracy = [], []
    for device in dict.fromkeys(record["device"] for record in records):
        took, found = ([record[name] for record in records
                        if record["device"] == device]
                       for name in ("seconds", "test_acc"))
        seconds.append(f"{statistics.median(took):.1f} ({max(took):.1f})"
                       + f" on {device}" * (device != "cpu"))
        accuracy.append(f"{statistics.median(found):.4f} ({min(found):.4f}), "
                        f"{len(found)} run{'s' * (len(found) > 1)}")
    return (f"| [{run.recipe}](notebooks/{run.notebook}.ipynb) | {run.network}"
            f" | {plan['parameters']:,} | {plan['epochs']} | "
            f"{'; '.join(seconds) or 'not run here'} | "
            f"{'; '.join(accuracy)} |")


def figure(found):
    """A figure from elsewhere: one run, or lowest and highest of many."""
    return (f"{found['test_acc']:.3f}" if "test_acc" in found
            else f"{found['lowest']:.3f} to {found['highest']:.3f}")


def runs_of(about):
    if about["runs"] is None:
        return "lowest to highest of many builds"
    return "one run" if about["runs"] == 1 else f"{about['runs']} runs"


# ---- All files ----

def out_of_date():
    """{path: new text} of every file that this script would change."""
    changed, home = {}, repository()
    for path in paths():
        text = path.read_text(encoding="utf-8")
        notebook = with_links(path, nbformat.reads(text, as_version=4), home)
        new = nbformat.writes(notebook) + "\n"
        if new != text:
            changed[path] = new
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    new = with_table(text, "notebooks/", home)
    new = between("results", new, results_text)
    new = between("races", new, races_text)
    new = between("ways", new, lambda: ways_to_open(home) + "\n")
    if new != text:
        changed[readme] = new
    return changed


if __name__ == "__main__":
    for file, new_text in out_of_date().items():
        file.write_text(new_text, encoding="utf-8")
        print("written:", file.relative_to(ROOT))
