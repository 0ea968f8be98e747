"""What the Makefile does to a reader's files."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MADE = [".venv/x", ".pytest_cache/x", ".ruff_cache/x", "build/colab/x",
        "data/stand-in/x", "data/download-1/x", "__pycache__/x"]
KEPT = ["notebooks/06-lenet.ipynb", "data/README.md",
        "data/FashionMNIST/raw/x.gz", "-rf/x", ".hidden/x"]
# Folders that a list of names, split at spaces or quotes, would misread.
HOSTILE = ["notebooks copy", "it's mine", 'two "quotes"', "a\nb", "-rf",
           " notebooks ", "$HOME", "*"]


def files(folder):
    return {path.relative_to(folder).as_posix()
            for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(os.name == "nt", reason="the Makefile is for a Unix shell")
def test_clean_deletes_what_runs_leave_behind_and_nothing_else(tmp_path):
    kept = KEPT + [f"{name}/mine.ipynb" for name in HOSTILE]
    made = MADE + [f"{name}/{cache}/x" for name in HOSTILE
                   for cache in (".ipynb_checkpoints", "__pycache__")]
    for name in kept + made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True,
                   capture_output=True)
    assert files(tmp_path) == {"Makefile", *kept}
