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
    if not (X.dim() == 3 and K.dim() == 4 and X.shape[0] == K.shape[1]
            and all(0 < k <= n for k, n in zip(K.shape[2:], X.shape[1:]))):
        raise ValueError(
            f"X {(*X.shape,)} and K {(*K.shape,)} do not fit: expected X (c_i,"
            " H, W) and K (c_o, c_i, h, w), h <= H, w <= W; corr2d puts 1s in"
            " front, corr2d_multi_in a 1 for c_o")
    dtype = torch.result_type(X, K)
    if dtype.is_floating_point or dtype.is_complex:
        return F.conv2d(X[None].to(dtype), K.to(dtype))[0]
    # Whole numbers: GPUs have no convolution for them.
    windows = X.unfold(1, K.shape[2], 1).unfold(2, K.shape[3], 1)
    return torch.stack([(windows * k[:, None, None]).sum(
        (0, 3, 4), dtype=dtype) for k in K])


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
        n, device = len(self.labels), self.labels.device
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for index in order.to(device).split(self.batch_size):
            X = self.images.index_select(0, index).unsqueeze(1) / 255
            if self.resize is not None:
                X = F.interpolate(X, (self.resize, self.resize),
                                  mode="bilinear", antialias=True)
            yield X, self.labels[index].long()

    def to(self, device):
        """The same batches, gathered and converted on `device`."""
        moved = copy.copy(self)
        moved.images = self.images.to(device)
        moved.labels = self.labels.to(device)
        return moved


def load_data_fashion_mnist(batch_size, resize=None):
    """(train_iter, test_iter): X float32 (N, 1, S, S) in [0, 1], y int64 (N,).

    S is 28, or `resize`. torch's global generator shuffles the training set
    for each epoch. No worker processes: the bytes stay in memory, and
    train_ch6 moves them to the device that trains. OSError or ValueError name
    a file that is missing or damaged, and what to do.
    """
    files = fashion_mnist_files()
    folder = files["train-images-idx3-ubyte"].parent.name
    source = STAND_IN if folder == "stand-in" else "Fashion-MNIST"
    parts = [_read_idx(name, path, source) for name, path in files.items()]
    return (Batches(*parts[:2], batch_size, resize, True, source),
            Batches(*parts[2:], batch_size, resize, False, source))


def fashion_mnist_files():
    """Where the four files are: {"train-images-idx3-ubyte": path, …}.

    In D2LMINI_DATA if it is set, else in data/, else downloaded; with no
    network a stand-in is drawn, and a notice says so. A path may end in .gz.
    """
    chosen = os.environ.get("D2LMINI_DATA")
    folder = Path(chosen).expanduser() if chosen else DATA
    raw, stand_in = folder / "FashionMNIST" / "raw", DATA / "stand-in"
    files = _files_in(folder, raw)
    if chosen and len(files) < 4:
        raise FileNotFoundError(
            f"D2LMINI_DATA is {chosen!r}, but that folder lacks "
            f"{', '.join(sorted(UNPACKED_MD5.keys() - files))}. Put the .gz "
            "there, or unset D2LMINI_DATA to download the data.")
    if len(files) < 4 and _download(raw):
        files = _files_in(raw)
    if len(files) < 4:
        if len(_files_in(stand_in)) < 4:
            runpy.run_path(str(DATA / "make_standin.py"))["write"](stand_in)
        files = _files_in(stand_in)
    return files


def _files_in(*folders):
    """{name: path} of the files that are there; the last place wins."""
    places = ((name, folder / (name + ending)) for name in UNPACKED_MD5
              for folder in folders for ending in ("", ".gz"))
    return {name: path for name, path in places if path.is_file()}


@functools.lru_cache(maxsize=8)
def _read_idx(name, path, source):
    """One IDX file as a uint8 tensor: images (n, 28, 28), labels (n,)."""
    raw, problem = bytearray(), "its md5 is another"
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            raw = bytearray(file.read())
    except (OSError, EOFError, zlib.error) as why:
        problem = str(why)
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if not raw or (source != STAND_IN and md5 != UNPACKED_MD5[name]):
        raise ValueError(
            f"{path} is not Fashion-MNIST's {name}: {problem}. Delete it and "
            f"run again, or put the official {name}.gz in its place.")
    values = torch.frombuffer(raw, dtype=torch.uint8)
    return values[16:].view(-1, 28, 28) if "images" in name else values[8:]


