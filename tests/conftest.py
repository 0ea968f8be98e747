"""What several test files share."""
import gzip
import hashlib

import pytest
from small_data import small_set

import d2lmini


@pytest.fixture
def official(monkeypatch):
    """Make a small set count as the official one, for the module and for torchvision."""
    from torchvision import datasets
    files = small_set()
    monkeypatch.setattr(d2lmini, "UNPACKED_MD5", {name: hashlib.md5(raw).hexdigest()
                                                  for name, raw in files.items()})
    monkeypatch.setattr(datasets.FashionMNIST, "resources", [
        (f"{name}.gz", hashlib.md5(gzip.compress(raw, mtime=0)).hexdigest()) for name, raw in files.items()])
    return files


@pytest.fixture
def data(monkeypatch, tmp_path):
    """An empty data folder for the module, no D2LMINI_DATA, no mirror, and nothing remembered."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "make_standin.py").write_text((d2lmini.DATA / "make_standin.py").read_text())
    monkeypatch.setattr(d2lmini, "DATA", folder)
    monkeypatch.setattr(d2lmini, "MIRRORS", ())
    monkeypatch.delenv("D2LMINI_DATA", raising=False)
    d2lmini._find_files.cache_clear()
    d2lmini._read_idx.cache_clear()
    yield folder
    d2lmini._find_files.cache_clear()
    d2lmini._read_idx.cache_clear()


@pytest.fixture(autouse=True)
def whole_runs_on_the_cpu(monkeypatch):
    """No profile cuts a test's training, and a GPU does not change what is tested."""
    monkeypatch.setenv("D2LMINI_PROFILE", "full")
    monkeypatch.setenv("D2LMINI_DEVICE", "cpu")
