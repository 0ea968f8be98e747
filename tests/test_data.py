"""Where the data come from, damaged files, and what the loader gives."""
import functools
import gzip
import http.server
import multiprocessing
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import threading

import pytest
import torch
from small_data import small_set, write_packed
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.datasets import FashionMNIST

import d2lmini as d2l

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def all_of(loader):
    X, y = zip(*loader)
    return torch.cat(X), torch.cat(y)


def raw(data):
    return data / "FashionMNIST" / "raw"


def source():
    return d2l.load_data_fashion_mnist(4)[0].source


# ---- The search ----

@pytest.mark.parametrize("form", ["packed", "unpacked", "raw folder",
                                  "unpacked on Windows"])
def test_chosen_folder(form, data, official, monkeypatch, tmp_path):
    folder = tmp_path / "mine"
    place = raw(folder) if form == "raw folder" else folder
    for name, path in write_packed(place, official).items():
        if "unpacked" in form:
            if form.endswith("Windows"):  # where tools read .gz as idx.gz
                name = name.replace("-idx", ".idx")
            (folder / name).write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    monkeypatch.setenv("D2LMINI_DATA", str(folder))
    train_iter, test_iter = d2l.load_data_fashion_mnist(4)
    assert train_iter.source == "Fashion-MNIST"
    assert (len(train_iter), len(test_iter)) == (3, 2)
    X, y = all_of(test_iter)
    pixels = official["t10k-images-idx3-ubyte"][16:]
    assert (X * 255).round().byte().flatten().tolist() == list(pixels)
    assert y.tolist() == list(official["t10k-labels-idx1-ubyte"][8:])


def test_chosen_folder_comes_before_data(data, official, monkeypatch,
                                         tmp_path):
    write_packed(raw(data), small_set(seed=1))  # would be refused
    write_packed(tmp_path / "mine", official)
    monkeypatch.setenv("D2LMINI_DATA", str(tmp_path / "mine"))
    assert d2l.fashion_mnist_files()[IMAGES].parent == tmp_path / "mine"
    assert source() == "Fashion-MNIST"


def test_home_is_understood(data, official, monkeypatch, tmp_path):
    write_packed(tmp_path / "mine", official)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("D2LMINI_DATA", "~/mine")
    assert source() == "Fashion-MNIST"


def test_data_folder_comes_before_download(data, official, monkeypatch):
    write_packed(raw(data), official)
    monkeypatch.setattr(d2l, "MIRRORS", ("http://not.asked/",))
    monkeypatch.setattr(socket, "getaddrinfo",
                        lambda *_: pytest.fail("asked without need"))
    assert source() == "Fashion-MNIST"


def test_place_is_the_modules_not_the_readers(data, official, monkeypatch,
                                              tmp_path):  # B22
    write_packed(raw(data), official)
    monkeypatch.chdir(tmp_path)
    assert source() == "Fashion-MNIST"


def test_chosen_folder_must_be_complete(data, official, monkeypatch,
                                        tmp_path):
    write_packed(tmp_path / "mine", official)[LABELS].unlink()
    monkeypatch.setenv("D2LMINI_DATA", str(tmp_path / "mine"))
    with pytest.raises(FileNotFoundError, match=(
            rf"put {LABELS}, packed or not, into .* D2LMINI_DATA .*mine")):
        d2l.load_data_fashion_mnist(4)


@pytest.mark.parametrize("slip", ["{} ", '"{}"', "{}/not/there"])
def test_slips_in_the_name_of_the_chosen_folder_show(slip, data, official,
                                                     monkeypatch, tmp_path):
    write_packed(tmp_path / "mine", official)
    name = slip.format(tmp_path / "mine")
    monkeypatch.setenv("D2LMINI_DATA", name)
    with pytest.raises(FileNotFoundError, match=re.escape(repr(name))):
        d2l.load_data_fashion_mnist(4)


# ---- Damaged files ----

def other_set(path):
    path.write_bytes(gzip.compress(small_set(seed=1)[path.stem]))


def short(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def web_page(path):
    path.write_bytes(b"<html>404</html>")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xff
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [other_set, short, empty, web_page,
                                    flipped])
def test_damaged_file_is_named_and_kept(damage, data, official):
    path = write_packed(raw(data), official)[IMAGES]
    damage(path)
    left = path.read_bytes()
    with pytest.raises(ValueError, match=rf"{IMAGES}.gz is not .* Delete it"):
        d2l.load_data_fashion_mnist(4)
    assert path.read_bytes() == left
    assert len(list(raw(data).iterdir())) == 4, "the good files must stay"
    write_packed(raw(data), official)  # as the message says; then it works
    assert source() == "Fashion-MNIST"


def test_a_file_without_permission_is_not_to_be_deleted(data, official,
                                                        monkeypatch):
    path = write_packed(raw(data), official)[LABELS]

    def refuse(name, mode):
        raise PermissionError(13, "Permission denied", str(name))
    monkeypatch.setattr(gzip, "open", refuse)  # root may read everything
    with pytest.raises(PermissionError, match=path.parent.name):
        d2l.load_data_fashion_mnist(4)


