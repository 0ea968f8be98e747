"""Write what leads from notebook to notebook: python tools/navigation.py

The line previous · contents · next at the top and bottom of every notebook, and the tables of contents in
the README and in notebook 00, all from CONTENTS below and the notebooks' own titles; and the README's table
of results, from what the last notebook that has one prints. Running it twice changes nothing more.
"""
import re
from pathlib import Path

import nbformat
import run

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
CONTENTS = {  # file name: (what you learn, key terms)
    "00-start-here": ("does it work here, and where to begin", ""),
    "01-from-dense-to-conv": ("why pictures need another layer",
                              "translation invariance 平移不变性, locality 局部性"),
    "02-cross-correlation": ("the operation, edges, learning a kernel, receptive field",
                             "cross-correlation 互相关, receptive field 感受野"),
    "03-padding-and-stride": ("how large the output is", "padding 填充, stride 步幅"),
    "04-channels": ("many maps in, many maps out, 1×1 convolution", "channel 通道"),
    "05-pooling": ("coarser maps that forgive small shifts", "pooling 汇聚"),
    "06-lenet": ("a whole network: build, train, judge", "training 训练, accuracy 精度"),
    "07-alexnet": ("deeper: ReLU, dropout, and a recipe that trains", "dropout 暂退法, momentum 动量"),
    "08-vgg": ("networks from blocks of 3×3 convolutions", "block 块"),
    "09-nin": ("1×1 convolutions inside, no dense layer at the end", "global average pooling 全局平均汇聚"),
    "10-googlenet": ("four window sizes side by side", "Inception block Inception 块"),
    "11-batch-norm": ("batch normalisation by hand, and what it changes", "batch normalisation 批量规范化"),
    "12-resnet": ("the shortcut that lets networks grow deep", "residual block 残差块"),
    "13-densenet": ("keep everything, add a little: concatenation", "dense block 稠密块"),
}
LINK_LINE = re.compile(r"\[[^]]*\]\([\w-]+\.ipynb\)( · \[[^]]*\]\([\w-]+\.ipynb\))*")


def paths():
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def title(path):
    """The notebook's heading without the #, such as "06 · LeNet"."""
    for line in nbformat.read(path, as_version=4).cells[0].source.splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    raise ValueError(f"{path.name}: the first cell has no line '# NN · Title'")


def link_line(path):
    """The line previous · contents · next of a notebook."""
    every = paths()
    k = every.index(path)
    links = []
    if k > 0:
        links += [f"[← {title(every[k - 1])}]({every[k - 1].name})", f"[Contents]({every[0].name})"]
    if k + 1 < len(every):
        links.append(f"[{title(every[k + 1])} →]({every[k + 1].name})")
    return " · ".join(links)


def table(prefix=""):
    """The table of contents in Markdown; `prefix` leads to the notebooks' folder."""
    lines = ["| notebook | you learn | key terms |", "|---|---|---|"]
    for path in paths():
        learn, terms = CONTENTS[path.stem]
        lines.append(f"| [{title(path).replace(' ·', '')}]({prefix}{path.name}) | {learn} | {terms} |")
    return "\n".join(lines)


def with_table(text, prefix=""):
    """The text with its table of notebooks written anew."""
    return re.sub(r"^\| notebook \|.*(\n\|.*)*", lambda _: table(prefix), text, flags=re.MULTILINE)


def with_results(text):
    """The README with its table of results written anew."""
    rows = next(filter(None, map(run.printed_rows, reversed(paths()))), [])
    lines = ["| network | parameters | multiply-adds | test accuracy | seconds per epoch |",
             "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row).replace('_', ',')} |" for row in rows]
    return re.sub(r"^\| network \| parameters .*(\n\|.*)*", "\n".join(lines), text, flags=re.MULTILINE)


def with_links(path, notebook):
    """The notebook with its two lines of links, and in 00 its table, written anew."""
    line = link_line(path)
    first, last = notebook.cells[0], notebook.cells[-1]
    if last.cell_type != "markdown":
        raise ValueError(f"{path.name}: the last cell must be text, to end with the links")
    lines = first.source.splitlines()
    first.source = "\n".join([line, *lines[1:]] if LINK_LINE.fullmatch(lines[0]) else [line, "", *lines])
    lines = last.source.splitlines()
    last.source = "\n".join([*lines[:-1], line] if LINK_LINE.fullmatch(lines[-1]) else [*lines, "", line])
    if path.name.startswith("00"):
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = with_table(cell.source)
    return notebook


def out_of_date():
    """{path: new text} of every file that this script would change."""
    changed = {}
    for path in paths():
        text = path.read_text(encoding="utf-8")
        new = nbformat.writes(with_links(path, nbformat.reads(text, as_version=4))) + "\n"
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