@functools.cache  # one attempt, and one notice, per process
def _download(raw):
    """Download the files into the folder `raw`; True if that worked."""
    problems, timeout = [], socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        from torchvision.datasets import FashionMNIST
        raw.mkdir(parents=True, exist_ok=True)
        for mirror in MIRRORS:  # torchvision has one, plain http
            ours = type("FashionMNIST", (FashionMNIST,), {"mirrors": [mirror]})
            # Beside the target, then renamed: no half file, no clash of two.
            with tempfile.TemporaryDirectory("", "download-", DATA) as folder:
                try:
                    with contextlib.redirect_stdout(sys.stderr):
                        done = Path(ours(folder, download=True).raw_folder)
                    for name in UNPACKED_MD5:
                        os.replace(done / f"{name}.gz", raw / f"{name}.gz")
                    return True
                except (OSError, EOFError, RuntimeError) as why:
                    problems.append(f"{mirror}: {str(why).splitlines()[-1]}")
    except (ImportError, RuntimeError, OSError) as why:
        problems.append(f"{why}. (If that is torchvision, builds that fit: "
                        "pip install --upgrade torch torchvision)")
    finally:
        socket.setdefaulttimeout(timeout)
    print("Fashion-MNIST could not be downloaded:", *problems,
          "Using STAND-IN DATA, drawn shapes: good for trying the code, no "
          f"result to quote.\nFor the real set put its four .gz files into "
          f"{raw}\nor into a folder that D2LMINI_DATA names, and restart the "
          "kernel.", sep="\n", file=sys.stderr)
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
    """What train_ch6 measured, a list with an entry per epoch for each.

    train_loss, train_acc: means while the weights change; test_acc: after it;
    seconds: wall-clock, all included. source: which data set, if known.
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
    lr=lr) makes the optimizer, scheduler(optimizer, steps) a schedule that
    steps every batch; init_weights is applied to each part of the network,
    None keeps its weights. With rehearse=True a CPU tries a few batches only,
    and tells how long all would take. Interrupting keeps network, curves and
    History. FloatingPointError for a loss that is not finite, ValueError for
    no data. Notebook 06.
    """
    device, epochs, batches = torch.device(device), num_epochs, len(train_iter)
    testing = os.environ.get("D2LMINI_PROFILE") == "test"
    if rehearse and device.type == "cpu":
        share = (1 if testing else 4) / batches
        few = [list(itertools.islice(data, math.ceil(share * len(data))))
               for data in (train_iter, test_iter)]
        history = train_ch6(net, *few, 1, lr, device, optimizer=optimizer,
                            scheduler=scheduler, init_weights=init_weights)
        took = epochs * history.seconds[0] * batches / len(few[0])
        print(f"rehearsal: {len(few[0])} of {epochs} x {batches} batches; all "
              f"would take about {_duration(took)} here")
        return history
    if testing:
        caps = TEST_CAPS["with a schedule" if scheduler else "plain"]
        epochs, batches = min(epochs, caps[0]), min(batches, caps[1])
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
    train_iter, test_iter = (
        data.to(device) if isinstance(data, Batches) else data
        for data in (train_iter, test_iter))
    try:
        with _fast_on_cpu(net, device):
            for _ in range(epochs):
                began = time.perf_counter()
                loss, acc = _train_epoch(net, itertools.islice(
                    train_iter, batches), opt, schedule, device, curves.batch)
                history.train_loss.append(loss)
                history.train_acc.append(acc)
                history.test_acc.append(
                    evaluate_accuracy_gpu(net, test_iter, device))
                curves.add(len(history.test_acc),
                           (None, None, history.test_acc[-1]))
                history.seconds.append(time.perf_counter() - began)
    except KeyboardInterrupt:
        print(f"interrupted in epoch {len(history.seconds) + 1}: the network "
              "keeps what it has learned so far")
    finally:
        curves.note("")
    if history.seconds:
        _report(history, curves.examples / sum(history.seconds), device)
    return history


def _report(history, speed, device):
    """The documents' two lines, and a word if nothing was learned."""
    losses = history.train_loss
    print(f"loss {losses[-1]:.3f}, train acc {history.train_acc[-1]:.3f}, "
          f"test acc {history.test_acc[-1]:.3f}"
          + f" ({STAND_IN})" * (history.source == STAND_IN))
    print(f"{speed:.1f} examples/sec on {device}")
    if len(losses) > 2 and losses[-1] > .98 * losses[0]:
        print("the loss has hardly fallen: nothing was learned. Try a smaller "
              "lr, another seed or initialisation.")