@pytest.mark.parametrize("arguments", [(0,), (-1,), (2.5,), (4, 0),
                                       (4, "big")])
def test_bad_arguments_raise(arguments, data, official):
    write_packed(raw(data), official)
    with pytest.raises((TypeError, ValueError, ArithmeticError,
                        RuntimeError)):
        loader = d2l.load_data_fashion_mnist(*arguments)[0]
        assert len(loader) > 0
        next(iter(loader))


# ---- Downloads, from servers on this machine ----

class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def mirror(tmp_path):
    """mirror(name, files) serves them, gives the address; none, nothing."""
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def serve(name, files=None):
            write_packed(tmp_path / name, files or {})
            return f"http://127.0.0.1:{server.server_port}/{name}/"
        yield serve
        server.shutdown()


def nothing_left_over(data):
    return sorted(p.name for p in data.iterdir()) == ["FashionMNIST",
                                                      "make_standin.py"]


def test_mirrors_are_several_and_encrypted():  # B23
    assert len(d2l.MIRRORS) > 1
    assert all(mirror.startswith("https://") and mirror.endswith("/")
               for mirror in d2l.MIRRORS)


def test_download_takes_the_first_good_mirror(data, official, mirror,
                                              monkeypatch, tmp_path, capsys):
    cut_off = mirror("short", official)
    short(tmp_path / "short" / "t10k-images-idx3-ubyte.gz")
    monkeypatch.setattr(d2l, "MIRRORS", (
        mirror("none"), cut_off, mirror("other", small_set(seed=1)),
        mirror("good", official)))
    assert source() == "Fashion-MNIST"
    assert sorted(p.name for p in raw(data).iterdir()) == sorted(
        f"{name}.gz" for name in official)
    assert nothing_left_over(data)
    told = capsys.readouterr()
    assert told.out == "", "notices go to stderr"
    assert "STAND-IN" not in told.err
    assert socket.getdefaulttimeout() is None, "the time-out must not stay"


def test_silent_servers_are_given_up(data, official, mirror, monkeypatch):
    with (socket.create_server(("127.0.0.1", 0)) as first,
          socket.create_server(("127.0.0.1", 0)) as second):  # never answer
        silent = [f"http://127.0.0.1:{server.getsockname()[1]}/"
                  for server in (first, second)]
        monkeypatch.setattr(d2l, "MIRRORS", (*silent,
                                             mirror("good", official)))
        monkeypatch.setattr(d2l, "TIMEOUT", 0.3)
        # Whoever waits without end is let go, and fails.
        waited = threading.Timer(20, lambda: [
            server.shutdown(socket.SHUT_RDWR) for server in (first, second)])
        waited.start()
        assert source() == "Fashion-MNIST"
        assert waited.is_alive()
        waited.cancel()


def test_failed_download_keeps_what_was_there(data, official, mirror,
                                              monkeypatch, capsys):
    paths = write_packed(raw(data), official)
    paths.pop("t10k-images-idx3-ubyte").unlink()
    monkeypatch.setattr(d2l, "MIRRORS", (mirror("none"),))
    assert source() == d2l.STAND_IN
    assert all(path.is_file() for path in paths.values())
    notice = capsys.readouterr().err
    assert "STAND-IN DATA" in notice and "D2LMINI_DATA" in notice
    assert str(raw(data)) in notice and "404" in notice
    assert source() == d2l.STAND_IN
    assert capsys.readouterr().err == "", "one attempt, and one notice"


def test_torchvision_of_another_build_is_explained(data, monkeypatch, capsys):
    for name in ("torchvision", "torchvision.datasets"):
        monkeypatch.setitem(sys.modules, name, None)  # the import fails
    monkeypatch.setattr(d2l, "MIRRORS", ("https://not.asked/",))
    assert source() == d2l.STAND_IN
    notice = capsys.readouterr().err
    assert "torchvision" in notice.splitlines()[1]
    assert "pip install --upgrade torch torchvision" in notice


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
    environment = {key: value for key, value in os.environ.items()
                   if key != "D2LMINI_DATA"}
    home = os.path.dirname(d2l.__file__)
    both = [subprocess.Popen([sys.executable, "-c", script], cwd=home,
                             stdout=subprocess.PIPE, text=True,
                             env=environment) for _ in range(2)]
    assert [process.communicate()[0].strip()
            for process in both] == ["Fashion-MNIST"] * 2
    assert nothing_left_over(data)


# ---- Where nobody may write ----

