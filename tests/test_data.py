"""Where the data come from, what happens when they are damaged, and what the loader gives."""
import functools
import gzip
import http.server
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
import torch
from small_data import small_set, write_packed
from torchvision.datasets import FashionMNIST

import d2lmini as d2l


def all_of(loader):
    X, y = zip(*loader)
    return torch.cat(X), torch.cat(y)


def raw(data):
    return data / "FashionMNIST" / "raw"


# ---- The search ----

@pytest.mark.parametrize("form", ["packed", "unpacked", "raw folder"])
def test_chosen_folder(form, data, official, monkeypatch, tmp_path):
    folder = tmp_path / "mine"
    paths = write_packed(raw(folder) if form == "raw folder" else folder, official)
    if form == "unpacked":
        for name, path in paths.items():
            path.with_suffix("").write_bytes(official[name])
            path.unlink()
    monkeypatch.setenv("D2LMINI_DATA", str(folder))
    train_iter, test_iter = d2l.load_data_fashion_mnist(4)
    assert train_iter.source == "Fashion-MNIST"
    assert (len(train_iter), len(test_iter)) == (3, 2)
    X, y = all_of(test_iter)
    file = official["t10k-images-idx3-ubyte"]
    assert (X * 255).round().byte().flatten().tolist() == list(file[16:])
    assert y.tolist() == list(official["t10k-labels-idx1-ubyte"][8:])


def test_chosen_folder_comes_before_data(data, official, monkeypatch, tmp_path):
    write_packed(raw(data), small_set(seed=1))  # would be refused
    write_packed(tmp_path / "mine", official)
    monkeypatch.setenv("D2LMINI_DATA", str(tmp_path / "mine"))
    assert d2l.fashion_mnist_files()["t10k-labels-idx1-ubyte"].parent == tmp_path / "mine"


def test_data_folder_comes_before_download(data, official, monkeypatch):
    write_packed(raw(data), official)
    monkeypatch.setattr(d2l, "_download", lambda raw: pytest.fail("downloaded without need"))
    assert d2l.load_data_fashion_mnist(4)[0].source == "Fashion-MNIST"


def test_chosen_folder_must_be_complete(data, official, monkeypatch, tmp_path):
    write_packed(tmp_path / "mine", official)["t10k-labels-idx1-ubyte"].unlink()
    monkeypatch.setenv("D2LMINI_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError, match=r"mine, but .* lacks t10k-labels-idx1-ubyte.gz\. Put"):
        d2l.load_data_fashion_mnist(4)


# ---- Damaged files ----

def break_other_set(path):
    path.write_bytes(gzip.compress(small_set(seed=1)[path.stem]))


def break_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def break_empty(path):
    path.write_bytes(b"")


def break_html(path):
    path.write_bytes(b"<html>404</html>")


def break_flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xff
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [break_other_set, break_short, break_empty, break_html, break_flipped])
def test_damaged_file_is_named_and_kept(damage, data, official):
    path = write_packed(raw(data), official)["train-images-idx3-ubyte"]
    damage(path)
    left = path.read_bytes()
    with pytest.raises((OSError, ValueError), match=r"Delete .*train-images-idx3-ubyte.gz and run again"):
        d2l.load_data_fashion_mnist(4)
    assert path.read_bytes() == left
    assert len(list(raw(data).iterdir())) == 4, "the good files must stay"


def test_unreadable_file(data, official):
    path = write_packed(raw(data), official)["train-labels-idx1-ubyte"]
    path.unlink()
    path.with_suffix("").write_bytes(b"")
    path.with_suffix("").chmod(0)
    with pytest.raises((OSError, ValueError), match="train-labels-idx1-ubyte"):  # root reads it, as empty
        d2l.load_data_fashion_mnist(4)


@pytest.mark.parametrize("arguments, message", [
    ((0,), "batch_size must be a whole number above 0, not 0"), ((2.5,), "not 2.5"),
    ((4, 0), "resize must be a whole number above 0, not 0"), ((4, "big"), "not 'big'")])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        d2l.load_data_fashion_mnist(*arguments)


# ---- Downloads, from servers on this machine ----

class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def mirror(tmp_path):
    """mirror(name, files) serves them and gives the address; without files it serves nothing."""
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def serve(name, files=None):
            write_packed(tmp_path / name, files or {})
            return f"http://127.0.0.1:{server.server_port}/{name}/"
        yield serve
        server.shutdown()


def nothing_left_over(data):
    return sorted(p.name for p in data.iterdir()) == ["FashionMNIST", "make_standin.py"]


def test_download_takes_the_first_good_mirror(data, official, mirror, monkeypatch, tmp_path, capsys):
    short = mirror("short", official)
    break_short(tmp_path / "short" / "t10k-images-idx3-ubyte.gz")
    monkeypatch.setattr(d2l, "MIRRORS", (mirror("none"), short, mirror("other", small_set(seed=1)),
                                        mirror("good", official)))
    assert d2l.load_data_fashion_mnist(4)[0].source == "Fashion-MNIST"
    assert sorted(p.name for p in raw(data).iterdir()) == sorted(f"{n}.gz" for n in official)
    assert nothing_left_over(data)
    assert capsys.readouterr().out == "", "notices go to stderr"
    assert socket.getdefaulttimeout() is None, "the time-out must not stay"


