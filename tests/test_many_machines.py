"""Notebook 16: what happens when processes crash, hang or are killed.

Its own cells are used: the functions that start and end processes, and the
scripts that it writes. The data are tiny, so that starting is all that takes
time.
"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import check_notebooks
import nbformat
import psutil
import pytest
import torch
from small_data import small_set, write_packed

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK, = (ROOT / "notebooks").glob("16-*.ipynb")
CELLS = check_notebooks.code_cells(nbformat.read(NOTEBOOK, as_version=4))
START = "\n\n".join(
    cell.source for cell in CELLS
    if {"end", "meeting", "torchrun"} & set(check_notebooks.defined(cell)))
ANNOUNCED = re.compile(r"%%writefile (?:-a )?\{folder\}/(\S+)\n(.*)", re.S)
# A network without batch normalisation, in double precision: only with such
# a one several processes equal a single one to the last digits.
EXACT = """
import torch
import train
class Double(torch.nn.Flatten):
    def forward(self, X):
        return super().forward(X).double()
train.resnet_28 = lambda: torch.nn.Sequential(
    Double(), torch.nn.Linear(784, 10).double())
"""
# Rank 1 waits for ever at its fifth step, in the middle of the second epoch.
STUCK = EXACT + """
import os, pathlib, time
from torch.optim.optimizer import register_optimizer_step_post_hook
steps = []
def wait(*arguments):
    steps.append(1)
    if len(steps) == 5 and os.environ["RANK"] == "1":
        pathlib.Path("stuck").write_text(str(os.getpid()))
        time.sleep(600)
register_optimizer_step_post_hook(wait)
"""
MAIN = "train.main(3, 4, 11, 'net.pt')\n"  # 3 batches an epoch, the last of 3


def start_with(folder):
    """The notebook's torchrun, and its scripts in the folder."""
    folder.mkdir(exist_ok=True)
    for cell in CELLS:
        written = ANNOUNCED.match(cell.source)
        if written:
            with open(folder / written[1], "a", encoding="utf-8") as file:
                file.write(written[2] + "\n")
    (folder / "exact.py").write_text(EXACT + MAIN, encoding="utf-8")
    (folder / "stuck.py").write_text(STUCK + MAIN, encoding="utf-8")
    names = {}
    exec(START, names)
    return names["torchrun"]


@pytest.fixture(autouse=True)
def small_data(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("data") / "stand-in"
    write_packed(folder, small_set())
    monkeypatch.setenv("D2LMINI_DATA", str(folder))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def torchrun(tmp_path):
    return start_with(tmp_path)


def members(folder):
    """What was started in the folder and still runs, or is a zombie of ours.
    """
    found = [process for process in psutil.Process().children()
             if process.status() == psutil.STATUS_ZOMBIE]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(folder):
                found.append(process)
    return found


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.05)
    return path


def weights(path):
    return torch.load(path, weights_only=True)["net"]


def in_background(function, *arguments):
    """Call it in a thread; gives the thread and the list of what it raised."""
    raised = []

    def call():
        try:
            function(*arguments)
        except Exception as why:
            raised.append(why)
    thread = threading.Thread(target=call)
    thread.start()
    return thread, raised


def kill_while_stuck(torchrun, folder, victims):
    """Start, wait until rank 1 hangs in epoch 2, kill; seconds, raised."""
    thread, raised = in_background(
        torchrun, "--nproc-per-node=2 stuck.py", folder)
    rank_1 = int(wait_for(folder / "stuck").read_text() or 0)
    time.sleep(0.2)
    killed = time.monotonic()
    for process in victims(psutil.Process(rank_1)):
        process.kill()
    thread.join(60)
    (folder / "stuck").unlink()
    return time.monotonic() - killed, raised


# ---- The same as one process, whatever happens ----