def _train_epoch(net, batches, opt, schedule, device, watch):
    """Train on the batches; gives the means of loss and accuracy."""
    sums = torch.zeros(3, device=device)  # loss, right answers, labels
    with _mode(net, training=True):
        for X, y in batches:
            try:
                opt.zero_grad()
                y = y.to(device)
                y_hat = net(_to(X, device))
                loss = F.cross_entropy(y_hat, y)
                loss.backward()
                opt.step()
            except RuntimeError as why:
                if "memory" in str(why):
                    print(f"{len(y)} examples do not fit into the memory of "
                          f"{device}: load with batch_size={len(y) // 2}")
                raise
            if schedule is not None:
                schedule.step()
            with torch.no_grad():  # on the device: nobody waits for a GPU
                n = torch.full_like(loss, y.numel(), dtype=torch.float32)
                sums += torch.stack((loss * n, _count_right(y_hat, y), n))
            watch(sums, len(y))
    return _means(sums)


def _means(sums):
    """(loss, accuracy) of the sums over an epoch, if they are finite."""
    loss, right, labels = sums.tolist()
    if not labels:
        raise ValueError("train_iter gave no batch: is it a used-up iterator?")
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss}: the steps are too "
                                 "large. Take a smaller lr.")
    return loss / labels, right / labels


@contextlib.contextmanager
def _fast_on_cpu(net, device):
    """Inside, what makes training faster on a CPU and changes no result."""
    cpu = device.type == "cpu"
    # The channels of a pixel side by side: the same up to rounding.
    reorder = cpu and all(type(part) in ANY_ORDER for part in net.modules())
    if reorder:
        net.to(memory_format=torch.channels_last)
    if cpu and sys.platform == "linux":
        # glibc gives each batch's memory back to the system and fetches
        # zeroed pages for the next, a quarter of LeNet's time: keep 1 GiB.
        with contextlib.suppress(OSError, AttributeError):  # another libc
            for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
                ctypes.CDLL("libc.so.6").mallopt(option, 2 ** 30)
    try:
        yield
    finally:
        if reorder:
            net.to(memory_format=torch.contiguous_format)


@contextlib.contextmanager
def _mode(net, training):
    """Train or eval mode inside, each part's own mode afterwards."""
    parts = list(net.modules()) if isinstance(net, nn.Module) else []
    modes = [part.training for part in parts]
    for part in parts:
        part.training = training
    try:
        yield
    finally:
        for part, was_training in zip(parts, modes):
            part.training = was_training


def _to(X, device):
    many = isinstance(X, (list, tuple))
    return type(X)(x.to(device) for x in X) if many else X.to(device)


def evaluate_accuracy_gpu(net, data_iter, device=None):
    """Share of right predictions over an iterable of (X, y), from 0 to 1.

    device: by default where the network's parameters are. X may be a list of
    tensors. The network's mode is put back. Notebook 06.
    """
    if device is None:
        parameters = net.parameters() if isinstance(net, nn.Module) else ()
        device = next(iter(parameters), torch.zeros(0)).device
    right, labels = 0, 0
    with _mode(net, training=False), torch.no_grad():
        for X, y in data_iter:
            y = y.to(device)
            right = right + _count_right(net(_to(X, device)), y)
            labels += y.numel()
    if not labels:
        raise ValueError("data_iter gave no batch: is it a used-up iterator?")
    return float(right) / labels


def accuracy(y_hat, y):
    """Number of right predictions; ValueError where shapes do not fit.

    y_hat: scores (N, C, …) or classes (N, …), y: classes (N, …).
    """
    return float(_count_right(y_hat, y))


def _count_right(y_hat, y):
    """accuracy() as a tensor, which does not wait for a GPU."""
    if y_hat.dim() == y.dim() + 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(1)
    if y_hat.shape != y.shape or y_hat.is_floating_point():
        raise ValueError(
            f"{y_hat.dtype} {(*y_hat.shape,)} cannot be compared with labels "
            f"{(*y.shape,)}: pass scores (N, classes) or class numbers (N,); "
            "for one score per example pass (y_hat > 0).long()")
    return (y_hat == y).sum()