def test_silent_server_is_given_up(data, official, mirror, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(d2l, "MIRRORS", (address, mirror("good", official)))
        monkeypatch.setattr(d2l, "TIMEOUT", 0.3)
        began = time.perf_counter()
        assert d2l.load_data_fashion_mnist(4)[0].source == "Fashion-MNIST"
        assert time.perf_counter() - began < 10


def test_failed_download_keeps_what_was_there(data, official, mirror, monkeypatch, capsys):
    paths = write_packed(raw(data), official)
    paths.pop("t10k-images-idx3-ubyte").unlink()
    monkeypatch.setattr(d2l, "MIRRORS", (mirror("none"),))
    assert d2l.load_data_fashion_mnist(4)[0].source == d2l.STAND_IN
    assert all(path.is_file() for path in paths.values())
    notice = capsys.readouterr().err
    assert "STAND-IN DATA" in notice and str(raw(data)) in notice and "404" in notice


def test_torchvision_of_another_build_is_explained(data, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # makes the import fail
    assert d2l.load_data_fashion_mnist(4)[0].source == d2l.STAND_IN
    assert "pip install --upgrade torch torchvision" in capsys.readouterr().err


def test_two_processes_at_once(data, official, mirror):
    script = f"""
import pathlib, d2lmini
from torchvision.datasets import FashionMNIST
d2lmini.DATA = pathlib.Path({str(data)!r})
d2lmini.MIRRORS = ({mirror("good", official)!r},)
d2lmini.UNPACKED_MD5 = {d2l.UNPACKED_MD5!r}
FashionMNIST.resources = {FashionMNIST.resources!r}
print(d2lmini.load_data_fashion_mnist(4)[0].source)
"""
    environment = {key: value for key, value in os.environ.items() if key != "D2LMINI_DATA"}
    both = [subprocess.Popen([sys.executable, "-c", script], cwd=d2l.Path(d2l.__file__).parent,
                             stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["Fashion-MNIST"] * 2
    assert nothing_left_over(data)


# ---- The stand-in ----

def test_standin_is_drawn_once_and_the_same(data, capsys):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    assert train_iter.source == test_iter.source == d2l.STAND_IN
    files = d2l.fashion_mnist_files()
    before = {name: path.read_bytes() for name, path in files.items()}
    shutil.rmtree(data / "stand-in")
    d2l._find_files.cache_clear()
    assert {name: path.read_bytes() for name, path in d2l.fashion_mnist_files().items()} == before
    assert capsys.readouterr().err.count("STAND-IN DATA") == 2  # once a search
    X, y = all_of(test_iter)
    assert X.min() >= 0 and X.max() <= 1 and sorted(y.unique().tolist()) == list(range(10))


# ---- What the loader gives ----

@pytest.fixture(scope="module")
def loaders():
    return d2l.load_data_fashion_mnist(256)


def test_batches(loaders):
    for loader in loaders:
        X, y = next(iter(loader))
        assert X.shape == (256, 1, 28, 28) and X.dtype == torch.float32 and 0 <= X.min() <= X.max() <= 1
        assert y.shape == (256,) and y.dtype == torch.int64
    assert sum(len(y) for _, y in loaders[1]) == len(loaders[1].labels)
    assert len(list(loaders[1])) == len(loaders[1])


def test_shuffled_anew_by_the_global_generator(loaders):
    train_iter, test_iter = loaders
    torch.manual_seed(0)
    first, second = (next(iter(train_iter))[1] for _ in range(2))
    torch.manual_seed(0)
    assert torch.equal(next(iter(train_iter))[1], first)
    assert not torch.equal(first, second)
    assert torch.equal(next(iter(test_iter))[1], test_iter.labels[:256].long())


@pytest.mark.parametrize("resize", [None, 96, 224, 14])
def test_equals_torchvisions_pipeline(resize):
    """Within 1/255: PIL rounds each pixel to a whole grey value."""
    from PIL import Image
    from torchvision import transforms
    test_iter = d2l.load_data_fashion_mnist(8, resize=resize)[1]
    X, _ = next(iter(test_iter))
    steps = [transforms.ToTensor()] if resize is None else [transforms.Resize(resize), transforms.ToTensor()]
    pipeline = transforms.Compose(steps)
    want = torch.stack([pipeline(Image.fromarray(image.numpy())) for image in test_iter.images[:8]])
    assert X.shape == want.shape
    assert (X - want).abs().max() <= (0 if resize is None else 1 / 255 + 1e-6)


def test_no_process_is_started(monkeypatch):
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start",
                        lambda self: pytest.fail("a worker process was started"))
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    assert next(iter(train_iter)) and next(iter(test_iter))


def test_labels():
    assert d2l.get_fashion_mnist_labels(torch.tensor([9, 0])) == ["ankle boot", "t-shirt"]
    assert len(d2l.get_fashion_mnist_labels()) == 10
