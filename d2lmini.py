"""d2lmini: the helpers of the notebooks, named as in Dive into Deep Learning.

    import d2lmini as d2l

Code written for the book's package (https://d2l.ai) runs unchanged. It needs
torch; matplotlib, IPython and torchvision are imported only where used.

    D2LMINI_DATA    folder with the four Fashion-MNIST files, packed or not
    D2LMINI_DEVICE  where to compute: cpu, cuda:0, mps, … (default: the best)
"""
import contextlib
import copy
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
import statistics
import sys
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

__all__ = [
    "COLORS", "Accumulator", "Animator", "Residual", "Timer", "accuracy",
    "check", "corr2d", "corr2d_multi_in", "corr2d_multi_in_out",
    "draw_blocks", "evaluate_accuracy_gpu", "fashion_mnist_files",
    "get_fashion_mnist_labels", "he_init", "layer_table",
    "load_data_fashion_mnist", "momentum", "net_size", "one_cycle", "pool2d",
    "show_figure", "show_grids", "show_images", "train_ch6", "try_all_gpus",
    "try_gpu", "xavier_init"]


# ---- Sliding windows ----

def corr2d(X, K):
    """X (H, W) ⋆ K (h, w) -> (H-h+1, W-w+1): cross-correlation, notebook 02.

    Keeps type and device, differentiable. ValueError where K does not fit.
    """
    return corr2d_multi_in(X[None], K[None])


def corr2d_multi_in(X, K):
    """X (c_i, H, W), K (c_i, h, w) -> (H-h+1, W-w+1); else as corr2d."""
    return corr2d_multi_in_out(X, K[None])[0]


def corr2d_multi_in_out(X, K):
    """X (c_i, H, W), K (c_o, c_i, h, w) -> (c_o, H-h+1, W-w+1); as corr2d."""
    if (X.dim(), K.dim()) != (3, 4) or len(X) != K.shape[1] or any(
            not 0 < k <= n for k, n in zip(K.shape[2:], X.shape[1:])):
        raise ValueError(f"X {(*X.shape,)} and K {(*K.shape,)} do not fit: "
                         "expected (c_i, H, W) and (c_o, c_i, h, w)")
    dtype = torch.result_type(X, K)
    floats = dtype.is_floating_point or dtype.is_complex
    where = X.device if floats else "cpu"  # no GPU convolves whole numbers
    Y = F.conv2d(X[None].to(where, dtype), K.to(where, dtype))
    return Y[0].to(X.device)


def pool2d(X, pool_size, mode="max"):
    """X (H, W), window (h, w), stride 1 -> (H-h+1, W-w+1); notebook 05."""
    if X.dim() != 2 or mode not in ("max", "avg"):
        raise ValueError("expected X (H, W) and the mode 'max' or 'avg', not "
                         f"{(*X.shape,)} and {mode!r}")
    windows = X.unfold(0, pool_size[0], 1).unfold(1, pool_size[1], 1)
    return windows.amax((2, 3)) if mode == "max" else windows.mean((2, 3))


# ---- Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) ----

DATA = Path(__file__).resolve().parent / "data"
MIRRORS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/"
    "fashion/", "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/")
TIMEOUT = 15  # seconds without a byte, then it is the next mirror's turn
STAND_IN = "stand-in data"
UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965"}


class Batches:
    """An iterable of batches with len: what load_data_fashion_mnist gives."""

    def __init__(self, images, labels, batch_size, resize, shuffle, source):
        self.images, self.labels = images, labels  # uint8 (n, 28, 28), (n,)
        self.batch_size, self.resize = batch_size, resize
        self.shuffle, self.source = shuffle, source

    def __len__(self):
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self):
        _keep_memory()
        n, device = len(self.labels), self.labels.device
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for index in order.to(device).split(self.batch_size):
            # index_select is eight times as fast as images[index].
            X = self.images.index_select(0, index).unsqueeze(1) / 255
            if self.resize is not None:
                # Larger images need no antialiasing, which old Macs lack.
                shrinks = bool((torch.tensor(self.resize) < 28).any())
                X = F.interpolate(X, self.resize, mode="bilinear",
                                  antialias=shrinks)
            yield X, self.labels[index].long()

    @property
    def dataset(self):
        """All (image, label), as bytes; len() counts them."""
        return torch.utils.data.TensorDataset(self.images, self.labels)

    def to(self, device):
        """The same batches, gathered and converted on `device`."""
        return Batches(self.images.to(device), self.labels.to(device),
                       self.batch_size, self.resize, self.shuffle, self.source)


