"""What several test files share."""
import gzip
import hashlib

import pytest
import torch

import d2lmini


def small_set(seed=0):
    """Twelve training and five test pictures in the format of the four files: {name: bytes unpacked}."""
    generator, files = torch.Generator().manual_seed(seed), {}
    for part, n in (("train", 12), ("t10k", 5)):
        pixels = torch.randint(0, 256, (n * 784,), dtype=torch.uint8, generator=generator)
        labels = torch.randint(0, 10, (n,), dtype=torch.uint8, generator=generator)
        header = [0x803, n, 28, 28]
        files[f"{part}-images-idx3-ubyte"] = _big_endian(header) + bytes(pixels.tolist())
        files[f"{part}-labels-idx1-ubyte"] = _big_endian([0x801, n]) + bytes(labels.tolist())
    return files


def _big_endian(numbers):
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def write_packed(folder, files):
    """Write the files as .gz into the folder; gives their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, raw in files.items():
        paths[name] = folder / f"{name}.gz"
        paths[name].write_bytes(gzip.compress(raw, mtime=0))
    return paths


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
