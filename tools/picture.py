"""Copy the README's chart out of its notebook: python tools/picture.py"""
import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "14-which-network.ipynb"
ALT = "Accuracy against parameters and multiply-adds"


def picture(notebook, alt):
    """The bytes of the first PNG whose alternative text holds `alt`."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data and alt in data["text/plain"]:
                return base64.b64decode(data["image/png"])
    raise SystemExit(
        f"no image in {NOTEBOOK} has an alternative text with {alt!r}")


if __name__ == "__main__":
    (ROOT / "tools" / "results.png").write_bytes(
        picture(nbformat.read(NOTEBOOK, as_version=4), ALT))
