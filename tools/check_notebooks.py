"""Say what is wrong with the stored notebooks, and what to do: python tools/check_notebooks.py

It reads files only. What the cells print is the tests' business; here it is what a reader sees, and what
keeps the notebooks small, portable and in step with each other.
"""
import re
import sys

import navigation
import nbformat
import run

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
RERUN = "make run NB={NN}"
MOST_CELLS, MOST_LINES, MOST_COLUMNS, MOST_KILOBYTES, MOST_PNG_KILOBYTES = 40, 25, 79, 300, 60
LEFT_OVER = re.compile(r":(?:numref|label|eqlabel|eqref|cite|ref):|```\{\.|d2lbook|#@tab|<<<<<<<|>>>>>>>")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def outputs(notebook):
    return [out for cell in code_cells(notebook) for out in cell.outputs]


def prose(notebook):
    """The text of all Markdown cells without code in it."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def run_in_order(notebook, path):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"cells were not run in order from a fresh kernel: {RERUN}"


def clean_outputs(notebook, path):
    if "widgets" in notebook.metadata or any("widget-view" in key for out in outputs(notebook)
                                             for key in out.get("data", {})):
        yield f"the state of a slider is stored: {RERUN}"
    if any(out.get("name") == "stderr" for out in outputs(notebook)):
        yield f"a warning or notice (stderr) is stored: mend its cause, then {RERUN}"
    if any(out.output_type == "error" for out in outputs(notebook)):
        yield f"an error is stored: mend the cell, then {RERUN}"
    if any("stand-in" in out.get("text", "") for out in outputs(notebook)):
        yield f"it was run on the stand-in data: set D2LMINI_DATA to the real data, then {RERUN}"


def kernel(notebook, path):
    if notebook.metadata.get("kernelspec") != KERNEL:
        yield f"the kernel is {notebook.metadata.get('kernelspec')}, not plain python3: {RERUN}"


def links(notebook, path):
    text = prose(notebook)
    for target in re.findall(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        if "://" in target:
            yield f"the link {target} is not https"
        elif file and not (path.parent / file).is_file():
            yield f"the link {target} leads nowhere: mend the file name"
        elif anchor and anchor not in anchors(path.parent / file if file else path):
            yield f"the link {target} names no heading there: write it as the heading, with - for spaces"


def anchors(path):
    """The headings of a notebook as Jupyter makes anchors of them."""
    cells = nbformat.read(path, as_version=4).cells
    return {heading.strip().replace(" ", "-") for cell in cells if cell.cell_type == "markdown"
            for heading in re.findall(r"^#+ (.*)$", cell.source, re.MULTILINE)}


def alt_texts(notebook, path):
    if re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+)", prose(notebook)):
        yield "a picture in the text has no alt text: write what it shows into ![…](file)"
    for out in outputs(notebook):
        data = out.get("data", {})
        if "image/svg+xml" in data:
            yield "an SVG figure is stored: show it with d2l.show_figure(figure, alt), as PNG"
        if "image/png" in data and data.get("text/plain", "<").startswith(("<", "Figure(")):
            yield "a figure has no alt text: show it with d2l.show_figure(figure, alt)"


def left_overs(notebook, path):
    text = "\n".join(cell.source for cell in notebook.cells)
    for mark in dict.fromkeys(LEFT_OVER.findall(text)):
        yield f"{mark} is left over from another tool or a merge: delete it"


def sizes(notebook, path):
    if len(notebook.cells) > MOST_CELLS:
        yield f"{len(notebook.cells)} cells, at most {MOST_CELLS}: merge or cut some"
    for cell in code_cells(notebook):
        lines, tags = cell.source.splitlines(), cell.metadata.get("tags", [])
        name = f"the cell that begins {lines[0][:40]!r}"
        filled = len([line for line in lines if line.strip()])
        if filled > (40 if "take-away" in tags else MOST_LINES):
            yield f"{name} has {filled} lines: split it"
        if max(map(len, lines)) > MOST_COLUMNS:
            yield f"{name} is wider than {MOST_COLUMNS} columns: break the line"
    if path.stat().st_size > MOST_KILOBYTES * 1024:
        yield f"the file has {path.stat().st_size // 1024} KB, at most {MOST_KILOBYTES}: smaller figures"
    for out in outputs(notebook):
        size = len(out.get("data", {}).get("image/png", "")) * 3 // 4096
        if size > MOST_PNG_KILOBYTES:
            yield f"a figure has {size} KB, at most {MOST_PNG_KILOBYTES}: draw it smaller or simpler"


def table_of_results(notebook, path):
    for cell in code_cells(notebook):
        if ("results" in cell.metadata.get("tags", [])
                and cell.source != run.carried_results(cell.source, path)):
            yield f"its table of results lacks what the notebook before has printed: {RERUN}"


CHECKS = (run_in_order, clean_outputs, kernel, links, alt_texts, left_overs, sizes, table_of_results)


def problems(path):
    """What is wrong with one notebook, a list of sentences."""
    notebook = nbformat.read(path, as_version=4)
    return [f"{path.name}: {found.replace('{NN}', path.stem[:2])}"
            for check in CHECKS for found in dict.fromkeys(check(notebook, path))]


def main():
    found = [line for path in navigation.paths() for line in problems(path)]
    found += [f"{path.name}: links or contents are out of date: python tools/navigation.py"
              for path in navigation.out_of_date()]
    print("\n".join(found) or "notebooks: nothing to mend")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