def load_data_fashion_mnist(batch_size, resize=None):
    """(train_iter, test_iter): X float32 (N, 1, S, S) in [0, 1], y int64 (N,).

    S is 28, or `resize`. torch's global generator shuffles the training set
    for each epoch. No worker processes: the bytes stay in memory. ValueError
    or OSError name a file that is damaged or missing, and what to do.
    """
    files = fashion_mnist_files()
    folder = files["train-images-idx3-ubyte"].parent.name
    source = STAND_IN if folder == "stand-in" else "Fashion-MNIST"
    parts = [_read_idx(name, path, source) for name, path in files.items()]
    return (Batches(*parts[:2], batch_size, resize, True, source),
            Batches(*parts[2:], batch_size, resize, False, source))


def fashion_mnist_files():
    """Where the four files are: {"train-images-idx3-ubyte": path, …}.

    In D2LMINI_DATA if it is set, else in data/ or, where nobody may write
    there, beside what torch.hub downloads; else downloaded. With no network
    a stand-in is drawn, and a notice says so. A path may end in .gz.
    """
    chosen = os.environ.get("D2LMINI_DATA")
    if chosen:
        files = _files_in(Path(chosen).expanduser())
        if len(files) < 4:
            lacking = ", ".join(sorted(UNPACKED_MD5.keys() - files))
            raise FileNotFoundError(f"put {lacking}, packed or not, into the "
                                    f"folder D2LMINI_DATA names: {chosen!r}")
        return files
    writable = os.access(DATA if DATA.exists() else DATA.parent, os.W_OK)
    folder = DATA if writable else Path(torch.hub.get_dir()).parent / "d2lmini"
    files = (_complete(DATA, folder)
             or (_download(folder) and _complete(folder))
             or _complete(DATA / "stand-in", folder / "stand-in"))
    if not files:
        script = runpy.run_path(str(DATA / "make_standin.py"))
        script["write"](folder / "stand-in")
        files = _files_in(folder / "stand-in")
    return files


def _files_in(folder):
    """{name: path} of those of the four files that are in the folder."""
    return {name: path for name in UNPACKED_MD5
            for place in (folder, folder / "FashionMNIST" / "raw")
            for path in (place / name.replace("-idx", ".idx"),  # on Windows
                         place / name, place / f"{name}.gz")
            if path.is_file()}


def _complete(*folders):
    """The files of the first folder that has all four, else {}."""
    return next((files for files in map(_files_in, folders)
                 if len(files) == 4), {})


@functools.lru_cache(maxsize=8)
def _read_idx(name, path, source):
    """One IDX file as a uint8 tensor: images (n, 28, 28), labels (n,)."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            raw = bytearray(file.read())
        md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
        if source != STAND_IN and md5 != UNPACKED_MD5[name]:
            raise ValueError("its md5 is another")
    except (gzip.BadGzipFile, EOFError, ValueError, zlib.error) as why:
        raise ValueError(f"{path} is not Fashion-MNIST's {name}: {why}. Delete"
                         " it and run again, or put a good one there") from why
    values = torch.frombuffer(raw, dtype=torch.uint8)
    return values[16:].view(-1, 28, 28) if "images" in name else values[8:]


@functools.cache  # one attempt, and one notice, per process
def _download(data):
    """Download the files into the folder `data`; True if that worked."""
    raw = data / "FashionMNIST" / "raw"
    problems, timeout = [], socket.getdefaulttimeout()
    for mirror in MIRRORS:
        try:
            socket.setdefaulttimeout(TIMEOUT)
            from torchvision.datasets import FashionMNIST
            raw.mkdir(parents=True, exist_ok=True)
            # Beside the target, then renamed: no half file, no clash of two.
            with (tempfile.TemporaryDirectory("", "download-", data) as folder,
                  contextlib.redirect_stdout(sys.stderr)):
                ours = type("FashionMNIST", (FashionMNIST,),
                            {"mirrors": [mirror]})  # its own is plain http
                done = Path(ours(folder, download=True).raw_folder)
                for name in UNPACKED_MD5:
                    os.replace(done / f"{name}.gz", raw / f"{name}.gz")
            return True
        except Exception as why:  # a network may fail in any way
            problems.append(f"{mirror}: {why}")
        finally:
            socket.setdefaulttimeout(timeout)
    print("Fashion-MNIST could not be downloaded:", *problems,
          "(A torchvision that fits: pip install --upgrade torch torchvision)",
          "Using STAND-IN DATA, drawn shapes: good for trying, no result to "
          f"quote. For the real set\nput its four .gz files into {raw}\n"
          "or a folder that D2LMINI_DATA names, and restart the kernel.",
          sep="\n", file=sys.stderr)
    return False


def get_fashion_mnist_labels(labels=range(10)):
    """Names of the class numbers 0 … 9, a list or tensor; all by default."""
    names = ("t-shirt", "trouser", "pullover", "dress", "coat",
             "sandal", "shirt", "sneaker", "bag", "ankle boot")
    return [names[int(label)] for label in labels]


# ---- Training ----

# At most these epochs, and batches in each, where D2LMINI_PROFILE is "test",
# as `make test` sets it. Plain descent needs two epochs to get going.
TEST_CAPS = {"plain": (2, 240), "with a schedule": (1, 100)}

# Layers that give the same in any order of memory: no .view, no random mask.
ANY_ORDER = {nn.Sequential, nn.Conv2d, nn.AvgPool2d, nn.MaxPool2d, nn.Flatten,
             nn.Linear, nn.Sigmoid, nn.Tanh, nn.ReLU}


def xavier_init(module):
    """Xavier-uniform weights for Linear and Conv2d (Glorot, Bengio 2010)."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)


