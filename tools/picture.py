"""Copy the picture in the README out of the notebook that draws it: python tools/picture.py"""
import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK, ALT = ROOT / "notebooks" / "04-channels.ipynb", "four 3 x 3 kernels"


def picture(notebook, alt):
    """The bytes of the first PNG whose alternative text holds `alt`."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}) and alt in output.data["text/plain"]:
                return base64.b64decode(output.data["image/png"])
    raise SystemExit(f"no picture in {NOTEBOOK} has an alternative text with {alt!r}")


if __name__ == "__main__":
    (ROOT / "tools" / "picture.png").write_bytes(picture(nbformat.read(NOTEBOOK, as_version=4), ALT))
