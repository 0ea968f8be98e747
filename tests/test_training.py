"""Training, counting, timing and drawing: the documents' behaviour, without the faults of their helpers."""
import copy
import inspect
import itertools
import subprocess
import sys
import time

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from torch import nn

import d2lmini as d2l


def toy_batches(n=8, size=16, seed=0):
    """Batches of 8x8 pictures in two classes: bright above or bright below."""
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(n):
        y = torch.randint(0, 2, (size,), generator=generator)
        X = torch.rand(size, 1, 8, 8, generator=generator)
        X[y == 1, :, :4] += 1
        batches.append((X, y))
    return batches


def toy_net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5),
                         nn.Flatten(), nn.Linear(144, 2))


def document_recipe(net, train_iter, num_epochs, lr):
    """The optimisation steps of the documents' train_ch6, and nothing else."""
    def init_weights(m):
        if type(m) is nn.Linear or type(m) is nn.Conv2d:
            nn.init.xavier_uniform_(m.weight)
    net.apply(init_weights)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(num_epochs):
        net.train()
        for X, y in train_iter:
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(net(X), y).backward()
            optimizer.step()
        net.eval()


# ---- The interface ----

SIGNATURES = {
    "corr2d": "(X, K)", "corr2d_multi_in": "(X, K)", "corr2d_multi_in_out": "(X, K)",
    "pool2d": "(X, pool_size, mode='max')", "load_data_fashion_mnist": "(batch_size, resize=None)",
    "accuracy": "(y_hat, y)", "evaluate_accuracy_gpu": "(net, data_iter, device=None)",
    "train_ch6": "(net, train_iter, test_iter, num_epochs, lr, device, *, optimizer, scheduler, "
                 "init_weights, channels_last)",
    "try_gpu": "(i=0)", "try_all_gpus": "()", "Accumulator": "(n)", "Timer": "()",
    "Animator": "(xlabel=None, ylabel=None, legend=None, xlim=None, ylim=None, xscale='linear', "
                "yscale='linear', fmts=('-', 'm--', 'g-.', 'r:'), nrows=1, ncols=1, figsize=(3.5, 2.5), "
                "*, title)",
    "Residual": "(input_channels, num_channels, use_1x1conv=False, strides=1)",
    "show_images": "(imgs, num_rows, num_cols, titles=None, scale=1.5, *, alt)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_frozen(name):
    signature = inspect.signature(getattr(d2l, name))
    parameters = [p.replace(default=p.empty) if p.kind is p.KEYWORD_ONLY else p
                  for p in signature.parameters.values()]
    assert str(signature.replace(parameters=parameters)) == SIGNATURES[name]


def test_every_public_name_is_documented():
    assert set(SIGNATURES) <= set(d2l.__all__)
    for name in d2l.__all__:
        thing = getattr(d2l, name)
        assert not callable(thing) or inspect.getdoc(thing), f"{name} has no docstring"


def test_import_needs_torch_alone():
    script = """
import sys
for name in ("matplotlib", "IPython", "torchvision", "ipywidgets", "pandas"):
    sys.modules[name] = None
import torch, d2lmini
from torch import nn
net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0]))]
d2lmini.train_ch6(net, batches, batches, 1, 0.1, "cpu")
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=d2l.DATA.parent, capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stderr
    assert "epoch 1: train loss" in result.stdout


def test_code_for_the_book_runs_unchanged(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "d2l", type(sys)("d2l"))
    monkeypatch.setitem(sys.modules, "d2l.torch", d2l)
    sys.modules["d2l"].torch = d2l
    code = """
from d2l import torch as d2l
animator = d2l.Animator(xlabel='epoch', xlim=[1, 2], legend=['train loss', 'train acc', 'test acc'])
timer, metric = d2l.Timer(), d2l.Accumulator(3)
for epoch in range(2):
    for i, (X, y) in enumerate(train_iter):
        timer.start()
        y_hat = net(X)
        l = loss(y_hat, y)
        with torch.no_grad():
            metric.add(l * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
        timer.stop()
        animator.add(epoch + (i + 1) / len(train_iter), (metric[0] / metric[2], metric[1] / metric[2], None))
    animator.add(epoch + 1, (None, None, d2l.evaluate_accuracy_gpu(net, train_iter)))
speed = metric[2] / timer.sum()
"""
    namespace = {"torch": torch, "net": toy_net(), "train_iter": toy_batches(), "loss": nn.CrossEntropyLoss()}
    exec(code, namespace)
    assert namespace["metric"][2] == 2 * 8 * 16 and namespace["speed"] > 0
    assert capsys.readouterr().out.count("test acc") == 2


# ---- train_ch6 ----

def test_same_steps_as_the_documents():
    results = []
    for function in (lambda net, data: document_recipe(net, data, 3, 0.1),
                     lambda net, data: d2l.train_ch6(net, data, data, 3, 0.1, "cpu")):
        torch.manual_seed(0)
        net = toy_net()
        function(net, toy_batches())
        results.append(net.state_dict())
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


def test_printed_lines(capsys):
    d2l.train_ch6(toy_net(), toy_batches(), toy_batches(), 2, 0.1, torch.device("cpu"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training on cpu"
    assert lines[1].startswith("epoch 1: train loss ") and lines[2].startswith("epoch 2: train loss ")
    loss, train_acc, test_acc = (part.rsplit(" ", 1) for part in lines[3].split(", "))
    assert [loss[0], train_acc[0], test_acc[0]] == ["loss", "train acc", "test acc"]
    assert all(len(part[1].split(".")[1]) == 3 for part in (loss, train_acc, test_acc))
    speed, words = lines[4].split(" ", 1)
    assert float(speed) > 0 and words == "examples/sec on cpu" and len(lines) == 5


def test_learns_and_keeps_a_history():
    net, batches = toy_net(), toy_batches(n=20)
    torch.manual_seed(0)
    history = d2l.train_ch6(net, batches, toy_batches(seed=1), 5, 0.1, "cpu")
    assert history.test_acc[-1] > 0.95 and history.train_loss[-1] < history.train_loss[0]
    assert len(history.train_acc) == len(history.seconds) == 5 and min(history.seconds) > 0
    assert history.test_acc[-1] == d2l.evaluate_accuracy_gpu(net, toy_batches(seed=1))
    assert history._ipython_display_() is None


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_few_batches(n):
    assert len(d2l.train_ch6(toy_net(), toy_batches(n), toy_batches(1), 2, 0.1, "cpu").test_acc) == 2


def test_speed_counts_loading_and_evaluation(capsys):
    class Slow(list):
        def __iter__(self):
            for batch in list.__iter__(self):
                time.sleep(0.05)
                yield batch
    d2l.train_ch6(toy_net(), Slow(toy_batches(4)), Slow(toy_batches(4)), 1, 0.1, "cpu")
    speed = float(capsys.readouterr().out.splitlines()[-1].split()[0])
    assert speed < 4 * 16 / (8 * 0.05), "64 examples, and 0.4 s of waiting in loading and evaluation"


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="0 epochs of 8 batches"):
        d2l.train_ch6(toy_net(), toy_batches(), toy_batches(), 0, 0.1, "cpu")
    with pytest.raises(ValueError, match="1 epochs of 0 batches"):
        d2l.train_ch6(toy_net(), [], toy_batches(), 1, 0.1, "cpu")


def test_loss_that_is_not_finite():
    with pytest.raises(FloatingPointError, match=r"epoch \d, batch \d+: .* Take an lr below 1e\+38"):
        d2l.train_ch6(toy_net(), toy_batches(), toy_batches(), 3, 1e38, "cpu")


def test_chance_level_is_reported(capsys):
    net, noise = toy_net(), [(X, 1 - y) for X, y in toy_batches()]
    d2l.train_ch6(net, toy_batches(), noise, 3, 0.1, "cpu")
    assert "chance level" in capsys.readouterr().out
    d2l.train_ch6(net, toy_batches(), toy_batches(), 3, 0.1, "cpu")
    assert "chance level" not in capsys.readouterr().out


def test_interrupt_keeps_what_was_learned(capsys):
    class Interrupted(list):
        passes = 0

        def __iter__(self):
            self.passes += 1
            for i, batch in enumerate(list.__iter__(self)):
                if self.passes == 3 and i == 4:  # the first pass is train_ch6 looking at the shape
                    raise KeyboardInterrupt
                yield batch
    net = toy_net()
    history = d2l.train_ch6(net, Interrupted(toy_batches()), toy_batches(), 5, 0.1, "cpu")
    assert len(history.test_acc) == 1
    assert "interrupted in epoch 2" in capsys.readouterr().out
    assert net.training and d2l.evaluate_accuracy_gpu(net, toy_batches()) > 0.5


def test_modes_are_put_back():
    net = toy_net()
    net[1].eval()  # a frozen part stays frozen outside
    d2l.train_ch6(net, toy_batches(), toy_batches(), 1, 0.1, "cpu")
    d2l.evaluate_accuracy_gpu(net, toy_batches())
    assert net.training and net[3].training and not net[1].training
    net.eval()
    d2l.train_ch6(net, toy_batches(), toy_batches(), 1, 0.1, "cpu")
    assert not net.training


def test_extras():
    net, calls = toy_net(), []
    weights = net[5].weight.detach().clone()
    d2l.train_ch6(net, toy_batches(), toy_batches(), 1, 0.0, "cpu", init_weights=None)
    assert torch.equal(net[5].weight, weights), "init_weights=None and lr 0 must change nothing"

    def scheduler(optimizer, steps):
        calls.append((type(optimizer), steps))
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    d2l.train_ch6(net, toy_batches(), toy_batches(), 2, 0.01, "cpu", optimizer=torch.optim.Adam,
                  scheduler=scheduler)
    assert calls == [(torch.optim.Adam, 16)]


def test_channels_last_takes_the_same_steps_and_leaves_no_trace():
    nets, inside = [], []
    for channels_last in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3),
                            nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 2))
        net[3].register_forward_hook(lambda layer, args, maps: inside.append(
            maps.is_contiguous(memory_format=torch.channels_last)))
        d2l.train_ch6(net, toy_batches(), toy_batches(), 2, 0.1, "cpu", channels_last=channels_last)
        assert all(p.is_contiguous() for p in net.parameters())
        nets.append(net)
    half = len(inside) // 2
    assert not any(inside[:half]) and all(inside[half:])
    for p, q in zip(nets[0].parameters(), nets[1].parameters()):
        torch.testing.assert_close(p, q)


class View(nn.Module):
    """A layer of coursework that needs the usual order in memory."""

    def forward(self, X):
        return X.view(len(X), -1)


@pytest.mark.parametrize(("layers", "expected"), [
    ((nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()), True),
    ((nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), nn.Flatten()), True),
    ((nn.MaxPool2d(2), View()), False),
    ((nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten()), False),
    ((nn.Dropout(), nn.MaxPool2d(2), nn.Flatten()), False)])
def test_layers_choose_the_order_in_memory(layers, expected):
    results, orders = [], []
    for function in (lambda net, data: document_recipe(net, data, 3, 0.1),
                     lambda net, data: d2l.train_ch6(net, data, data, 3, 0.1, "cpu")):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), *copy.deepcopy(layers), nn.Linear(36, 2))
        net[0].register_forward_hook(lambda layer, args, maps: orders.append(
            maps.is_contiguous(memory_format=torch.channels_last)))
        function(net, toy_batches())
        results.append(list(net.parameters()))
    assert orders[0] is False and orders[-1] is expected
    if expected:
        torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    else:
        assert all(map(torch.equal, *results))


def test_channels_last_is_for_the_cpu_only(monkeypatch):
    net, calls = toy_net(), []
    monkeypatch.setattr(net, "to", lambda *args, **kwargs: calls.append((args, kwargs)))

    def stop(*args):
        raise InterruptedError
    monkeypatch.setattr(d2l, "_train_epoch", stop)
    with pytest.raises(InterruptedError):
        d2l.train_ch6(net, toy_batches(), toy_batches(), 1, 0.1, "mps", channels_last=True)
    assert calls == [((torch.device("mps"),), {})]


def test_lazy_layers_are_initialised():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    seen = []
    d2l.train_ch6(net, toy_batches(), toy_batches(), 1, 0.1, "cpu",
                  init_weights=lambda m: seen.append(type(m)) or d2l.xavier_init(m))
    assert nn.Conv2d in seen and nn.Linear in seen


def test_out_of_memory_names_a_batch_size():
    class Greedy(nn.Module):
        def forward(self, X):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
    net = nn.Sequential(nn.Linear(1, 1), Greedy())
    with pytest.raises(RuntimeError, match=r"a batch of 16 does not fit .* batch_size=8"):
        d2l.train_ch6(net, [(torch.zeros(16, 1), torch.zeros(16).long())], [], 1, 0.1, "cpu")


def test_other_errors_come_through():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        d2l.train_ch6(nn.Sequential(nn.Linear(3, 2)), [(torch.zeros(16, 1), torch.zeros(16).long())], [], 1,
                      0.1, "cpu")


# ---- Profiles ----

def fake_fashion(n, resize):
    return d2l.Batches(torch.zeros(n, 28, 28, dtype=torch.uint8), torch.zeros(n, dtype=torch.uint8), 2,
                       resize, False, "Fashion-MNIST")


def plan(data, device="cpu"):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 50))  # 50 multiply-adds
    return d2l._plan(net, d2l._sample(data), 5, data, data, torch.device(device))


@pytest.mark.parametrize("profile, resize, epochs, batches", [
    ("full", None, 5, 20), ("full", 64, 5, 20), ("quick", None, 5, 20), ("quick", 64, 1, 4),
    ("test", None, 3, 20), ("test", 64, 1, 1), ("", None, 5, 20), ("", 64, 1, 4)])
def test_profiles(profile, resize, epochs, batches, monkeypatch, capsys):
    monkeypatch.setenv("D2LMINI_PROFILE", profile)
    monkeypatch.setitem(d2l.PROFILES, "test", (50 * 2 * 79, 1))  # multiply-adds of nearly four epochs
    data = fake_fashion(40, resize)
    # The evaluation of small images stays complete.
    assert plan(data) == (epochs, batches, batches if resize else 20)
    told = capsys.readouterr().out
    cut = (epochs, batches) != (5, 20)
    assert told == (f"profile {profile or 'quick'}: {epochs} epochs of {batches} batches instead of 5 of 20 "
                    f"(D2LMINI_PROFILE=full runs all)\n" if cut else "")


def test_profile_test_shortens_the_epoch_of_a_large_network(monkeypatch):
    monkeypatch.setenv("D2LMINI_PROFILE", "test")
    monkeypatch.setitem(d2l.PROFILES, "test", (50 * 2 * 7, 1))
    assert plan(fake_fashion(40, None)) == (1, 7, 20)
    monkeypatch.setitem(d2l.PROFILES, "test", (1, 1))
    assert plan(fake_fashion(40, None)) == (1, 1, 20)


def test_profile_is_full_on_an_accelerator_and_must_exist(monkeypatch):
    monkeypatch.delenv("D2LMINI_PROFILE")
    data = fake_fashion(40, 64)
    assert plan(data, "cuda") == (5, 20, 20)
    monkeypatch.setenv("D2LMINI_PROFILE", "fast")
    with pytest.raises(ValueError, match="one of full, quick, test, not 'fast'"):
        plan(data)


def test_profiles_know_large_images_from_any_loader(monkeypatch, capsys):
    monkeypatch.setenv("D2LMINI_PROFILE", "quick")
    batches = [(torch.rand(2, 1, 40, 40), torch.tensor([0, 1]))] * 9
    net = nn.Sequential(nn.Flatten(), nn.Linear(1600, 2))
    d2l.train_ch6(net, batches, batches, 3, 0.01, "cpu")
    told = capsys.readouterr().out
    assert "1 epochs of 4 batches instead of 3 of 9" in told
    assert "the complete run would take about 1 min here" in told
    assert "epoch 1:" not in told, "a few batches give no curve worth looking at"


@pytest.mark.parametrize("seconds, words", [(3, "1 min"), (100, "2 min"), (5399, "90 min"), (5400, "2 h"),
                                            (44_000, "12 h")])
def test_durations_are_told_in_units_that_fit(seconds, words):
    assert d2l._duration(seconds) == words


def test_looking_at_a_batch_changes_nothing():
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    shuffled = d2l.Batches(torch.zeros(9, 28, 28, dtype=torch.uint8), torch.zeros(9, dtype=torch.uint8), 2,
                           None, True, "Fashion-MNIST")
    assert d2l._sample(shuffled).shape == (2, 1, 28, 28)
    assert torch.equal(state, torch.random.get_rng_state())
    once = iter([(1, 2)])
    assert d2l._sample(once) is None and list(once) == [(1, 2)]


def test_net_size_and_layer_table(capsys):
    block = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4), nn.ReLU())
    net = nn.Sequential(block, nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(3))
    net[0].eval()
    X = torch.rand(5, 2, 6, 6)
    convolution, dense = 36 * 4 * 9, 36 * 3  # outputs times weights of each
    assert d2l.net_size(net, X) == (40 + 8 + 111, convolution + dense)
    assert net.training and not net[0].training, "the modes must be put back"
    assert not any(part._forward_hooks for part in net.modules())
    d2l.layer_table(net, X)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["Sequential", "(5,", "4,", "6,", "6)", "48", f"{convolution:,}"]
    assert lines[-1] == ["in", "all", "159", f"{convolution + dense:,}"]


def test_standin_is_named_in_the_result(capsys):
    data = fake_fashion(8, None)
    data.source = d2l.STAND_IN
    history = d2l.train_ch6(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), data, data, 1, 0.1, "cpu")
    assert history.source == d2l.STAND_IN
    assert capsys.readouterr().out.splitlines()[-2].endswith("(stand-in data)")


def test_time_left_is_told_once(monkeypatch, capsys):
    now = time.perf_counter()
    assert d2l._tell_time_left(now - 5, 0.01) is False
    assert d2l._tell_time_left(now - 20, 0.1) is True
    assert d2l._tell_time_left(now - 20, 0.9) is True
    assert capsys.readouterr().out == "about 3 min left\n"


# ---- accuracy and evaluation ----

def test_accuracy():
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert d2l.accuracy(scores, torch.tensor([1, 0, 0])) == 2.0
    assert isinstance(d2l.accuracy(scores, torch.tensor([1, 0, 0])), float)
    assert d2l.accuracy(torch.tensor([1, 0, 0]), torch.tensor([1, 0, 1])) == 2.0
    maps = torch.randn(2, 5, 4, 4)  # class scores of each pixel
    assert d2l.accuracy(maps, maps.argmax(1)) == 32.0


@pytest.mark.parametrize("y_hat, y", [
    (torch.zeros(256, 10), torch.zeros(256, 1).long()), (torch.eye(4), torch.eye(4).long()),
    (torch.tensor([0.9, 0.1]), torch.tensor([1, 0])), (torch.zeros(3, 1), torch.zeros(3).long())])
def test_accuracy_refuses_what_it_cannot_count(y_hat, y):
    with pytest.raises(ValueError, match="pass scores"):
        d2l.accuracy(y_hat, y)


def test_evaluation():
    class Pair(nn.Module):
        def forward(self, X):
            return X[0] + X[1]
    y = torch.tensor([0, 1, 1])
    scores = nn.functional.one_hot(y, 2).float()
    assert d2l.evaluate_accuracy_gpu(Pair(), [([scores, scores], y), ((scores, -2 * scores), y)]) == 0.5
    assert d2l.evaluate_accuracy_gpu(lambda X: X, [(scores, y)]) == 1.0
    with pytest.raises(ValueError, match="no batch to evaluate"):
        d2l.evaluate_accuracy_gpu(Pair(), [])


# ---- Accumulator, Timer, devices, Residual, check ----

def test_accumulator():
    metric = d2l.Accumulator(2)
    metric.add(1, torch.tensor(2.5))
    metric.add(torch.tensor([3]), 1)
    assert (metric[0], metric[1]) == (4.0, 3.5)
    for values in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match=f"takes 2 values, one per sum, not {len(values)}"):
            metric.add(*values)
    assert (metric[0], metric[1]) == (4.0, 3.5)
    metric.reset()
    assert metric[0] == 0.0


def test_timer():
    timer = d2l.Timer()
    with pytest.raises(ValueError, match="call stop"):
        timer.avg()
    time.sleep(0.02)
    assert timer.stop() >= 0.02
    timer.start()
    timer.stop()
    assert timer.sum() == sum(timer.times) and timer.avg() == timer.sum() / 2
    assert timer.cumsum() == list(itertools.accumulate(timer.times))
    with d2l.Timer() as block:
        time.sleep(0.02)
    assert len(block.times) == 1 and block.sum() >= 0.02


def test_devices(monkeypatch):
    assert d2l.try_gpu() == torch.device("cpu") and d2l.try_all_gpus() == [torch.device("cpu")]
    monkeypatch.delenv("D2LMINI_DEVICE")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert d2l.try_gpu(1) == torch.device("cuda:1")
    assert d2l.try_all_gpus() == [torch.device("cuda:0"), torch.device("cuda:1")]
    with pytest.warns(UserWarning, match="no GPU 7"):
        assert d2l.try_gpu(7) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert d2l.try_gpu() == torch.device("mps")
    with pytest.raises(ValueError, match="numbered from 0, not -1"):
        d2l.try_gpu(-1)


def test_residual():
    assert d2l.Residual(3, 3)(torch.rand(4, 3, 6, 6)).shape == (4, 3, 6, 6)
    assert d2l.Residual(3, 6, use_1x1conv=True, strides=2)(torch.rand(4, 3, 6, 6)).shape == (4, 6, 3, 3)
    with pytest.raises(RuntimeError):
        d2l.Residual(3, 6)(torch.rand(4, 3, 6, 6))


@pytest.mark.parametrize("got, want, message", [
    (torch.ones(2, 3), torch.ones(3, 2), r"the shape is \(2, 3\), expected \(3, 2\)"),
    (torch.tensor([1., -2.]), torch.tensor([-1., 2.]), "sign"),
    (torch.arange(4).reshape(2, 2), torch.arange(4).reshape(2, 2).T, "rows and columns are swapped"),
    (torch.arange(4).reshape(2, 2), torch.arange(4).reshape(2, 2).flip(0, 1), "flipped both ways"),
    (torch.tensor([1, 2, 3]), torch.tensor([1, 5, 4]), r"2, expected 5, at index \[1\]; 2 of 3"),
    (3, 4, "3, expected 4"), (12_679_818, 12_679_810, "12679818, expected 12679810"),
    (0.25, 0.5, "0.25, expected 0.5"), (float("nan"), 1.0, "nan, expected 1")])
def test_check_says_what_is_wrong(got, want, message):
    with pytest.raises(AssertionError, match=message):
        d2l.check(got, want)


def test_check(capsys):
    d2l.check(lambda a, b: a + b, lambda a, b: b + a, (1, 2), (0.1, 0.2))
    assert capsys.readouterr().out == "right: 2 of 2 cases agree\n"
    with pytest.raises(AssertionError, match="case 2 of 2: 4, expected 6"):
        d2l.check(lambda a: a * a, lambda a: 3 * a, (0,), (2,))


# ---- Animator ----

def test_animator_prints_a_line_per_whole_x(capsys):
    animator = d2l.Animator(xlabel="epoch", xlim=[1, 1], legend=["loss", "acc"])
    animator.add(0.5, (torch.tensor(0.7, requires_grad=True), None))
    animator.add(1, (0.5, None))
    assert capsys.readouterr().out == ""
    animator.add(1, (None, torch.tensor(0.25)))
    assert capsys.readouterr().out == "epoch 1: loss 0.500, acc 0.250\n"


def test_animator_takes_any_number_of_series(capsys):
    animator = d2l.Animator(legend=["a"])
    animator.add(torch.tensor(1), torch.arange(6.0))
    assert len(animator.Y) == 6
    assert capsys.readouterr().out == "x 1: a 0.000, y2 1.000, y3 2.000, y4 3.000, y5 4.000, y6 5.000\n"
    assert d2l.Animator(xlim=[1, 1]).settings["xlim"] is None, "limits without width leave no room to draw"
    with pytest.raises(ValueError, match="one chart"):
        d2l.Animator(nrows=2)


def test_animator_in_a_notebook():
    """One picture, updated in place, with the last points in it, beside the printed lines."""
    code = """
import sys; sys.path.insert(0, {path!r})
import d2lmini as d2l
animator = d2l.Animator(xlabel="x", legend=list("abcde"))
print("before")
for x in range(200):
    animator.add(x, (1, 2, 3, 4, x))
print("after")
"""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(code.format(path=str(d2l.DATA.parent))),
                      nbformat.v4.new_code_cell("len(animator.Y[4]), animator._fresh")]
    NotebookClient(notebook, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 1 and pictures[0].data["text/plain"] == "curves: a, b, c, d, e"
    assert pictures[0].metadata["image/png"]["alt"] == "curves: a, b, c, d, e"
    assert "".join(out.get("text", "") for out in outputs if out.get("name") == "stdout") == "before\nafter\n"
    assert not any(out.get("name") == "stderr" for out in outputs)
    assert notebook.cells[1].outputs[0].data["text/plain"] == "(200, {})", "the last points were not drawn"


def test_interrupting_a_real_process(tmp_path):
    """Ctrl-C during train_ch6 in a script ends in its message, not in a traceback."""
    script = tmp_path / "train.py"
    script.write_text(f"""
import sys; sys.path.insert(0, {str(d2l.DATA.parent)!r})
import itertools, time, torch, d2lmini
class Slow(list):
    def __iter__(self):
        for batch in list.__iter__(self):
            print("batch")
            time.sleep(0.1)
            yield batch
batches = Slow([(torch.rand(4, 4), torch.zeros(4).long())] * 20)
net = torch.nn.Linear(4, 2)
d2lmini.train_ch6(net, batches, batches, 100, 0.1, "cpu")
print("still usable", tuple(net(torch.rand(1, 4)).shape))
""")
    with subprocess.Popen([sys.executable, "-u", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        while process.stdout.readline() != "training on cpu\n":
            pass
        while process.stdout.readline() != "batch\n":
            pass
        process.send_signal(2)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "interrupted in epoch 1" in out and "still usable (1, 2)" in out