def he_init(module):
    """Normal weights of variance 2 / inputs, for ReLU (He et al. 2015)."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def momentum(parameters, lr):
    """SGD with momentum 0.9 and weight decay 5e-4; notebook 07."""
    return torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=5e-4)


def one_cycle(optimizer, steps):
    """The rate climbs to the optimizer's lr, then falls to almost nothing.

    Its momentum falls from 0.95 to 0.85 and climbs again (Smith 2018).
    """
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, optimizer.defaults["lr"], total_steps=steps)


class History:
    """What train_ch6 measured, in lists with an entry per epoch, and source.

    The train_loss and train_acc are means while the weights change, test_acc
    is measured after it, the seconds are those of a clock, all included.
    """

    def __init__(self, source):
        self.train_loss, self.train_acc, self.test_acc = [], [], []
        self.seconds, self.source = [], source

    def _ipython_display_(self):
        """Show nothing as the last line of a cell."""


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device, *,
              optimizer=torch.optim.SGD, scheduler=None,
              init_weights=xavier_init, rehearse=False):
    """Train a classifier as the documents do; draws, prints, gives a History.

    train_iter, test_iter: iterables of (X, y) with len. optimizer(parameters,
    lr=lr) makes the optimizer, scheduler(optimizer, steps) what steps after
    every batch; init_weights(part) starts each part of the network, None
    keeps the weights; for a fresh start of biases and running statistics too
    make a new network. rehearse=True: on a CPU, try a few batches and tell how
    long all would take. ValueError for no data, FloatingPointError for a loss
    that is not finite; Interrupted, a KeyboardInterrupt, when you stop it: the
    network keeps what it has learned. Notebook 06.
    """
    device = torch.device(device or try_gpu())
    testing = os.environ.get("D2LMINI_PROFILE") == "test"
    rehearse = rehearse and device.type == "cpu"
    most = num_epochs, sys.maxsize  # epochs, and batches in each
    if rehearse:
        most = 1, 1 if testing else 4
    elif testing:
        most = TEST_CAPS["with a schedule" if scheduler else "plain"]
    epochs, batches = min(num_epochs, most[0]), min(len(train_iter), most[1])
    if testing:
        print(f"D2LMINI_PROFILE=test: {epochs} x {batches} batches")
    if any(map(nn.parameter.is_lazy, net.parameters())):
        net_size(net, next(iter(train_iter))[0])  # gives them their shapes
    if init_weights is not None:
        net.apply(init_weights)
    print("training on", device)
    net.to(device)
    opt = optimizer(net.parameters(), lr=lr)
    schedule = scheduler(opt, epochs * batches) if scheduler else None
    history = History(getattr(train_iter, "source", None))
    curves = _TrainingCurves(epochs, batches, history.source)
    examples = size = 0
    train_iter, test_iter = (
        data.to(device) if isinstance(data, Batches) else data
        for data in (train_iter, test_iter))
    try:
        with _mode(net, training=True), _fast_on_cpu(net, device):
            for epoch in range(epochs):
                began, sums = time.perf_counter(), Accumulator(3)
                few = itertools.islice(train_iter, most[1])
                for step, (X, y) in enumerate(few, 1):
                    X, y = _to_device(X, y, device)
                    size = len(y)
                    opt.zero_grad()
                    y_hat = net(X)
                    loss = F.cross_entropy(y_hat, y)
                    loss.backward()
                    opt.step()
                    if schedule is not None:
                        schedule.step()
                    n, examples = y.numel(), examples + size
                    sums.add(loss.float() * n, _count_right(y_hat, y), n)
                    curves.watch(epoch, step, sums)
                when = f" in epoch {epoch + 1}"
                loss, acc = _means(sums, "train_iter" + when)
                few = itertools.islice(test_iter, 1 if rehearse else None)
                _, test_acc = _means(_evaluate(net, few, device),
                                     "test_iter" + when)
                curves.add(epoch + 1, (loss, acc, test_acc))
                history.train_loss.append(loss)
                history.train_acc.append(acc)
                history.test_acc.append(test_acc)
                history.seconds.append(time.perf_counter() - began)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted in epoch {len(history.seconds) + 1}: the network "
            "keeps what it has learned so far") from None
    except RuntimeError as why:
        if "memory" in str(why):
            print(f"{size} examples do not fit into the memory of {device}: "
                  f"load with batch_size={size // 2}")
        raise
    finally:
        curves.finish()
    if not history.seconds:
        return history
    losses, seconds = history.train_loss, sum(history.seconds)
    print(f"loss {losses[-1]:.3f}, train acc {history.train_acc[-1]:.3f}, "
          f"test acc {history.test_acc[-1]:.3f}"
          + f" ({STAND_IN})" * (history.source == STAND_IN))
    print(f"{examples / seconds:.1f} examples/sec on {device}")
    if len(losses) > 2 and losses[-1] > .98 * losses[0]:
        print("the loss has hardly fallen: nothing was learned. Try a smaller "
              "lr, another seed or initialisation.")
    if rehearse:
        hours = seconds * num_epochs * len(train_iter) / batches / 3600
        print(f"rehearsal: {batches} of {num_epochs} x {len(train_iter)} "
              f"batches; all would take about {hours:.1f} h here")
    return history


class Interrupted(KeyboardInterrupt):
    """Ends a cell, and those that wait behind it, with one line."""

    def _render_traceback_(self):  # IPython asks for it
        return [str(self)]


def _to_device(X, y, device):
    """A batch, tensors or arrays, on the device; X may be a list."""
    y = torch.as_tensor(y, device=device)
    if y.dim() == 0:
        raise ValueError("expected batches (X, y), not single examples: wrap "
                         "the data set in torch.utils.data.DataLoader")
    if isinstance(X, (list, tuple)):
        return [torch.as_tensor(x, device=device) for x in X], y
    return torch.as_tensor(X, device=device), y


def _means(sums, data):
    """(loss, accuracy) of the sums over an epoch of the data."""
    loss, right, labels = sums
    if not labels:
        raise ValueError(f"no batch from {data}: is it empty or used up?")
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}: take a smaller lr")
    return loss / labels, right / labels


@functools.cache  # once for the process
def _keep_memory():
    """Let glibc, if it is there, keep up to 1 GiB of memory for reuse.

    Else it gives the memory of each batch back to the system and fetches
    zeroed pages for the next: a fifth of LeNet's time, half of the loader's
    where images are large.
    """
    with contextlib.suppress(OSError):  # another system
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-1, 2 ** 30)  # M_TRIM_THRESHOLD
        if not libc.mallopt(-3, 2 ** 30):  # M_MMAP_THRESHOLD
            libc.mallopt(-3, 2 ** 25)  # the most that older ones take


@contextlib.contextmanager
def _fast_on_cpu(net, device):
    """Inside, what makes training faster on a CPU and changes no result."""
    # The channels of a pixel side by side: the same up to rounding.
    reorder = device.type == "cpu" and all(
        type(part) in ANY_ORDER for part in net.modules())
    if reorder:
        net.to(memory_format=torch.channels_last)
    _keep_memory()
    try:
        yield
    finally:
        if reorder:
            net.to(memory_format=torch.contiguous_format)


@contextlib.contextmanager
def _mode(net, training):
    """Train or eval mode inside, each part's own mode afterwards."""
    modes = {part: part.training for part in getattr(net, "modules", list)()}
    if modes:  # a network may be a function
        net.train(training)
    try:
        yield
    finally:
        for part, was_training in modes.items():
            part.training = was_training