@pytest.fixture
def cache(data, monkeypatch, tmp_path):
    """Beside what torch.hub keeps, since the data folder is read-only."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "access", lambda path, mode: path != data)
    return tmp_path / "home" / "d2lmini"


def test_read_only_folder_keeps_what_is_downloaded_elsewhere(
        cache, data, official, mirror, monkeypatch):
    monkeypatch.setattr(d2l, "MIRRORS", (mirror("good", official),))
    assert source() == "Fashion-MNIST"
    assert d2l.fashion_mnist_files()[IMAGES].is_relative_to(cache)
    assert [path.name for path in data.iterdir()] == ["make_standin.py"]
    monkeypatch.setattr(d2l, "MIRRORS", ())  # it is there now
    assert source() == "Fashion-MNIST"


def test_read_only_folder_with_data(cache, data, official):
    write_packed(raw(data), official)
    assert source() == "Fashion-MNIST" and not cache.exists()


@pytest.mark.parametrize("drawn", [True, False])
def test_read_only_folder_without_network(drawn, cache, data, monkeypatch):
    if drawn:
        runpy.run_path(str(data / "make_standin.py"))["write"](
            data / "stand-in")
    files = d2l.fashion_mnist_files()
    assert source() == d2l.STAND_IN
    assert files[IMAGES].is_relative_to(data / "stand-in" if drawn else cache)


# ---- The stand-in ----

def test_standin_is_drawn_once_and_the_same(data, capsys):
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    assert train_iter.source == test_iter.source == d2l.STAND_IN
    assert capsys.readouterr().err.count("STAND-IN DATA") == 1
    files = d2l.fashion_mnist_files()
    before = {name: path.read_bytes() for name, path in files.items()}
    ages = {path: path.stat().st_mtime_ns for path in files.values()}
    assert d2l.fashion_mnist_files() == files
    assert {path: path.stat().st_mtime_ns for path in ages} == ages
    shutil.rmtree(data / "stand-in")
    files = d2l.fashion_mnist_files()
    assert {name: path.read_bytes() for name, path in files.items()} == before
    X, y = all_of(test_iter)
    assert X.min() >= 0 and X.max() <= 1
    assert sorted(y.unique().tolist()) == list(range(10))


# ---- What the loader gives ----

@pytest.fixture(scope="module")
def loaders():
    return d2l.load_data_fashion_mnist(256)


def test_batches(loaders):
    for loader in loaders:
        X, y = next(iter(loader))
        assert X.shape == (256, 1, 28, 28) and X.dtype == torch.float32
        assert 0 <= X.min() <= X.max() <= 1
        assert y.shape == (256,) and y.dtype == torch.int64
        assert len(loader.dataset) == len(loader.labels)
        assert loader.batch_size == 256
    sizes = [len(y) for _, y in loaders[1]]
    assert len(sizes) == len(loaders[1])
    assert sum(sizes) == len(loaders[1].labels)


def test_shuffled_anew_by_the_global_generator(loaders):  # B24
    train_iter, test_iter = loaders
    torch.manual_seed(0)
    first, second = (next(iter(train_iter))[1] for _ in range(2))
    torch.manual_seed(0)
    assert torch.equal(next(iter(train_iter))[1], first)
    assert not torch.equal(first, second)
    assert torch.equal(next(iter(test_iter))[1],
                       test_iter.labels[:256].long())


@pytest.mark.parametrize("resize", [None, 96, 14])
def test_equals_torchvisions_pipeline(resize):
    """Within 1/255: PIL rounds each pixel to a whole grey value."""
    from PIL import Image
    from torchvision import transforms
    test_iter = d2l.load_data_fashion_mnist(8, resize=resize)[1]
    X, _ = next(iter(test_iter))
    steps = [] if resize is None else [transforms.Resize(resize)]
    pipeline = transforms.Compose([*steps, transforms.ToTensor()])
    want = torch.stack([pipeline(Image.fromarray(image.numpy()))
                        for image in test_iter.images[:8]])
    assert X.shape == want.shape
    assert (X - want).abs().max() <= (0 if resize is None else 1 / 255 + 1e-6)


def test_batches_can_be_made_on_another_device(loaders):
    """The device meta has no numbers, but tells where things happen."""
    moved = loaders[1].to("meta")
    assert moved.images.device.type == moved.labels.device.type == "meta"
    assert (moved.batch_size, moved.resize, moved.shuffle, moved.source) == (
        256, None, False, loaders[1].source)
    X, y = next(iter(moved))
    assert X.device.type == y.device.type == "meta"
    assert loaders[1].images.device.type == "cpu"


def test_no_process_is_started(monkeypatch):  # B19, B21
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start",
                        lambda self: pytest.fail("a process was started"))
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    assert next(iter(train_iter)) and next(iter(test_iter))


class Operations(TorchDispatchMode):
    """Counts what PyTorch is asked to do."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("resize", [None, 32])
def test_a_batch_is_made_at_once(resize):
    """B20: the book converts image by image; here more images cost no more
    operations, and each batch costs a handful."""
    counts = []
    for batch_size in (8, 64):
        batches = iter(d2l.load_data_fashion_mnist(batch_size, resize)[1])
        next(batches)  # the order of all is drawn before the first
        with Operations() as operations:
            next(batches)
        counts.append(operations.count)
    assert counts[0] == counts[1] < 20


def test_labels():
    assert d2l.get_fashion_mnist_labels(torch.tensor([9, 0])) == [
        "ankle boot", "t-shirt"]
    assert len(d2l.get_fashion_mnist_labels()) == 10
