"""d2lmini: the helpers behind the notebooks, under the names *Dive into Deep Learning* uses.

    import d2lmini as d2l

Code written for the book's package (https://d2l.ai) runs unchanged. Three environment variables:

    D2LMINI_DATA      folder with the four Fashion-MNIST files, packed (.gz) or unpacked
    D2LMINI_DEVICE    where to compute: cpu, cuda:0, mps, … (default: CUDA, then Apple MPS, then CPU)
    D2LMINI_PROFILE   how much train_ch6 runs, a name in PROFILES (default: full, but quick on a CPU)

matplotlib, IPython and torchvision are imported only where they are used.
"""
import contextlib
import ctypes
import functools
import gzip
import hashlib
import io
import itertools
import math
import os
import runpy
import socket
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["COLORS", "PROFILES", "Accumulator", "Animator", "History", "Residual", "Timer",
           "accuracy", "check", "corr2d", "corr2d_multi_in", "corr2d_multi_in_out",
           "draw_grid", "evaluate_accuracy_gpu", "fashion_mnist_files", "get_fashion_mnist_labels",
           "layer_table", "load_data_fashion_mnist", "net_size", "pool2d", "results_table", "show_figure",
           "show_grids", "show_images", "train_ch6", "try_all_gpus", "try_gpu", "xavier_init"]

# Name: (most multiply-adds in training on images up to 32 x 32, most batches in all on larger images).
PROFILES = {"full": (math.inf, math.inf), "quick": (math.inf, 4), "test": (7.6e10, 1)}

# Role: (fill, edge), from Okabe and Ito's colours for all readers (https://jfly.uni-koeln.de/color/).
COLORS = {"input": ("#cfe5f5", "#0072b2"), "kernel": ("#fbe3b5", "#b97d00"), "output": ("#c9eadf", "#009e73"),
          "padding": ("#f2f2f2", "#999999"), "window": ("none", "#d55e00")}


# ---- Sliding windows ----

def corr2d(X, K):
    """Cross-correlation of a picture X (H, W) with a kernel K (h, w) -> (H-h+1, W-w+1); notebook 02.

    Keeps type and device, differentiable. ValueError if the axes are wrong or K does not fit into X.
    """
    _expect_axes(X=(X, "(H, W)"), K=(K, "(h, w)"))
    return corr2d_multi_in_out(X[None], K[None, None])[0]


def corr2d_multi_in(X, K):
    """X (c_i, H, W), K (c_i, h, w) -> (H-h+1, W-w+1): the sum over the channels; else as corr2d."""
    _expect_axes(X=(X, "(c_i, H, W)"), K=(K, "(c_i, h, w)"))
    return corr2d_multi_in_out(X, K[None])[0]


def corr2d_multi_in_out(X, K):
    """X (c_i, H, W), K (c_o, c_i, h, w) -> (c_o, H-h+1, W-w+1); else as corr2d; notebook 04."""
    _expect_axes(X=(X, "(c_i, H, W)"), K=(K, "(c_o, c_i, h, w)"))
    if X.shape[0] != K.shape[1]:
        raise ValueError(f"X has {X.shape[0]} channels, but K is made for {K.shape[1]}")
    _expect_fit(X, K.shape[-2:])
    dtype = torch.result_type(X, K)
    X, K = X.to(dtype), K.to(dtype)
    if dtype.is_floating_point or dtype.is_complex:
        return F.conv2d(X[None], K)[0]
    windows = _windows(X, K.shape[-2:])  # GPUs have no convolution of integers
    return torch.stack([(windows * k[:, None, None]).sum((0, 3, 4), dtype=dtype) for k in K])


def pool2d(X, pool_size, mode="max"):
    """Pooling of X (H, W) with stride 1, mode "max" or "avg" -> (H-p_h+1, W-p_w+1); notebook 05.

    Keeps type and device, differentiable. ValueError for wrong arguments, TypeError for an integer mean.
    """
    _expect_axes(X=(X, "(H, W)"))
    _expect_fit(X, pool_size)
    if mode not in ("max", "avg"):
        raise ValueError(f"mode must be 'max' or 'avg', not {mode!r}")
    if mode == "max":
        return _windows(X, pool_size).amax((-2, -1))
    if not X.is_floating_point():
        raise TypeError(f"the mean of {X.dtype} numbers is no {X.dtype}: pass X.float()")
    return F.avg_pool2d(X[None], tuple(pool_size), stride=1)[0]


def _windows(X, size):
    """All windows over the last two axes, (…, H, W) -> (…, H-h+1, W-w+1, h, w), without a copy."""
    return X.unfold(-2, size[0], 1).unfold(-2, size[1], 1)