def _device_of(net, otherwise="cpu"):
    parameters = getattr(net, "parameters", list)()
    return next((p.device for p in parameters), torch.device(otherwise))


def evaluate_accuracy_gpu(net, data_iter, device=None):
    """Share of right predictions, 0 to 1, over an iterable of (X, y).

    X may be a list of tensors; device: by default the network's. Notebook 06.
    """
    device = _device_of(net) if device is None else device
    return _means(_evaluate(net, data_iter, device), "data_iter")[1]


def _evaluate(net, data_iter, device):
    """Sums of nothing (no loss), right answers and labels."""
    sums = Accumulator(3)
    with _mode(net, training=False), torch.no_grad():
        for X, y in data_iter:
            X, y = _to_device(X, y, device)
            sums.add(0, _count_right(net(X), y), y.numel())
    return sums


def accuracy(y_hat, y):
    """Number of right predictions: scores (N, C, …) or classes (N, …) for y.

    ValueError where the shape of y is not (N, …).
    """
    return float(_count_right(y_hat, y))


def _count_right(y_hat, y):
    """accuracy() as a tensor, which does not wait for a GPU."""
    if not torch.is_tensor(y_hat):
        raise TypeError("expected one tensor of scores from the network, not "
                        f"a {type(y_hat).__name__}: let it return the scores")
    if y_hat.dim() == y.dim() + 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(1)
    if y_hat.shape != y.shape or y_hat.is_floating_point():
        raise ValueError(
            f"{(*y_hat.shape,)} does not fit labels {(*y.shape,)}: pass scores"
            " (N, classes) or classes (N,), for one score (y_hat > 0).long()")
    return (y_hat == y).sum()