def net_size(net, X):
    """(parameters, multiply-adds per example) of a network for a batch X.

    Multiply-adds of convolutions and matrix products, nearly all the work.
    """
    work = _forward(net, X)[1]  # first, since it shapes lazy layers
    return sum(p.numel() for p in net.parameters()), work


def layer_table(net, X):
    """Print output shape, parameters, multiply-adds of a Sequential's layers.

    X: a batch such as torch.rand(1, 1, 28, 28).
    """
    print("layer           output (N, …)       parameters   multiply-adds")
    parameters, total = net_size(net, X)
    for layer in net:
        X, work = _forward(layer, X)
        print(f"{type(layer).__name__:15} {(*X.shape,)!s:18} "
              f"{sum(p.numel() for p in layer.parameters()):11,} {work:15,}")
    print(f"{'in all':34} {parameters:11,} {total:15,}")


def _forward(net, X):
    """(output, multiply-adds per example) of a pass in evaluation mode."""
    from torch.utils.flop_counter import FlopCounterMode
    device = next((p.device for p in net.parameters()), X.device)
    counter = FlopCounterMode(display=False)  # multiplying and adding: two
    with _mode(net, training=False), torch.no_grad(), counter:
        return net(X.to(device)), counter.get_total_flops() // (2 * len(X))


# ---- Sums, seconds, curves ----

class Accumulator:
    """n running sums: add() takes n numbers or one-element tensors."""

    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        if len(args) != len(self.data):
            raise ValueError(f"add() takes {len(self.data)} values, one per "
                             f"sum, not {len(args)}")
        self.data = [a + _number(b) for a, b in zip(self.data, args)]

    def reset(self):
        self.data = [0.0] * len(self.data)

    def __getitem__(self, idx):
        return float(self.data[idx])


def _number(value):
    """A float; on CUDA still a tensor, since float() would wait for it."""
    if torch.is_tensor(value):
        value = value.detach()
        return value.double() if value.is_cuda else float(value)
    return float(value)


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
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        elif torch.backends.mps.is_available():
            torch.mps.synchronize()
        return time.perf_counter()


class Animator:
    """Curves that grow: add(x, y) or add(x, (y1, y2, None)), None: no point.

    In a notebook one PNG is redrawn in place, at most about 3 % of the time;
    elsewhere a line is printed when x is whole and each curve has a new point.
    """

    def __init__(self, xlabel=None, ylabel=None, legend=None, xlim=None,
                 ylim=None, xscale="linear", yscale="linear",
                 fmts=("-", "m--", "g-.", "r:"), nrows=1, ncols=1,
                 figsize=(3.5, 2.5)):
        if nrows * ncols != 1:
            raise ValueError("an Animator draws one chart: make one for each")
        if xlim is not None and xlim[0] == xlim[1]:
            xlim = None  # the documents' [1, num_epochs] for one epoch
        self.settings = {"xlabel": xlabel or "", "ylabel": ylabel or "",
                         "xlim": xlim, "ylim": ylim, "xscale": xscale,
                         "yscale": yscale}
        self.X, self.Y, self.fmts, self.figsize = [], [], fmts, figsize
        self.legend = [] if legend is None else list(legend)
        self._shell, self._handle = _notebook_shell(), None
        self._next_frame, self._fresh = 0.0, {}  # curve: value not shown yet

    def add(self, x, y):
        many = isinstance(y, (list, tuple)) or getattr(y, "ndim", 0)
        for k, value in enumerate(y if many else [y]):
            if k == len(self.X):
                self.X.append([])
                self.Y.append([])
                self.legend += [f"y{k + 1}"] * (k == len(self.legend))
            if value is not None:
                self.X[k].append(float(x))
                self.Y[k].append(float(_number(value)))
                self._fresh[k] = self.Y[k][-1]
        if self._shell is not None:
            self.draw()
        elif float(x).is_integer() and len(self._fresh) == len(self.Y):
            print(f"{self.settings['xlabel'] or 'x'} {x:.0f}:", ", ".join(
                f"{self.legend[k]} {self._fresh.pop(k):.3f}"
                for k in range(len(self.Y))))

    def draw(self, now=False):
        """Show every point so far (in a notebook), now or when it is time."""
        began = time.perf_counter()
        if self._shell is None:
            return
        if not now and began < self._next_frame:
            # At the latest after the cell: a loop may end before that time.
            self._shell.events.register("post_run_cell", self._draw_last)
            return
        from IPython.display import display
        png, metadata = _png(self._draw_charts(),
                             f"curves: {', '.join(self.legend)}")
        if self._handle is None:
            self._handle = display(png, metadata=metadata, raw=True,
                                   display_id=True)
        else:
            self._handle.update(png, metadata=metadata, raw=True)
        took = time.perf_counter() - began
        self._next_frame = began + max(0.3, 30 * took)

    def _draw_last(self, result=None):
        self._shell.events.unregister("post_run_cell", self._draw_last)
        self.draw(now=True)

    def _draw_charts(self):
        from matplotlib.figure import Figure  # pyplot keeps every figure open
        figure = Figure(figsize=self.figsize, layout="constrained")
        self._draw_curves(figure.subplots(), range(len(self.Y)))
        return figure

    def _draw_curves(self, chart, which, **legend):
        for k in which:
            chart.plot(self.X[k], self.Y[k], self.fmts[k % len(self.fmts)],
                       marker="o" if len(self.X[k]) == 1 else None,
                       label=self.legend[k])
        chart.set(**self.settings)
        chart.grid()
        chart.legend(**legend)