def _expect_axes(**tensors):
    for name, (tensor, form) in tensors.items():
        if tensor.dim() != form.count(",") + 1:
            raise ValueError(f"{name} must be {form}, but it has the shape {tuple(tensor.shape)}")


def _expect_fit(X, size):
    if not (1 <= size[0] <= X.shape[-2] and 1 <= size[1] <= X.shape[-1]):
        raise ValueError(f"a window of {size[0]} x {size[1]} does not fit into {X.shape[-2]} x "
                         f"{X.shape[-1]}: pad X or take a smaller window")


# ---- Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) ----

DATA = Path(__file__).resolve().parent / "data"
MIRRORS = ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
           "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
           "https://fashion-mnist.s3.eu-central-1.amazonaws.com/")
TIMEOUT = 15  # seconds without a byte before the next mirror's turn
STAND_IN = "stand-in data"
UNPACKED_MD5 = {"train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
                "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
                "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965"}


class Batches:
    """Images uint8 (n, 28, 28) and labels uint8 (n,) as an iterable of batches; see the loader."""

    def __init__(self, images, labels, batch_size, resize, shuffle, source):
        self.images, self.labels, self.source = images, labels, source
        self.batch_size, self.resize, self.shuffle = batch_size, resize, shuffle

    def __len__(self):
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self):
        n = len(self.labels)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for index in order.to(self.labels.device).split(self.batch_size):
            X = self.images.index_select(0, index).unsqueeze(1) / 255
            if self.resize is not None:
                X = F.interpolate(X, (self.resize, self.resize), mode="bilinear", antialias=True)
            yield X, self.labels[index].long()

    def to(self, device):
        """The same batches, gathered and converted on `device`."""
        return Batches(self.images.to(device), self.labels.to(device), self.batch_size, self.resize,
                       self.shuffle, self.source)