def net_size(net, X):
    """(parameters, multiply-adds per example) of a network for a batch X.

    Multiply-adds of convolutions and matrix products, nearly all the work.
    """
    from torch.utils.flop_counter import FlopCounterMode
    counter = FlopCounterMode(display=False)  # multiplying and adding: two
    with _mode(net, training=False), torch.no_grad(), counter:
        net(X.to(_device_of(net, X.device)))  # shapes lazy layers
    return (sum(p.numel() for p in net.parameters()),
            counter.get_total_flops() // (2 * len(X)))


def layer_table(net, X):
    """Print output shape, parameters, multiply-adds of a Sequential's layers.

    X: a batch such as torch.rand(1, 1, 28, 28).
    """
    print("layer              output (N, …)       parameters   multiply-adds")
    X, total = X.to(_device_of(net, X.device)), net_size(net, X)
    with _mode(net, training=False), torch.no_grad():
        for layer in net:
            size, X = net_size(layer, X), layer(X)
            print(f"{type(layer).__name__:18} {(*X.shape,)!s:18} "
                  "{:11,} {:15,}".format(*size))
    print("{:37} {:11,} {:15,}".format("in all", *total))


# ---- Sums, seconds, curves ----

class Accumulator:
    """n running sums: add() takes n numbers or one-element tensors."""

    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        # Tensors stay where they are: float() would wait for a GPU.
        self.data = [a + _plain(b)
                     for a, b in zip(self.data, args, strict=True)]

    def reset(self):
        self.data = [0.0] * len(self.data)

    def __getitem__(self, idx):
        return float(self.data[idx])


def _plain(value):
    return value.detach() if torch.is_tensor(value) else value


class Timer:
    """Seconds from start() to stop(), listed in times; waits for a GPU."""

    def __init__(self):
        self.times = []
        self.start()

    def start(self):
        self.tik = self._now()

    def stop(self):
        self.times.append(self._now() - self.tik)
        return self.times[-1]

    def avg(self):
        return statistics.fmean(self.times)

    def sum(self):
        return sum(self.times)

    def cumsum(self):
        return list(itertools.accumulate(self.times))

    @staticmethod
    def _now():
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        elif torch.backends.mps.is_available():
            torch.mps.synchronize()
        return time.perf_counter()


class Animator:
    """Curves that grow: add(x, y) or add(x, (y1, y2, None)), None: no point.

    In a notebook one PNG is redrawn in place, at most about 3 % of the time;
    elsewhere a line is printed where x is whole and each curve has a point.
    """

    def __init__(self, xlabel=None, ylabel=None, legend=None, xlim=None,
                 ylim=None, xscale="linear", yscale="linear",
                 fmts=("-", "m--", "g-.", "r:"), nrows=1, ncols=1,
                 figsize=(3.5, 2.5)):
        if nrows * ncols != 1:
            raise ValueError("an Animator draws one chart: make one for each")
        if xlim is not None and xlim[0] == xlim[1]:
            xlim = None  # the documents' [1, num_epochs] for one epoch
        self.charts = [(slice(None), {  # which curves, and how
            "xlabel": xlabel, "ylabel": ylabel, "xlim": xlim, "ylim": ylim,
            "xscale": xscale, "yscale": yscale})]
        self.X, self.Y, self.fmts, self.figsize = [], [], fmts, figsize
        self.legend = [legend] if isinstance(legend, str) else (
            [] if legend is None else list(map(str, legend)))
        self.title, self._id = "", f"curves {time.time_ns()}"
        self._shell, self._next = _notebook_shell(), 0

    def add(self, x, y):
        many = isinstance(y, (list, tuple)) or getattr(y, "ndim", 0)
        for k, value in enumerate(y if many else [y]):
            if k == len(self.X):
                self.X.append([])
                self.Y.append([])
                self.legend += [f"y{k + 1}"] * (k == len(self.legend))
            if value is not None:
                self.X[k].append(float(x))
                self.Y[k].append(float(_plain(value)))
        if self._shell is None:
            if x % 1 == 0 and all(X[-1:] == [x] for X in self.X):
                print(f"{self.charts[0][1]['xlabel'] or 'x'} {x:.0f}:",
                      ", ".join(f"{name} {Y[-1]:.3f}" for name, Y
                                in zip(self.legend, self.Y)))
        elif time.perf_counter() > self._next:
            self.draw()
        else:  # at the latest after the cell: a loop may end before its time
            self._shell.events.register("post_run_cell", self.draw)

    def draw(self, result=None):
        """Show all points so far, in a notebook."""
        from matplotlib import style
        from matplotlib.figure import Figure  # pyplot keeps every figure open
        began = time.perf_counter()
        with style.context("default"):  # whatever the style of the page
            figure = Figure(figsize=self.figsize, layout="constrained")
            figure.suptitle(self.title, fontsize=10)
            axes = figure.subplots(1, len(self.charts), squeeze=False)[0]
            for ax, (curves, settings) in zip(axes, self.charts):
                for k in range(len(self.X))[curves]:
                    ax.plot(self.X[k], self.Y[k],
                            self.fmts[k % len(self.fmts)],
                            marker="o" if len(self.X[k]) == 1 else None,
                            label=self.legend[k])
                ax.set(**settings)
                ax.grid()
                ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2,
                          frameon=False)  # never over a curve
            _display(figure, f"curves: {', '.join(self.legend)}",
                     display_id=self._id, update=self._next > 0)
        took = time.perf_counter() - began
        self._next = began + max(0.3, 30 * took)
        if self.draw in self._shell.events.callbacks["post_run_cell"]:
            self._shell.events.unregister("post_run_cell", self.draw)