class _TrainingCurves(Animator):
    """What train_ch6 shows: loss and accuracy side by side, the time left."""

    def __init__(self, epochs, batches, source):
        super().__init__(xlabel="epoch", xlim=[0, epochs], figsize=(7.5, 2.8),
                         legend=["train loss", "train acc", "test acc"])
        self.epochs, self.batches, self.source = epochs, batches, source
        self.steps, self.examples, self.title = 0, 0, ""
        self.started = self.noted = time.perf_counter()
        if epochs * batches < 5:
            self._shell = None  # a handful of batches makes no curve

    def batch(self, sums, examples):
        """After each batch: each fifth of an epoch makes a point."""
        self.steps, self.examples = self.steps + 1, self.examples + examples
        if self.steps % self.batches % max(1, self.batches // 5) == 0:
            self.add(self.steps / self.batches, (*_means(sums), None))
        now = time.perf_counter()
        if now > self.noted + 10:
            left = self.epochs * self.batches / self.steps - 1
            self.note(f"about {_duration(left * (now - self.started))} left")

    def note(self, text):
        """Put a text above the charts."""
        self.title, self.noted = text, time.perf_counter()
        self.draw(now=True)

    def _draw_charts(self):
        from matplotlib.figure import Figure
        figure = Figure(figsize=self.figsize, layout="constrained")
        title = (STAND_IN if self.source == STAND_IN else "", self.title)
        figure.suptitle("  ".join(filter(None, title)), fontsize=10)
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2,
                 "frameon": False}  # never over a curve
        loss, acc = figure.subplots(1, 2)
        self._draw_curves(loss, range(len(self.Y))[:1], **above)
        self._draw_curves(acc, range(len(self.Y))[1:], **above)
        acc.set(ylim=(0, 1), yticks=[tenth / 10 for tenth in range(11)])
        return figure


def _duration(seconds):
    """In whole minutes, at least one; from 1.5 hours on in whole hours."""
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.0f} h"


# ---- Figures ----

# Role or kind of layer: (fill, edge), from the colours for all readers of
# Okabe and Ito (https://jfly.uni-koeln.de/color/). A convolution looks like
# the kernels it holds.
COLORS = {
    "input": ("#cfe5f5", "#0072b2"), "kernel": ("#fbdca0", "#b97d00"),
    "output": ("#c9eadf", "#009e73"), "padding": ("#f2f2f2", "#999999"),
    "window": ("none", "#d55e00"), "frame": ("none", "#777777"),
    "conv": ("#fbdca0", "#b97d00"),
    "pool": ("#f2d3e5", "#b0487f"), "dense": ("#f6f0a0", "#8a8200"),
    "norm": ("#d9d9d9", "#595959"), "activation": ("#ffffff", "#333333")}