def test_killed_in_mid_epoch_and_started_again(torchrun, tmp_path, capfd):
    """One rank, then all of them; compared with what nothing disturbed."""
    calm = [in_background(start_with(tmp_path / number),
                          f"--nproc-per-node={number} exact.py",
                          tmp_path / number) for number in "12"]

    def rank_1(process):
        return [process]

    def everybody(process):
        return [process.parent(), *process.parent().children()]

    for done, victims in ((1, rank_1), (2, everybody)):
        seconds, (why,) = kill_while_stuck(torchrun, tmp_path, victims)
        assert "a process failed" in str(why)
        assert seconds < 30 and not members(tmp_path)
        # The fifth step from a checkpoint on is in the middle of an epoch.
        state = torch.load(tmp_path / "net.pt", weights_only=True)
        assert state["epoch"] == done
        if victims is rank_1:
            report = capfd.readouterr().err
            assert re.search(r"failed \(exitcode: .*local_rank: 1", report)
    torchrun("--nproc-per-node=2 exact.py", tmp_path)
    for thread, _ in calm:
        thread.join()
    assert [raised for _, raised in calm] == [[], []]
    broken, single, whole = (weights(tmp_path / name / "net.pt")
                             for name in (".", "1", "2"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)
    # Shares of 2 + 2, and of 2 + 1 in the last batch, weigh as one batch.
    for key in whole:
        torch.testing.assert_close(whole[key], single[key],
                                   rtol=0, atol=1e-10)
    assert not members(tmp_path) and not list(tmp_path.glob("*.new"))


def test_a_checkpoint_is_old_or_new_and_never_half(tmp_path, monkeypatch):
    start_with(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "train", raising=False)
    import train
    path, shuffle = str(tmp_path / "net.pt"), torch.Generator()
    net = torch.nn.Linear(2, 1)
    train.save(path, 1, shuffle, net=net)
    before, write = Path(path).read_bytes(), torch.save

    def killed_while_writing(state, file):
        write(state, file)
        half = Path(file).read_bytes()[:100]
        Path(file).write_bytes(half)
        raise SystemExit("killed")
    monkeypatch.setattr(torch, "save", killed_while_writing)
    with pytest.raises(SystemExit):
        train.save(path, 2, shuffle, net=net)
    assert Path(path).read_bytes() == before
    assert train.load(path, shuffle, net=net) == 1
    monkeypatch.setattr(torch, "save", write)
    train.save(path, 2, shuffle, net=net)  # over the half file
    assert train.load(path, shuffle, net=net) == 2


# ---- No process is left behind ----

def test_time_out_ends_even_processes_that_will_not_end(torchrun, tmp_path):
    (tmp_path / "stubborn.py").write_text(
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(os.environ['RANK']).write_text('here')\n"
        "time.sleep(600)\n", encoding="utf-8")
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        torchrun("--nproc-per-node=2 stubborn.py", tmp_path, 7)
    assert (tmp_path / "0").exists() and (tmp_path / "1").exists()
    assert time.monotonic() - began < 30
    assert not members(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send there")
def test_interrupt_ends_all(torchrun, tmp_path):
    """Twice, as an impatient reader does."""
    caller = subprocess.Popen(
        [sys.executable, "-c", START + "\nimport sys\n"
         "torchrun('--nproc-per-node=2 stuck.py', sys.argv[1])", tmp_path],
        stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "stuck")
    assert len(members(tmp_path)) == 3
    for _ in range(2):
        caller.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, said = caller.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    assert not members(tmp_path)


def test_an_error_in_a_process_is_shown_and_ends_all(torchrun, tmp_path,
                                                     capfd):
    (tmp_path / "wrong.py").write_text(
        "import os, time\n"
        "if os.environ['RANK'] == '1':\n    raise ValueError('no such day')\n"
        "time.sleep(600)\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="a process failed"):
        torchrun("--nproc-per-node=2 wrong.py", tmp_path)
    assert "ValueError: no such day" in capfd.readouterr().err
    assert not members(tmp_path)


# ---- Side by side, and without a network ----

NO_NETWORK = ["unshare", "-rnu", "bash", "-c",
              "ip link set lo up && hostname leads-nowhere && exec \"$@\"",
              "-"]


def has_namespaces():
    return shutil.which("unshare") and subprocess.run(
        [*NO_NETWORK, "true"], capture_output=True).returncode == 0


# A PyTorch without libuv, as it is for Windows: what needs it raises there.
NO_LIBUV = """
import os, sys
if "TORCHRUN_MARK" in os.environ:
    import torch.distributed.run
    from torch.distributed import TCPStore

    class NoLibuv(TCPStore):
        def __init__(self, *arguments, use_libuv=True, **more):
            if use_libuv:
                raise RuntimeError("PyTorch was built without libuv")
            super().__init__(*arguments, use_libuv=False, **more)

    for name, module in list(sys.modules.items()):
        if name.startswith("torch.") and (
                getattr(module, "TCPStore", None) is TCPStore):
            module.TCPStore = NoLibuv
"""
AS_ON_WINDOWS = """
os.name = "nt"
options = meeting()
os.name = "posix"
meeting = lambda: options
"""
RUN = "\ntorchrun('--nproc-per-node=2 average.py', sys.argv[1], 90)"


@pytest.mark.skipif(os.name == "nt", reason="it plays Windows on others")
def test_side_by_side(torchrun, tmp_path):
    """Two at once, one without a network or a name of its own, one as on
    Windows.
    """
    cut = NO_NETWORK if has_namespaces() else []
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "sitecustomize.py").write_text(NO_LIBUV)
    runs = {}
    for name, prefix, change in (("1", [], ""), ("2", [], ""), ("3", cut, ""),
                                 ("4", [], AS_ON_WINDOWS)):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "average.py", folder)
        runs[folder] = subprocess.Popen(
            [*prefix, sys.executable, "-c", START + change + RUN, folder],
            stdout=subprocess.PIPE, text=True, env={
                **os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"})
    for run in runs.values():
        printed, _ = run.communicate(timeout=100)
        assert printed.splitlines() == [
            "rank 0 of 2: own -5.0, mean -23.0",
            "rank 1 of 2: own -41.0, mean -23.0"]
    assert not [left for folder in runs for left in members(folder)]