def load_data_fashion_mnist(batch_size, resize=None):
    """(train_iter, test_iter), with len, of X float32 (N, 1, S, S) in [0, 1] and y int64 (N,).

    S is 28, or `resize`. The training set is shuffled for each epoch by torch's global generator. No
    worker processes: the bytes stay in memory, and train_ch6 moves them to the device that trains.
    Looks in D2LMINI_DATA, then in data/, then downloads; with no network it draws a stand-in and says
    so. OSError or ValueError name the file, what is wrong with it and what to do.
    """
    for name, value in (("batch_size", batch_size), ("resize", 1 if resize is None else resize)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number above 0, not {value!r}")
    source, files = _find_files(os.environ.get("D2LMINI_DATA"))
    parts = [_read_idx(name, files[name], source) for name in UNPACKED_MD5]
    return (Batches(*parts[:2], batch_size, resize, True, source),
            Batches(*parts[2:], batch_size, resize, False, source))


def fashion_mnist_files():
    """Where the four files are: {"train-images-idx3-ubyte": path, …}; a path may end in .gz."""
    return dict(_find_files(os.environ.get("D2LMINI_DATA"))[1])


@functools.cache  # one search and one notice per process
def _find_files(chosen):
    """(source, {name: path}), from the first place that has all four files."""
    folder = Path(chosen).expanduser() if chosen else DATA
    raw = folder / "FashionMNIST" / "raw"
    files = _files_in(folder, raw)
    if len(files) == 4:
        return "Fashion-MNIST", files
    if chosen:
        missing = ", ".join(f"{name}.gz" for name in UNPACKED_MD5 if name not in files)
        raise FileNotFoundError(f"D2LMINI_DATA is {chosen}, but that folder lacks {missing}. Put the file "
                                f"there, or unset D2LMINI_DATA and the data are downloaded.")
    problems = _download(raw)
    if problems is None:
        return "Fashion-MNIST", _files_in(raw)
    print(f"Fashion-MNIST could not be downloaded:\n{problems}\nUsing STAND-IN DATA, drawn shapes: good for "
          f"trying the code, no result to quote. For the real\nset put its four .gz files into {raw} "
          f"and restart the kernel.", file=sys.stderr)
    if len(_files_in(DATA / "stand-in")) < 4:
        runpy.run_path(str(DATA / "make_standin.py"))["write"](DATA / "stand-in")
    return STAND_IN, _files_in(DATA / "stand-in")


def _files_in(*folders):
    places = ((name, folder / (name + end)) for folder in folders for name in UNPACKED_MD5
              for end in ("", ".gz"))
    return {name: path for name, path in places if path.is_file()}  # the last wins: .gz if both


@functools.lru_cache(maxsize=8)
def _read_idx(name, path, source):
    """One IDX file as a uint8 tensor: images (n, 28, 28), labels (n,)."""
    remedy = f"Delete {path} and run again, or replace it by the official {name}.gz."
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            raw = bytearray(file.read())
    except (OSError, EOFError, zlib.error) as why:
        raise OSError(f"{path} cannot be read: {why}. {remedy}") from why
    if source != STAND_IN and hashlib.md5(raw, usedforsecurity=False).hexdigest() != UNPACKED_MD5[name]:
        raise ValueError(f"{path} is not Fashion-MNIST's {name}: its {len(raw):,} unpacked bytes have "
                         f"another md5 than {UNPACKED_MD5[name]}. {remedy}")
    offset, shape = (16, (-1, 28, 28)) if "images" in name else (8, (-1,))
    return torch.frombuffer(raw, dtype=torch.uint8, offset=offset).reshape(shape)


def _download(raw):
    """Download the files into the folder `raw`; gives None, or what went wrong at each mirror."""
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as why:
        return f"  torchvision: {why}\n  Builds that fit: pip install --upgrade torch torchvision"
    problems, timeout = [], socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for mirror in MIRRORS:
            # torchvision has one plain-http mirror, and makes a folder named like its class.
            one_mirror = type("FashionMNIST", (datasets.FashionMNIST,), {"mirrors": [mirror]})
            # Download beside the target, then rename: no half files, no clash with a second notebook.
            with tempfile.TemporaryDirectory(prefix="download-", dir=DATA) as folder:
                try:
                    with contextlib.redirect_stdout(sys.stderr):
                        done = Path(one_mirror(folder, download=True).raw_folder)
                except (OSError, EOFError, RuntimeError) as why:
                    problems.append(f"  {mirror}: {str(why).strip().splitlines()[-1]}")
                    continue
                for name in UNPACKED_MD5:
                    os.replace(done / f"{name}.gz", raw / f"{name}.gz")
                return None
    except PermissionError as why:
        raise PermissionError(f"cannot write to {DATA}: {why}. Set D2LMINI_DATA to a folder with the four "
                              f"Fashion-MNIST files.") from why
    finally:
        socket.setdefaulttimeout(timeout)
    return "\n".join(problems)


def get_fashion_mnist_labels(labels=range(10)):
    """Names of the given class numbers, a list or tensor of 0 … 9; all ten by default."""
    names = ("t-shirt", "trouser", "pullover", "dress", "coat",
             "sandal", "shirt", "sneaker", "bag", "ankle boot")
    return [names[int(label)] for label in labels]


# ---- Training ----

class History:
    """What train_ch6 measured: lists with an entry per epoch; silent as the last line of a cell.

    train_loss, train_acc: means over the epoch, while the weights change; test_acc: after it;
    seconds: wall-clock, with loading, evaluation and drawing. source: which data set, if known.
    """

    def __init__(self, source):
        self.train_loss, self.train_acc, self.test_acc, self.seconds = [], [], [], []
        self.source = source

    def add(self, *values):
        for log, value in zip((self.train_loss, self.train_acc, self.test_acc, self.seconds), values):
            log.append(value)

    def _ipython_display_(self):
        """Show nothing."""


# Layers that give the same in any order of memory: no .view, no random mask, no slower small batch norm.
ANY_ORDER = {nn.Sequential, nn.Conv2d, nn.AvgPool2d, nn.MaxPool2d, nn.Flatten, nn.Linear, nn.Sigmoid,
             nn.Tanh, nn.ReLU}


def xavier_init(module):
    """Xavier-uniform weights for Linear and Conv2d, as in the documents (Glorot, Bengio 2010)."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device, *,
              optimizer=torch.optim.SGD, scheduler=None, init_weights=xavier_init, channels_last=None):
    """Train a classifier by the documents' recipe, draw its curves, return a History; notebook 06.

    train_iter, test_iter: iterables of (X, y) with len. optimizer(parameters, lr=lr) makes the
    optimizer, scheduler(optimizer, steps) a schedule stepped every batch; init_weights is applied to
    each part of the network, None keeps its weights. channels_last keeps the channels of a pixel side
    by side in memory while a CPU trains: the same steps up to rounding (dropout draws other masks for
    feature maps), often a quarter faster. None does so where all layers are among ANY_ORDER. Other
    devices ignore it; PyTorch's code for it has failed on MPS.
    The profile may cut the work, and a line says so; a run of less than an epoch draws no curve.
    The printed speed is wall-clock, with loading, evaluation and drawing. A network that still guesses
    after three epochs is reported. Interrupting keeps curves, network and History. FloatingPointError
    for a loss that is not finite, ValueError for no data.
    """
    if num_epochs < 1 or len(train_iter) < 1:
        raise ValueError(f"nothing to train: {num_epochs} epochs of {len(train_iter)} batches")
    device, sample = torch.device(device), _sample(train_iter)
    if any(isinstance(p, nn.UninitializedParameter) for p in net.parameters()):
        net_size(net, sample)  # gives lazy layers their shapes, to be initialised like the others
    if init_weights is not None:
        net.apply(init_weights)
    print("training on", device)
    net.to(device)
    epochs, batches, test_batches = _plan(net, sample, num_epochs, train_iter, test_iter, device)
    train_iter, test_iter = (data.to(device) if isinstance(data, Batches) else data
                             for data in (train_iter, test_iter))
    opt = optimizer(net.parameters(), lr=lr)
    schedule = scheduler(opt, epochs * batches) if scheduler else None
    history = History(getattr(train_iter, "source", None))
    animator = Animator(xlabel="epoch", xlim=[0, epochs], legend=["train loss", "train acc", "test acc"],
                        title=STAND_IN if history.source == STAND_IN else None)
    # The curve of a few batches says nothing.
    watch = animator.add if batches == len(train_iter) else lambda x, y: None
    trained, started, told = 0, time.perf_counter(), False
    try:
        with _fast_on_cpu(net, device, channels_last):
            for epoch in range(epochs):
                began = time.perf_counter()
                steps = _train_epoch(net, itertools.islice(train_iter, batches), opt, schedule, device)
                for i, sums, classes in steps:  # noqa: B007, it is needed after the loop
                    if i % max(1, batches // 5) == 0 or i == batches:
                        loss, train_acc = (sums[:2] / sums[2]).tolist()
                        if not math.isfinite(loss):
                            raise FloatingPointError(f"the loss is {loss} in epoch {epoch + 1}, batch {i}: "
                                                     f"the steps are too large. Take an lr below {lr}.")
                        watch(epoch + i / batches, (loss, train_acc, None))
                    told = told or _tell_time_left(started, (epoch + i / batches) / epochs)
                trained, tested = trained + int(sums[2]), time.perf_counter()
                test_acc = evaluate_accuracy_gpu(net, itertools.islice(test_iter, test_batches), device)
                watch(epoch + 1, (None, None, test_acc))
                ended = time.perf_counter()
                history.add(loss, train_acc, test_acc, ended - began)
    except KeyboardInterrupt:
        print(f"interrupted in epoch {epoch + 1}: the network keeps what it has learned so far")
    finally:
        animator.draw()
    if history.test_acc:
        _report(history, trained / (time.perf_counter() - started), device, classes)
        if batches < len(train_iter):
            epoch_takes = ((tested - began) * len(train_iter) / batches
                           + (ended - tested) * len(test_iter) / test_batches)
            print(f"the complete run would take about {_duration(num_epochs * epoch_takes)} here")
    return history


@contextlib.contextmanager
def _fast_on_cpu(net, device, channels_last):
    """Inside, what makes training faster on a CPU and changes no result; see train_ch6."""
    if channels_last is None:
        channels_last = all(type(part) in ANY_ORDER for part in net.modules())
    channels_last = channels_last and device.type == "cpu"
    if device.type == "cpu":
        _keep_freed_memory()
    if channels_last:
        net.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        if channels_last:
            net.to(memory_format=torch.contiguous_format)  # .view() works again


def _report(history, speed, device, classes):
    """Print the documents' two lines, and whether the network still guesses."""
    print(f"loss {history.train_loss[-1]:.3f}, train acc {history.train_acc[-1]:.3f}, test acc "
          f"{history.test_acc[-1]:.3f}" + (f" ({STAND_IN})" if history.source == STAND_IN else ""))
    print(f"{speed:.1f} examples/sec on {device}")
    if len(history.test_acc) > 2 and history.test_acc[-1] < 1.2 / classes:
        print("chance level: nothing was learned. Try a smaller lr, another seed or initialisation.")


def _train_epoch(net, batches, opt, schedule, device):
    """Train on the batches; after each, give its number, the sums of (loss, right, examples), the classes."""
    loss, sums = nn.CrossEntropyLoss(), torch.zeros(3, device=device)
    with _mode(net, training=True):
        for i, (X, y) in enumerate(batches, 1):
            try:
                opt.zero_grad()
                X, y = _to(X, device), y.to(device)
                y_hat = net(X)
                l = loss(y_hat, y)
                l.backward()
                opt.step()
            except RuntimeError as why:
                if "out of memory" not in str(why) and "allocate memory" not in str(why):
                    raise
                raise RuntimeError(f"a batch of {len(y)} does not fit into the memory of {device}: load "
                                   f"the data with batch_size={max(1, len(y) // 2)}") from why
            if schedule is not None:
                schedule.step()
            with torch.no_grad():  # summed on the device: nobody waits for a GPU at every batch
                sums += torch.stack((l * len(y), _count_right(y_hat, y), torch.full_like(l, len(y))))
            yield i, sums, y_hat.shape[1]


def _keep_freed_memory():
    """Let glibc keep up to 1 GiB of freed memory for the next batch.

    It would give each batch's activations back to the system and fetch fresh, zeroed pages for the
    next one, which cost LeNet a quarter of its time. Other systems allocate otherwise.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a Linux without glibc
            libc = ctypes.CDLL("libc.so.6")
            for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
                libc.mallopt(option, 2 ** 30)


def _sample(data_iter):
    """The first batch's X, with the random state as if nobody had looked; None of a one-time iterator."""
    if isinstance(data_iter, Iterator):
        return None  # looking would take the batch away
    with torch.random.fork_rng(devices=[]):
        return next(iter(data_iter))[0]


def _plan(net, sample, num_epochs, train_iter, test_iter, device):
    """(epochs, training batches, test batches) to run under the profile; prints what it cuts."""
    name = os.environ.get("D2LMINI_PROFILE") or ("quick" if device.type == "cpu" else "full")
    if name not in PROFILES:
        raise ValueError(f"D2LMINI_PROFILE must be one of {', '.join(PROFILES)}, not {name!r}")
    most_work, most_batches = PROFILES[name]
    epochs, batches, test_batches = num_epochs, len(train_iter), len(test_iter)
    if torch.is_tensor(sample) and sample.dim() == 4 and sample.shape[-1] > 32:
        if batches > most_batches:
            epochs, batches, test_batches = 1, most_batches, min(test_batches, most_batches)
    elif most_work < math.inf and torch.is_tensor(sample):
        most_batches = int(max(1, most_work // (net_size(net, sample[:1])[1] * len(sample))))
        epochs, batches = min(epochs, max(1, most_batches // batches)), min(batches, most_batches)
    if (epochs, batches) != (num_epochs, len(train_iter)):
        print(f"profile {name}: {epochs} epochs of {batches} batches instead of {num_epochs} of "
              f"{len(train_iter)} (D2LMINI_PROFILE=full runs all)")
    return epochs, batches, test_batches


def net_size(net, X):
    """(parameters, multiply-adds per example) of a network or layer for a batch X.

    Multiply-adds of convolutions and matrix products, nearly all the work of the networks here.
    """
    work = _forward(net, X)[1]  # first, since it shapes lazy layers
    return sum(p.numel() for p in net.parameters()), work


def layer_table(net, X):
    """Print output shape, parameters and multiply-adds per example of each layer of a Sequential.

    X: a batch on any device, such as torch.rand(1, 1, 28, 28); notebook 06.
    """
    print("layer                output (N, …)       parameters   multiply-adds")
    total = net_size(net, X)
    for layer in net:
        X, work = _forward(layer, X)
        print(f"{type(layer).__name__:20} {tuple(X.shape)!s:18} "
              f"{sum(p.numel() for p in layer.parameters()):11,} {work:15,}")
    print(f"{'in all':39} {total[0]:11,} {total[1]:15,}")


def results_table(rows):
    """Print rows of (network, parameters, multiply-adds, test accuracy, seconds per epoch); notebook 06."""
    print("network                parameters   multiply-adds   test acc   s/epoch")
    for row in rows:
        print("{:20} {:12,} {:15,} {:10.3f} {:9.1f}".format(*row))


def _forward(net, X):
    """(output, multiply-adds per example) of a forward pass in evaluation mode."""
    from torch.utils.flop_counter import FlopCounterMode  # its FLOP count both multiplying and adding
    device = next((p.device for p in net.parameters()), X.device)
    with _mode(net, training=False), torch.no_grad(), FlopCounterMode(display=False) as counter:
        return net(X.to(device)), counter.get_total_flops() // (2 * len(X))


def _tell_time_left(started, share):
    """After ten seconds, say how long a long run will still take; True once that is settled."""
    passed = time.perf_counter() - started
    if passed >= 10 and (left := passed / share - passed) > 60:
        print(f"about {_duration(left)} left")
    return passed >= 10


def _duration(seconds):
    """In whole minutes, at least one; from 1.5 hours on in whole hours."""
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


@contextlib.contextmanager
def _mode(net, training):
    """Train or eval mode inside, each part's own mode afterwards."""
    modes = [(part, part.training) for part in net.modules()] if isinstance(net, nn.Module) else []
    try:
        if modes:
            net.train(training)
        yield
    finally:
        for part, was_training in modes:
            part.training = was_training


def _to(X, device):
    return type(X)(x.to(device) for x in X) if isinstance(X, (list, tuple)) else X.to(device)


def evaluate_accuracy_gpu(net, data_iter, device=None):
    """Share of right predictions over an iterable of (X, y), from 0 to 1; notebook 06.

    device: where to compute, by default where the network's parameters are. X may be a list of
    tensors. The network's mode is put back. ValueError if data_iter gives nothing.
    """
    if device is None and isinstance(net, nn.Module):
        device = next((t.device for t in itertools.chain(net.parameters(), net.buffers())), None)
    right, seen = 0, 0
    with _mode(net, training=False), torch.inference_mode():
        for X, y in data_iter:
            if device is not None:
                X, y = _to(X, device), y.to(device)
            right, seen = right + _count_right(net(X), y), seen + y.numel()
    if not seen:
        raise ValueError("data_iter gave no batch to evaluate (an iterator that is used up?)")
    return float(right) / seen


def accuracy(y_hat, y):
    """Number of right predictions, a float: y_hat scores (N, C, …) or class numbers, y (N, …).

    ValueError where shapes do not match, or y_hat holds a single score per example.
    """
    return float(_count_right(y_hat, y))


def _count_right(y_hat, y):
    """accuracy() as a tensor, which does not wait for a GPU."""
    if y_hat.dim() == y.dim() + 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(1)
    if y_hat.shape != y.shape or y_hat.is_floating_point():
        raise ValueError(f"cannot compare predictions {tuple(y_hat.shape)} {y_hat.dtype} with labels "
                         f"{tuple(y.shape)}: pass scores (N, classes) or class numbers (N,), and class "
                         f"numbers (N,) as labels; for one score per example pass (y_hat > 0).long()")
    return (y_hat == y).sum()


# ---- Sums, seconds, curves ----

def _float(value):
    return float(value.detach() if torch.is_tensor(value) else value)


class Accumulator:
    """n running sums: add() takes n numbers or one-element tensors, [i] gives a float."""

    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        if len(args) != len(self.data):
            raise ValueError(f"add() takes {len(self.data)} values, one per sum, not {len(args)}")
        # On CUDA the sum stays a tensor: float() would wait for the GPU.
        self.data = [a + (b.detach().double() if torch.is_tensor(b) and b.is_cuda else _float(b))
                     for a, b in zip(self.data, args)]

    def reset(self):
        self.data = [0.0] * len(self.data)

    def __getitem__(self, idx):
        return float(self.data[idx])


class Timer:
    """Seconds from start() to stop(), or of a with block, listed in `times`; waits for the GPU, monotonic."""

    def __init__(self):
        self.times = []
        self.start()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *why):
        self.stop()

    def start(self):
        self.tik = self._now()

    def stop(self):
        self.times.append(self._now() - self.tik)
        return self.times[-1]

    def avg(self):
        if not self.times:
            raise ValueError("nothing timed yet: call stop() before avg()")
        return self.sum() / len(self.times)

    def sum(self):
        return sum(self.times)

    def cumsum(self):
        return list(itertools.accumulate(self.times))

    @staticmethod
    def _now():
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        elif torch.backends.mps.is_available():
            torch.mps.synchronize()
        return time.perf_counter()


class Animator:
    """Curves that grow while a loop runs: add(x, y) or add(x, (y1, y2, None)), None for no point.

    In a notebook it redraws one PNG in place, so seldom that drawing takes at most 1 % of the time;
    elsewhere it prints a line whenever x is whole and each curve has a new point.
    """

    def __init__(self, xlabel=None, ylabel=None, legend=None, xlim=None, ylim=None, xscale="linear",
                 yscale="linear", fmts=("-", "m--", "g-.", "r:"), nrows=1, ncols=1, figsize=(3.5, 2.5),
                 *, title=None):
        if nrows * ncols != 1:
            raise ValueError("an Animator draws one chart: make one Animator for each")
        self.X, self.Y, self.legend, self.fmts, self.figsize = [], [], list(legend or []), fmts, figsize
        if xlim is not None and xlim[0] == xlim[1]:
            xlim = None  # the documents' [1, num_epochs] has no width for one epoch
        self.settings = {"xlabel": xlabel, "ylabel": ylabel, "xlim": xlim, "ylim": ylim,
                         "xscale": xscale, "yscale": yscale, "title": title}
        self._shell, self._handle, self._next_frame, self._waiting = _notebook_shell(), None, 0.0, False
        self._figure = None
        self._fresh = {}  # curve: its newest value, since the last picture or printed line

    def add(self, x, y):
        values = list(y) if isinstance(y, (list, tuple)) or getattr(y, "ndim", 0) else [y]
        for k, value in enumerate(values):
            if k == len(self.X):
                self.X.append([])
                self.Y.append([])
            if value is not None:
                self.X[k].append(_float(x))
                self.Y[k].append(_float(value))
                self._fresh[k] = self.Y[k][-1]
        if self._shell is None:
            self._print_line(_float(x))
        elif time.perf_counter() >= self._next_frame:
            self.draw()
        elif not self._waiting:  # a loop that ends between two frames still shows its last points
            self._waiting = True
            self._shell.events.register("post_run_cell", self._draw_last)

    def draw(self):
        """Show every point added so far (in a notebook)."""
        if self._shell is None or not self._fresh:
            return
        self._fresh = {}
        began = time.perf_counter()
        from IPython.display import display
        self._figure = self._figure or self._empty_figure()
        axes = self._figure.axes[0]
        for k, points in enumerate(zip(self.X, self.Y)):
            if k == len(axes.lines):
                name = self.legend[k] if k < len(self.legend) else None
                axes.plot([], self.fmts[k % len(self.fmts)], label=name)
            axes.lines[k].set_data(*points)
            axes.lines[k].set_marker("o" if len(points[0]) == 1 else "none")  # a line needs two points
        if self.legend:
            axes.legend()
        axes.relim()
        axes.autoscale_view()
        data, metadata = _png(self._figure, f"curves: {', '.join(self.legend) or 'y'}")
        if self._handle is None:
            self._handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(data, metadata=metadata, raw=True)
        self._next_frame = time.perf_counter() + max(0.3, 100 * (time.perf_counter() - began))

    def _empty_figure(self):
        from matplotlib.figure import Figure  # not pyplot, which would keep every figure open
        figure = Figure(figsize=self.figsize)  # fixed margins: a computed layout takes twice as long
        figure.subplots_adjust(left=.2 if self.settings["ylabel"] else .13, right=.97, bottom=.19,
                               top=.9 if self.settings["title"] else .96)
        figure.add_subplot(**{key: value for key, value in self.settings.items() if value}).grid()
        return figure

    def _draw_last(self, result=None):
        self._waiting = False
        self._shell.events.unregister("post_run_cell", self._draw_last)
        self.draw()

    def _print_line(self, x):
        if x.is_integer() and len(self._fresh) == len(self.Y):
            names = self.legend + [f"y{k + 1}" for k in range(len(self.legend), len(self.Y))]
            values = ", ".join(f"{names[k]} {value:.3f}" for k, value in sorted(self._fresh.items()))
            print(f"{self.settings['xlabel'] or 'x'} {x:.0f}: {values}")
            self._fresh = {}


# ---- Figures ----

def _notebook_shell():
    """IPython's shell if a kernel is behind it, so that pictures can be shown; else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


def _png(figure, alt):
    """(data, metadata) of a figure for IPython's display; white, so that it reads on a dark page."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, facecolor="white")
    return {"image/png": file.getvalue(), "text/plain": alt}, {"image/png": {"alt": alt}}


def show_figure(figure, alt):
    """Show a matplotlib figure, with `alt` as its text for screen readers; in a script, in a window."""
    from matplotlib import pyplot as plt
    if _notebook_shell() is None:
        return plt.show()
    from IPython.display import display
    plt.close(figure)
    data, metadata = _png(figure, alt)
    display(data, metadata=metadata, raw=True)


def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5, *, alt=None):
    """Show pictures, (n, H, W) or a list of (H, W), in a grid with their titles.

    With `alt`, their text for screen readers, they are shown at once; without it at the end of the
    cell, and the axes are returned, to be drawn on.
    """
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale),
                                squeeze=False, layout="constrained")
    for k, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if k < len(imgs):
            ax.imshow(imgs[k].detach().cpu() if torch.is_tensor(imgs[k]) else imgs[k], cmap="gray")
            ax.set_title(titles[k] if titles else "", fontsize=9)
    if alt is None:
        return axes.flatten()
    show_figure(figure, alt)


def draw_grid(ax, values, role, window=None, padding=(0, 0), title=None):
    """Draw a matrix (H, W) on the axes `ax`, each number in a cell of its role's colour in COLORS.

    window: (row, column, height, width) to outline; padding: how many rows and columns on each side
    are drawn as padding; title: the role if not given.
    """
    from matplotlib.patches import Rectangle
    height, width = values.shape
    for i, j in itertools.product(range(height), range(width)):
        inside = padding[0] <= i < height - padding[0] and padding[1] <= j < width - padding[1]
        fill, edge = COLORS[role if inside else "padding"]
        ax.add_patch(Rectangle((j, i), 1, 1, facecolor=fill, edgecolor=edge))
        ax.text(j + .5, i + .5, f"{float(values[i, j]):g}", ha="center", va="center", fontsize=9)
    if window is not None:
        i, j, h, w = window
        ax.add_patch(Rectangle((j, i), w, h, fill=False, edgecolor=COLORS["window"][1], linewidth=3))
    ax.set(xlim=(-.1, width + .1), ylim=(height + .1, -.1), aspect="equal")
    ax.set_title(role if title is None else title, fontsize=9)
    ax.set_axis_off()


def show_grids(alt, *grids, rows=1):
    """Show matrices side by side, as many in each of the rows: each a dict of draw_grid's arguments.

    Cells have the same size in every figure. alt: the figure's text for screen readers.
    """
    from matplotlib import pyplot as plt
    cell, letter, title, columns = .34, .07, .35, len(grids) // rows  # inches
    widths = [max(max(cell * (grid["values"].shape[1] + .2), letter * len(grid.get("title") or grid["role"]))
                  for grid in grids[c::columns]) + .25 for c in range(columns)]
    heights = [max(cell * (grid["values"].shape[0] + .2) for grid in grids[r * columns:(r + 1) * columns])
               + title for r in range(rows)]
    figure = plt.figure(figsize=(sum(widths), sum(heights) + .1))
    for k, grid in enumerate(grids):
        (r, c), (h, w) = divmod(k, columns), ((n + .2) * cell for n in grid["values"].shape)
        left = sum(widths[:c]) + (widths[c] - w) / 2
        bottom = sum(heights[r + 1:]) + (heights[r] - title - h) / 2 + .05
        draw_grid(figure.add_axes((left / figure.get_figwidth(), bottom / figure.get_figheight(),
                                   w / figure.get_figwidth(), h / figure.get_figheight())), **grid)
    show_figure(figure, alt)


# ---- Exercises ----

def check(answer, expected, *cases):
    """Hold an answer against the expected one; AssertionError says how they differ.

    With cases, tuples of arguments, both are functions and are called with each; else both are
    tensors or numbers. Whole numbers must be equal, others may differ by rounding.
    """
    pairs = [(answer(*case), expected(*case)) for case in cases] or [(answer, expected)]
    for n, (got, want) in enumerate(pairs, 1):
        if problem := _difference(torch.as_tensor(got).detach(), torch.as_tensor(want).detach()):
            raise AssertionError(f"case {n} of {len(pairs)}: {problem}")
    print("right" if not cases else f"right: {len(pairs)} of {len(pairs)} cases agree")


def _difference(got, want):
    """What is wrong with a tensor, in words; "" if nothing is."""
    if got.shape != want.shape:
        return f"the shape is {tuple(got.shape)}, expected {tuple(want.shape)}"
    exact = not (got.is_floating_point() or want.is_floating_point())
    got, want = got.double(), want.double()
    close = got == want if exact else torch.isclose(got, want, rtol=1e-4, atol=1e-5)
    if close.all():
        return ""
    slips = {"the sign is turned round": -got} if got.numel() > 1 else {}
    if got.dim() >= 2:
        slips |= {"it is flipped both ways": got.flip(-2, -1), "rows and columns are swapped": got.mT}
    for slip, mended in slips.items():
        if mended.shape == want.shape and torch.allclose(mended, want, rtol=1e-4, atol=1e-5):
            return slip
    place, form = tuple((~close).nonzero()[0].tolist()), ".0f" if exact else "g"
    return (f"{got[place].item():{form}}, expected {want[place].item():{form}}, at index {list(place)}; "
            f"{int((~close).sum())} of {close.numel()} values are wrong")


# ---- Devices, one block ----

def try_gpu(i=0):
    """CUDA device i, else Apple's MPS, else the CPU; D2LMINI_DEVICE overrides. ValueError if i < 0."""
    if i < 0:
        raise ValueError(f"devices are numbered from 0, not {i}")
    if os.environ.get("D2LMINI_DEVICE"):
        return torch.device(os.environ["D2LMINI_DEVICE"])
    if i < torch.cuda.device_count():
        return torch.device("cuda", i)
    if i > 0:
        warnings.warn(f"there is no GPU {i}: taking the CPU", stacklevel=2)
    return torch.device("mps" if i == 0 and torch.backends.mps.is_available() else "cpu")


def try_all_gpus():
    """All CUDA devices; where there is none or D2LMINI_DEVICE is set, [try_gpu()]."""
    count = 0 if os.environ.get("D2LMINI_DEVICE") else torch.cuda.device_count()
    return [torch.device("cuda", i) for i in range(count)] or [try_gpu()]


class Residual(nn.Module):
    """Two 3x3 convolutions plus their input (He et al. 2015); notebook 12.

    (N, input_channels, H, W) -> (N, num_channels, H / strides, W / strides), rounded up; RuntimeError
    where the shape changes and use_1x1conv is off.
    """

    def __init__(self, input_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.conv3 = (nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides)
                      if use_1x1conv else None)
        self.bn1, self.bn2 = nn.BatchNorm2d(num_channels), nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        return F.relu(Y + (X if self.conv3 is None else self.conv3(X)))