def _notebook_shell():
    """IPython's shell if a kernel is behind it that shows pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


def _png(figure, alt):
    """A figure for IPython's display: sharp, small, white on any page."""
    from PIL import Image
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=180, facecolor="white")
    image = Image.open(file).convert("RGB").quantize(128)
    image.save(file := io.BytesIO(), format="png")
    size = {"width": image.width // 2, "height": image.height // 2}
    return ({"image/png": file.getvalue(), "text/plain": alt},
            {"image/png": {"alt": alt, **size}})


def show_figure(figure, alt):
    """Show a matplotlib figure; alt is its text for screen readers."""
    from matplotlib import pyplot as plt
    if _notebook_shell() is None:
        return plt.show()
    from IPython.display import display
    plt.close(figure)
    png, metadata = _png(figure, alt)
    display(png, metadata=metadata, raw=True)


def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5, *, alt=None):
    """Show images, (n, H, W) or a list of (H, W), in a grid with titles.

    With alt, their text for screen readers, they are shown at once; without
    it at the end of the cell, and the axes are returned, to be drawn on.
    """
    from matplotlib import pyplot as plt
    figure, axes = plt.subplots(
        num_rows, num_cols, figsize=(num_cols * scale, num_rows * scale),
        squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for k, (ax, image) in enumerate(zip(axes.flat, imgs)):
        ax.imshow(image.numpy(force=True) if torch.is_tensor(image) else image,
                  cmap="gray")
        ax.set_title("" if titles is None else titles[k], fontsize=9)
    if alt is None:
        return axes.flatten()
    show_figure(figure, alt)


def show_grids(alt, *grids):
    """Show matrices of numbers side by side, such as X, "⋆", K, "=", Y.

    A grid is a sign, or a dict: values (H, W), role (in COLORS), window (row,
    column, height, width) to outline, padding (rows, columns) on each side to
    draw as such, title (else the role). alt: text for screen readers.
    """
    from matplotlib import pyplot as plt
    widths = [1 if isinstance(grid, str) else .5 + max(
        grid["values"].shape[1], .24 * len(grid.get("title", grid["role"])))
        for grid in grids]
    height = 1.2 + max(len(grid["values"]) for grid in grids
                       if not isinstance(grid, str))
    figure, axes = plt.subplots(  # a cell measures .34 inches in every figure
        1, len(grids), squeeze=False, width_ratios=widths,
        figsize=(.34 * sum(widths), .34 * height), gridspec_kw={
            "left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": 0})
    for ax, grid, width in zip(axes.flat, grids, widths):
        ax.set(xlim=(-width / 2, width / 2), ylim=(height / 2, -height / 2))
        ax.set_axis_off()
        if isinstance(grid, str):
            ax.text(0, .5, grid, ha="center", va="center", fontsize=16)
        else:
            _draw_grid(ax, **grid)
    show_figure(figure, alt)


def _draw_grid(ax, values, role, window=None, padding=(0, 0), title=None):
    """Draw a matrix in the middle of the axes, half a cell further down."""
    (h, w), (p, q) = values.shape, padding
    x, y = -w / 2, .5 - h / 2
    for i, j in itertools.product(range(h), range(w)):
        inside = p <= i < h - p and q <= j < w - q
        _rectangle(ax, (x + j, y + i), (1, 1), role if inside else "padding")
        ax.text(x + j + .5, y + i + .5, f"{float(values[i, j]):g}",
                ha="center", va="center", fontsize=9)
    if window is not None:
        i, j, height, width = window
        _rectangle(ax, (x + j, y + i), (width, height), "window", lw=3)
    ax.text(0, y - .2, role if title is None else title, ha="center",
            fontsize=9)


def _rectangle(ax, corner, size, role, **style):
    from matplotlib.patches import Rectangle
    fill, edge = COLORS[role]
    ax.add_patch(Rectangle(corner, *size, fc=fill, ec=edge, **style))


def draw_blocks(alt, blocks, down=False):
    """Draw a network as boxes and arrows, from left to right or down.

    blocks: a list, in the order of the data, of
      ("conv", "3×3, 64")          a box: its kind in COLORS, and its text
      ("× 2", [block, …])          a frame around blocks, and its text
      ([block, …], [], …, "+")     paths, [] a bare line, and how they join
    alt: the figure's text for screen readers.
    """
    from matplotlib import pyplot as plt
    length, breadth = _extent(blocks)
    turn = -1 if down else 1
    width, height = (length, breadth)[::turn]
    figure = plt.figure(figsize=(1.3 * width, .6 * height))
    ax = figure.add_axes((.02, .02, .96, .96), ylim=(height + .02, .2 * down),
                         xlim=(.2 * (not down), width + .02))
    ax.set_axis_off()
    _draw_blocks(ax, turn, blocks, 0, breadth / 2)
    show_figure(figure, alt)


def _extent(blocks):
    """(length, breadth) in boxes, along and across the way of the data."""
    sizes = [(0, 1)]
    for *paths, last in blocks:
        parts = [_extent(part) for part in (*paths, last)
                 if isinstance(part, list)]
        frame = isinstance(last, list)
        sizes.append((max((n for n, _ in parts), default=0) + (not frame),
                      sum(m for _, m in parts) + .7 * frame))
    return sum(n for n, _ in sizes), max(m for _, m in sizes)


def _draw_blocks(ax, turn, blocks, at, across):
    """Draw the blocks from `at` on; turn -1 swaps along and across."""
    def line(*points, style="-|>"):
        ax.plot(*zip(*(point[::turn] for point in points)), "#333333", lw=1)
        ax.annotate("", points[-1][::turn], points[-2][::turn], arrowprops={
            "arrowstyle": style, "color": "#333333", "shrinkA": 0,
            "shrinkB": 0})

    def box(at, across, length, role, text):
        _rectangle(ax, (at, across - .31)[::turn], (length, .62)[::turn], role)
        ax.text(*(at + length / 2, across)[::turn], text, ha="center",
                va="center", fontsize=9)

    for *paths, last in blocks:
        length, breadth = _extent([(*paths, last)])
        end, side = at + length, across - breadth / 2
        if isinstance(last, list):
            _rectangle(ax, (at + .1, side + .05)[::turn],
                       (length, breadth - .1)[::turn], "frame", ls="--")
            ax.text(*(at + .15, side + .2)[::turn], paths[0], fontsize=9,
                    va="center" if turn > 0 else "top")
            _draw_blocks(ax, turn, last, at, across)
        elif isinstance(paths[0], list):
            for path in paths:
                n, m = _extent(path)
                lane, side = side + m / 2, side + m
                fork = (at, across), (at, lane)
                if path:
                    line(*fork, style="-")
                    fork = ()
                    _draw_blocks(ax, turn, path, at, lane)
                line(*fork, (at + n, lane), (end - .8, lane),
                     (end - .8, across), (end - .5, across))
            box(end - .5, across, .5, "activation", last)
        else:
            if at:
                line((at, across), (at + .24, across))
            box(at + .24, across, .76, paths[0], last)
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
            print(f"not yet: case {n} of {len(cases)}: {problem}")
            return
    print("right")


def _difference(got, want):
    """What is wrong with an answer, in words; "" if nothing is."""
    if got is None:
        return "it gives nothing (None): is the answer returned?"
    got, want = (torch.as_tensor(x).detach().cpu() for x in (got, want))
    if got.shape != want.shape:
        return f"the shape is {(*got.shape,)}, not {(*want.shape,)}"
    whole = not (got.is_floating_point() or want.is_floating_point())
    got, want = got.double(), want.double()
    close = got == want if whole else got.isclose(want, 1e-4, 1e-5)
    if close.all():
        return ""
    slips = {"the sign is turned round": -got, "it is 1 too large": got - 1,
             "it is 1 too small": got + 1}
    if got.dim() > 1:
        slips |= {"it is flipped both ways": got.flip(-2, -1),
                  "rows and columns are swapped": got.mT}
    for slip, mended in slips.items():
        if mended.shape == want.shape and mended.allclose(want, 1e-4, 1e-5):
            return slip
    place = (~close).nonzero()[0].tolist()
    form, got, want = ".0f" if whole else "g", got[~close][0], want[~close][0]
    return f"{got:{form}}, not {want:{form}}" + f", at index {place}" * any(
        close.shape)


# ---- Devices, one block ----

def try_gpu(i=0):
    """CUDA device i, else Apple's MPS, else the CPU; D2LMINI_DEVICE overrides.
    """
    if i < 0:
        raise ValueError(f"devices are numbered from 0, not {i}")
    if os.environ.get("D2LMINI_DEVICE"):
        return torch.device(os.environ["D2LMINI_DEVICE"])
    if i < torch.cuda.device_count():
        return torch.device("cuda", i)
    if i > 0:
        warnings.warn(f"there is no GPU {i}: taking the CPU", stacklevel=2)
    mps = i == 0 and torch.backends.mps.is_available()
    return torch.device("mps" if mps else "cpu")


def try_all_gpus():
    """All CUDA devices; without one, or with D2LMINI_DEVICE, [try_gpu()]."""
    chosen = os.environ.get("D2LMINI_DEVICE")
    count = 0 if chosen else torch.cuda.device_count()
    return [torch.device("cuda", i) for i in range(count)] or [try_gpu()]


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
