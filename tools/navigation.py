"""Write what leads from notebook to notebook: python tools/navigation.py

The line previous · contents · next at the top and bottom of every notebook,
and the tables of contents in the README and in notebook 00, from CONTENTS
below and the notebooks' own titles; and the README's table of results, from
data/results.jsonl and data/elsewhere.json. Running it twice changes nothing
more.
"""
import json
import math
import re
import statistics
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
    "16-many-machines": (
        "the same training on several processes and machines",
        "data parallelism 数据并行, all-reduce 全归约"),
}
LINK = r"\[[^]]*\]\([\w-]+\.ipynb\)"
LINK_LINE = re.compile(rf"{LINK}( · {LINK})*")


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


def link_line(path):
    """The line previous · contents · next of a notebook."""
    every = paths()
    k = every.index(path)
    links = []
    if k > 0:
        links += [f"[← {title(every[k - 1])}]({every[k - 1].name})",
                  f"[Contents]({every[0].name})"]
    if k + 1 < len(every):
        links.append(f"[{title(every[k + 1])} →]({every[k + 1].name})")
    return " · ".join(links)


def minutes(path):
    """How long its last complete run took, as tools/run.py noted it."""
    noted = nbformat.read(path, as_version=4).metadata.get("d2lmini", {})
    return f"{math.ceil(noted['seconds'] / 60)} min" if noted else ""


def table(prefix=""):
    """The table of contents; `prefix` leads to the notebooks' folder."""
    lines = ["| notebook | you learn | key terms | runs in |",
             "|---|---|---|---|"]
    for path in paths():
        learn, terms = CONTENTS[path.stem]
        link = f"[{title(path).replace(' ·', '')}]({prefix}{path.name})"
        lines.append(f"| {link} | {learn} | {terms} | {minutes(path)} |")
    return "\n".join(lines)


def with_table(text, prefix=""):
    """The text with its table of notebooks written anew."""
    return re.sub(r"^\| notebook \|.*(\n\|.*)*", lambda _: table(prefix), text,
                  flags=re.MULTILINE)


def with_links(path, notebook):
    """The notebook with its lines of links, and in 00 its table, anew."""
    line = link_line(path)
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
                cell.source = with_table(cell.source)
    return notebook


# ---- The README's table of results ----

RECIPES = {"documents": "plain SGD, lr {lr:g}",
           "steady": "momentum, one cycle to {lr:g}"}
HEAD = """\
| network | recipe | parameters | multiply-adds | runs | test accuracy | \
seconds per epoch | elsewhere |
|---|---|---|---|---|---|---|---|"""
LEGEND = """\
Each row is one network, trained from scratch by one recipe, once per seed, on
the 60,000 training images of Fashion-MNIST, and tested after the last epoch
on the 10,000 test images: the mean of the runs (lowest to highest). Plain SGD
takes steps of one size, as the documents do; momentum with one cycle is the
recipe of notebook 07. lr is the learning rate. A training step sees one
batch. Multiply-adds are for one image. Seconds, with the evaluation, are the
median of the runs{where}. The machine had other work to do
meanwhile, so take them as upper bounds. Elsewhere is what others report for
the network:"""
RESULTS = re.compile(r"(?<=<!-- results: tools/navigation.py -->\n).*?"
                     r"(?=<!-- end of results -->)", re.DOTALL)


def with_results(text):
    """The text with what stands between its two marks written anew."""
    return RESULTS.sub(lambda _: results_text(), text)


def results_text():
    """The table of all runs that the notebooks hold, and what its rows are."""
    records, _ = results.load(ROOT / "data" / "results.jsonl")
    elsewhere = json.loads(
        (ROOT / "data" / "elsewhere.json").read_text(encoding="utf-8"))
    rows, sources = [], {}
    for run in results.planned(NOTEBOOKS):
        there = (elsewhere["results"].get(run.network, {})
                 if run.recipe == "documents" else {})
        sources |= {name: elsewhere["sources"][name] for name in there}
        own = [record for record in records if (
            record["network"], record["recipe"]) == (run.network, run.recipe)]
        for device in dict.fromkeys(r["device"] for r in own) or [None]:
            rows.append(row(run, [record for record in own
                                  if record["device"] == device], there))
    legend = [LEGEND.replace("{where}", processors(records)), *(
        f"- {name}: {about['what']}, {runs_of(about)}."
        for name, about in sources.items())]
    legend = "\n".join(textwrap.fill(" ".join(part.split()), 79,
                                     break_on_hyphens=False,
                                     subsequent_indent="  " * (part[0] == "-"))
                       for part in legend)
    return "\n".join([HEAD, *rows, "", legend, ""])


def row(run, records, there):
    """A line of the table: a run, its records on one device, and others'."""
    plan = records[-1] if records else results.described(run)
    recipe = RECIPES.get(run.recipe, run.recipe).format(**plan)
    recipe += f", {plan['epochs']} epochs, batches of {plan['batch_size']}"
    if plan["image_side"] != 28:
        recipe += f", images {plan['image_side']}×{plan['image_side']}"
    cells = [run.network, recipe, f"{plan['parameters']:,}",
             f"{plan['multiply_adds']:,}", str(len(records)),
             *(measured(records) if records else ("not run here", "")),
             "; ".join(f"{name} {figure(found)}"
                       for name, found in there.items())]
    return f"| {' | '.join(cells)} |"


def measured(records):
    """(accuracy, seconds) of records on one device, in words."""
    found = [record["test_acc"] for record in records]
    seconds = statistics.median(r["seconds_per_epoch"] for r in records)
    device = records[0]["device"]
    spread = f" ({min(found):.3f} to {max(found):.3f})" * (len(found) > 1)
    return (f"{statistics.fmean(found):.3f}{spread}",
            f"{seconds:.1f}" + f" on {device}" * (device != "cpu"))


def figure(found):
    """A figure from elsewhere: one run, or lowest and highest of many."""
    return (f"{found['test_acc']:.3f}" if "test_acc" in found
            else f"{found['lowest']:.3f} to {found['highest']:.3f}")


def runs_of(about):
    if about["runs"] is None:
        return "lowest to highest of many builds"
    return "one run" if about["runs"] == 1 else f"{about['runs']} runs"


def processors(records):
    """On what the runs without a GPU were timed, if there are any."""
    threads = sorted({record["threads"] for record in records
                      if record["device"] == "cpu"})
    if not threads:
        return ""
    return (f", on a CPU with {' or '.join(map(str, threads))} thread"
            + "s" * (threads != [1]) + " where no GPU is named")


# ---- All files ----

def out_of_date():
    """{path: new text} of every file that this script would change."""
    changed = {}
    for path in paths():
        text = path.read_text(encoding="utf-8")
        notebook = with_links(path, nbformat.reads(text, as_version=4))
        new = nbformat.writes(notebook) + "\n"
        if new != text:
            changed[path] = new
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    new = with_results(with_table(text, "notebooks/"))
    if new != text:
        changed[readme] = new
    return changed


if __name__ == "__main__":
    for file, new_text in out_of_date().items():
        file.write_text(new_text, encoding="utf-8")
        print("written:", file.relative_to(ROOT))
