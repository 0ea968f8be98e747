"""A tiny data set in the format of the four Fashion-MNIST files."""
import gzip

import torch


def small_set(seed=0):
    """Twelve training and five test images: {file name: bytes unpacked}."""
    generator, files = torch.Generator().manual_seed(seed), {}
    for part, n in (("train", 12), ("t10k", 5)):
        files[f"{part}-images-idx3-ubyte"] = (
            _big_endian([0x803, n, 28, 28]) + _random(256, n * 784, generator))
        files[f"{part}-labels-idx1-ubyte"] = (
            _big_endian([0x801, n]) + _random(10, n, generator))
    return files


def _random(end, n, generator):
    return bytes(torch.randint(0, end, (n,), generator=generator).tolist())


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