class _TrainingCurves(Animator):
    """What train_ch6 shows: loss and accuracy side by side, the time left."""

    def __init__(self, epochs, batches, source):
        super().__init__(figsize=(7.5, 2.8), legend=[
            "train loss", "train acc", "test acc"])
        loss = {"xlabel": "epoch", "xlim": (0, epochs)}
        accuracy = {"ylim": (0, 1), "yticks": [k / 10 for k in range(11)]}
        self.charts = [(slice(1), loss), (slice(1, 3), loss | accuracy)]
        self.epochs, self.batches = epochs, max(1, batches)
        self.name = self.title = STAND_IN if source == STAND_IN else ""
        self.began = time.perf_counter()

    def add(self, x, y):
        if self.epochs * self.batches >= 5:  # a handful makes no curve
            super().add(x, y)

    def watch(self, epoch, step, sums):
        """After each batch: each fifth of an epoch makes a point."""
        if step % max(1, self.batches // 5) == 0:
            x = epoch + min(1, step / self.batches)
            took = time.perf_counter() - self.began
            if took > 10:
                minutes = math.ceil(took * (self.epochs / x - 1) / 60)
                self.title = f"{self.name} about {minutes} min left"
            self.add(x, (*_means(sums, "train_iter"), None))

    def finish(self):
        """Draw what there is, without the time left."""
        self.title = self.name
        if self._shell is not None and self.X:
            self.draw()


# ---- Figures ----

# Role or kind of layer: (fill, edge), from the colours for all readers of
# Okabe and Ito (https://jfly.uni-koeln.de/color/).
COLORS = {
    "input": ("#cfe5f5", "#0072b2"), "kernel": ("#fbdca0", "#b97d00"),
    "output": ("#c9eadf", "#009e73"), "padding": ("#f2f2f2", "#999999"),
    "window": ("none", "#d55e00"), "frame": ("none", "#777777"),
    "conv": ("#fbdca0", "#b97d00"), "pool": ("#f2d3e5", "#b0487f"),
    "dense": ("#f6f0a0", "#8a8200"), "norm": ("#d9d9d9", "#595959"),
    "activation": ("#ffffff", "#333333")}


def _notebook_shell():
    """IPython's shell if a kernel is behind it that shows pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


def _display(figure, alt, **place):
    """Show a figure as a PNG: sharp, small, white on any page."""
    from IPython.display import display
    from PIL import Image
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=180, facecolor="white")
    image = Image.open(file).convert("RGB").quantize(128)
    image.save(file := io.BytesIO(), format="png")
    size = {"width": image.width // 2, "height": image.height // 2}
    display({"image/png": file.getvalue(), "text/plain": alt}, raw=True,
            metadata={"image/png": {"alt": alt, **size}}, **place)


def show_figure(figure, alt):
    """Show a matplotlib figure; alt is its text for screen readers."""
    from matplotlib import pyplot as plt
    if _notebook_shell() is None:
        return plt.show()
    plt.close(figure)
    _display(figure, alt)


def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5, *, alt=None):
    """Show images, (n, H, W) or a list of (H, W), in a grid with titles.

    With alt, their text for screen readers, they are shown at once; without
    it at the end of the cell, and the axes are returned, to be drawn on.
    """
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(
        num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale),
        squeeze=False, layout="constrained", facecolor="white")
    for ax in axes.flat:
        ax.set_axis_off()
    titles = itertools.repeat("") if titles is None else titles
    for ax, image, title in zip(axes.flat, imgs, titles):
        ax.set_axis_on()  # a thin frame: white ends where the page begins
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color(COLORS["padding"][1])
        ax.imshow(image.numpy(force=True) if torch.is_tensor(image) else image,
                  cmap="gray")
        ax.set_title(title, fontsize=9, color="black")
    if alt is None:
        return axes.flatten()
    show_figure(figure, alt)


def show_grids(alt, *grids):
    """Show matrices of numbers side by side, such as X, "⋆", K, "=", Y.

    A grid is a sign, or a dict: values (H, W), role (in COLORS), window (row,
    column, height, width) to outline, padding (rows, columns) on each side to
    draw as such, title (else the role). alt: text for screen readers.
    """
    widths = [1 if isinstance(grid, str) else .5 + max(
        grid["values"].shape[1], .24 * len(grid.get("title", grid["role"])))
        for grid in grids]
    height = max(len(grid["values"]) for grid in grids
                 if not isinstance(grid, str))
    ax = _axes((0, sum(widths)), (-1, height + .2), (.34, .34))
    for grid, width, end in zip(grids, widths, itertools.accumulate(widths)):
        middle = end - width / 2, height / 2
        if isinstance(grid, str):
            size = 28 if grid == "⋆" else 16  # fonts draw it small
            ax.text(*middle, grid, **WORDS | {"fontsize": size})
        else:
            _draw_grid(ax, *middle, **grid)
    show_figure(ax.figure, alt)


def _draw_grid(ax, x, y, values, role, window=None, padding=(0, 0),
               title=None):
    """Draw a matrix around the point (x, y)."""
    (h, w), (p, q) = values.shape, padding
    left, top = x - w / 2, y - h / 2
    for i, j in itertools.product(range(h), range(w)):
        inside = p <= i < h - p and q <= j < w - q
        _box(ax, (left + j, top + i), (1, 1), role if inside else "padding",
             f"{float(values[i, j]):g}")
    if window is not None:
        i, j, *size = window
        _box(ax, (left + j, top + i), size[::-1], "window", lw=3)
    ax.text(x, top - .4, role if title is None else title, **WORDS)


WORDS = {"ha": "center", "va": "center", "fontsize": 9, "color": "black"}


def _axes(x, y, unit):
    """Bare axes over a whole figure: (from, to) in x and y, inches per 1."""
    from matplotlib import pyplot as plt
    size = unit[0] * (x[1] - x[0]), unit[1] * (y[1] - y[0])
    ax = plt.figure(figsize=size).add_axes((0, 0, 1, 1), xlim=x, ylim=y[::-1])
    ax.set_axis_off()
    return ax


def _box(ax, corner, size, role, text="", **style):
    """Draw a rectangle in the colours of its role, a text in the middle."""
    from matplotlib.patches import Rectangle
    (x, y), (width, height), (fill, edge) = corner, size, COLORS[role]
    ax.add_patch(Rectangle((x, y), width, height, fc=fill, ec=edge, **style))
    ax.text(x + width / 2, y + height / 2, text, **WORDS)


def draw_blocks(alt, blocks, down=False):
    """Draw a network as boxes and arrows, from left to right or down.

    blocks: a list, in the order of the data, of
      ("conv", "3×3, 64")          a box: its kind in COLORS, and its text
      ("× 2", [block, …])          a frame around blocks, and its text
      ([block, …], [], …, "+")     paths, [] a bare line, and how they join
    alt: the figure's text for screen readers.
    """
    length, breadth = _extent(blocks)
    turn = -1 if down else 1  # [::turn] swaps (along, across)
    ax = _axes(*((.2, length + .12), (0, breadth))[::turn], (1.3, .6))
    _draw_blocks(ax, turn, blocks, 0, breadth / 2)
    show_figure(ax.figure, alt)


def _extent(part):
    """(length, breadth) of a block, or a list of them, along the data."""
    if isinstance(part, list):  # one behind the other
        lengths, breadths = zip((0, 1), *map(_extent, part))
        return sum(lengths), max(breadths)
    inner = [_extent(p) for p in part if isinstance(p, list)] or [(0, 1)]
    lengths, breadths = zip(*inner)
    if isinstance(part[-1], list):  # in a frame
        return lengths[0], breadths[0] + .7
    return max(lengths) + 1, sum(breadths)  # a box, or paths that join


def _draw_blocks(ax, turn, blocks, at, across):
    """Draw the blocks from `at` on, on the line `across`."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    def line(*points, style="-|>"):
        ax.add_patch(FancyArrowPatch(
            path=Line([point[::turn] for point in points]), arrowstyle=style,
            mutation_scale=10, color="#333333"))

    def box(at, length, breadth, role, text="", **style):
        _box(ax, (at, across - breadth / 2)[::turn], (length, breadth)[::turn],
             role, text, **style)

    for block in blocks:
        (length, breadth), (*paths, text) = _extent(block), block
        end, side = at + length, across - breadth / 2
        if isinstance(text, list):
            box(at + .1, length, breadth - .1, "frame", ls="--")
            ax.text(*(at + .15, side + .1)[::turn], paths[0],
                    **WORDS | {"ha": "left", "va": "top"})
            _draw_blocks(ax, turn, text, at, across)
        elif isinstance(paths[0], str):
            if at:
                line((at, across), (at + .24, across))
            box(at + .24, .76, .62, paths[0], text)
        else:
            for path in paths:
                n, m = _extent(path)
                lane, side = side + m / 2, side + m
                line((at, across), (at, lane), style="-")
                _draw_blocks(ax, turn, path, at, lane)
                line((at + n, lane), (end - .8, lane), (end - .8, across),
                     (end - .5, across))
            box(end - .5, .5, .62, "activation", text)
        at = end


# ---- Exercises ----

def check(answer, cases):
    """Compare answer(*arguments) with what is right, for each of the cases.

    cases: a list of (arguments, right): a tuple, and a number, a tensor or a
    list of numbers. Whole numbers must be equal, others may differ by
    rounding. Prints "right", or "not yet" and what is wrong; never raises, so
    that the cells below an unanswered exercise still run.
    """
    for n, (arguments, right) in enumerate(cases, 1):
        try:  # with copies: an answer may work in place
            problem = _difference(answer(*copy.deepcopy(arguments)), right)
        except Exception as why:  # anything may go wrong in an answer
            problem = f"{type(why).__name__}: {why}"
        if problem:
            return print(f"not yet: case {n} of {len(cases)}: {problem}")
    print("right")


def _difference(got, right):
    """What is wrong with an answer, in words; "" if nothing is."""
    if got is None:
        return "it gives nothing (None): is the answer returned?"
    got, right = (torch.as_tensor(x).detach().cpu() for x in (got, right))
    if got.shape != right.shape:
        return f"the shape is {(*got.shape,)}, not {(*right.shape,)}"
    whole = not (got.is_floating_point() or right.is_floating_point())
    got, right = got.double(), right.double()

    def same(a):
        return a == right if whole else a.isclose(right, 1e-4, 1e-5)
    if same(got).all():
        return ""
    slips = {"the sign is turned round": -got, "it is 1 too large": got - 1,
             "it is 1 too small": got + 1}
    if got.dim() > 1:
        slips |= {"it is flipped both ways": got.flip(-2, -1),
                  "rows and columns are swapped": got.mT}
    for slip, mended in slips.items():
        if mended.shape == right.shape and same(mended).all():
            return slip
    at, form = (~same(got)).nonzero()[0].tolist(), ".0f" if whole else "g"
    place = f", at index {at}" if at else ""
    return f"{got[tuple(at)]:{form}}, not {right[tuple(at)]:{form}}{place}"


# ---- Devices, one block ----

def try_gpu(i=0):
    """GPU i (CUDA), else Apple's, else the CPU; D2LMINI_DEVICE overrides."""
    if os.environ.get("D2LMINI_DEVICE"):
        return torch.device(os.environ["D2LMINI_DEVICE"])
    if 0 <= i < torch.cuda.device_count():
        return torch.device("cuda", i)
    if i != 0:
        warnings.warn(f"there is no GPU {i}: taking the CPU", stacklevel=2)
    mps = i == 0 and torch.backends.mps.is_available()
    return torch.device("mps" if mps else "cpu")


def try_all_gpus():
    """All CUDA devices; without one, or with D2LMINI_DEVICE, [try_gpu()]."""
    count = torch.cuda.device_count()
    chosen = os.environ.get("D2LMINI_DEVICE")
    gpus = [] if chosen else [torch.device("cuda", i) for i in range(count)]
    return gpus or [try_gpu()]


class Residual(nn.Module):
    """Two 3x3 convolutions plus their input (He et al. 2015); notebook 12."""

    def __init__(self, input_channels, num_channels, use_1x1conv=False,
                 strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3,
                               padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3,
                               padding=1)
        self.conv3 = nn.Conv2d(input_channels, num_channels, kernel_size=1,
                               stride=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        return F.relu(Y + (X if self.conv3 is None else self.conv3(X)))
