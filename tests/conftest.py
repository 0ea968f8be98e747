"""What several test files share."""
import gzip
import hashlib

import pytest
from small_data import small_set

import d2lmini


@pytest.fixture
def official(monkeypatch):
    """Let a small set count as the official one, here and in torchvision."""
    from torchvision import datasets
    files = small_set()
    monkeypatch.setattr(d2lmini, "UNPACKED_MD5", {
        name: hashlib.md5(raw).hexdigest() for name, raw in files.items()})
    monkeypatch.setattr(datasets.FashionMNIST, "resources", [
        (f"{name}.gz", hashlib.md5(gzip.compress(raw, mtime=0)).hexdigest())
        for name, raw in files.items()])
    return files


@pytest.fixture
def data(monkeypatch, tmp_path):
    """An empty data folder for the module, no D2LMINI_DATA and no mirror.

    The script in it draws a small stand-in, since drawing takes seconds.
    """
    folder = tmp_path / "data"
    folder.mkdir()
    script = (d2lmini.DATA / "make_standin.py").read_text(encoding="utf-8")
    few = script.replace("TEST_PER_KIND = 2560, 300", "TEST_PER_KIND = 20, 5")
    assert few != script, "the stand-in's sizes stand elsewhere now"
    (folder / "make_standin.py").write_text(few, encoding="utf-8")
    monkeypatch.setattr(d2lmini, "DATA", folder)
    monkeypatch.setattr(d2lmini, "MIRRORS", ())
    monkeypatch.delenv("D2LMINI_DATA", raising=False)
    return folder


@pytest.fixture(autouse=True)
def whole_runs_on_the_cpu(monkeypatch):
    """No caps on a test's training; a GPU does not change what is tested."""
    monkeypatch.delenv("D2LMINI_PROFILE", raising=False)
    monkeypatch.setenv("D2LMINI_DEVICE", "cpu")
