"""Draw the stand-in for Fashion-MNIST: ten kinds of clothes, in the same four files.

A reader without the data and without a network still gets something to train on. Every
picture is a garment-like silhouette with random proportions. The ranges of neighbouring
kinds overlap (a long-sleeved shirt, a pullover and a short coat can come out alike), so no
net can get everything right, as on the real data.

Usage: python data/make_standin.py [FOLDER]
"""
import argparse
import gzip
import os
import struct
import tempfile
from pathlib import Path

import torch

SIZE = 28             # height and width of a picture in pixels
TRAIN_PER_KIND = 1800
TEST_PER_KIND = 300
SEED = 28


class Canvas:
    """A batch of empty pictures of one kind, with a coordinate system and a source of chance.

    x and y have shape (count, 28, 28) and are in pixels: x to the right and y downwards from
    the middle of the picture. Each picture has its axes a little shifted, scaled, sheared and
    rotated, so whatever is drawn along them is, too.
    """

    def __init__(self, count, generator):
        self.count, self.generator = count, generator
        steps = torch.arange(SIZE) - (SIZE - 1) / 2
        right = steps.view(1, 1, SIZE) - self.between(-1.5, 1.5)
        down = steps.view(1, SIZE, 1) - self.between(-1.5, 1.5)
        # For angles this small (radians) the sine is the angle and the cosine is 1.
        turn, shear = self.between(-0.08, 0.08), self.between(-0.05, 0.05)
        self.x = (right + (turn + shear) * down) / self.between(0.85, 1.05)
        self.y = (down - turn * right) / self.between(0.85, 1.05)

    def between(self, low, high):
        """One random number per picture, uniform from low to high: shape (count, 1, 1)."""
        return low + (high - low) * torch.rand(self.count, 1, 1, generator=self.generator)

    def sometimes(self, probability):
        """1.0 for about this share of the pictures and 0.0 for the rest: (count, 1, 1)."""
        return (self.between(0, 1) < probability).float()


def inside(distance):
    """Cover (0 to 1) of pixels this far (in pixels) inside an edge; the edge is 1 pixel soft."""
    return (distance + 0.5).clamp(0, 1)


def box(x, y, left, right, top, bottom):
    """Cover of a rectangle; its sides (in pixels) may be numbers or vary over the pixels."""
    return inside(torch.minimum(torch.minimum(x - left, right - x),
                                torch.minimum(y - top, bottom - y)))


def upper_garment(c, chest, flare, bottom, sleeve, sleeve_width, spread, neck):
    """Cover of a body with two sleeves: t-shirt, pullover, coat, shirt and dress.

    chest: half the width; flare: growth of it per pixel downwards; bottom: y of the hem;
    sleeve: length; spread: angle of the sleeves in radians from hanging straight down;
    neck: radius of the neckline. Lengths are in pixels.
    """
    side, top = c.x.abs(), -11.5  # the two halves are alike, so draw in |x|
    body = box(side, c.y, -SIZE, chest + flare * (c.y - top), top + 0.3 * side, bottom)
    out, down = side - (chest - 1.5), c.y - (top + 3.5)  # seen from the shoulder
    along = out * torch.sin(spread) + down * torch.cos(spread)
    across = out * torch.cos(spread) - down * torch.sin(spread)
    arm = box(across, along, -sleeve_width, sleeve_width, -2.5, sleeve)
    hole = inside(neck - torch.sqrt(c.x ** 2 + (c.y - top) ** 2))
    return torch.maximum(body, arm) * (1 - hole)


def front_line(c, width, strength):
    """Factor that darkens a vertical line in the middle: buttons, a zip or an open front."""
    return 1 - strength * inside(width - c.x.abs())


def t_shirt(c):
    return upper_garment(c, c.between(5, 7), c.between(-0.02, 0.06), c.between(7, 12),
                         c.between(2, 7), c.between(2, 3), c.between(0.4, 1), c.between(2, 4))


def trouser(c):
    side, top, bottom = c.x.abs(), -12.0, c.between(9, 13)
    gap = c.between(0.0, 0.2) * (c.y - c.between(-8, -3))  # the legs part below the crotch
    hip = c.between(3.5, 5.5) + c.between(-0.03, 0.08) * (c.y - top)
    return box(side, c.y, gap.clamp(max=4), hip, top, bottom)


def pullover(c):
    return upper_garment(c, c.between(5, 7.5), c.between(-0.02, 0.06), c.between(7, 12),
                         c.between(12, 19), c.between(1.8, 2.8), c.between(0.1, 0.4),
                         c.between(1, 3))


def dress(c):
    waist = 1 - c.between(0, 0.3) * torch.exp(-((c.y + 3) / 4) ** 2)
    sleeve = c.between(2, 12) * c.sometimes(0.4) - 2.5
    return upper_garment(c, c.between(3, 5) * waist, c.between(0.0, 0.2), c.between(10, 13),
                         sleeve, c.between(1, 2), c.between(0.1, 0.5), c.between(1, 4))


def coat(c):
    cover = upper_garment(c, c.between(5, 7.5), c.between(0, 0.08), c.between(10, 13),
                          c.between(14, 20), c.between(1.8, 2.8), c.between(0.1, 0.3),
                          c.between(0.5, 2.5))
    return cover * front_line(c, c.between(0.2, 0.8), c.between(0.1, 1))


def shirt(c):
    cover = upper_garment(c, c.between(5, 7), c.between(-0.02, 0.06), c.between(8, 12.5),
                          c.between(5, 19), c.between(1.6, 2.6), c.between(0.1, 0.6),
                          c.between(1, 3.5))
    return cover * front_line(c, c.between(0.0, 0.5), c.between(0, 0.8))


def shoe(c, ground, toe, heel, collar, opening):
    """Cover of a shoe that points left: its top rises from the toe to the collar at the heel.

    ground: y of the sole; toe, heel: x of its ends; collar: height of the shaft;
    opening: x where the shaft begins. Lengths are in pixels.
    """
    slope = c.between(0.25, 0.5)
    instep = ground - 3 - slope * (c.x - toe)
    top = torch.where(c.x > opening, ground - collar, torch.maximum(instep, ground - collar))
    return box(c.x, c.y, toe, heel, top, ground)


def sandal(c):
    ground, toe, heel = c.between(3, 7), c.between(-12.5, -10), c.between(10, 12.5)
    rise = c.between(0, 0.35) * (c.x - c.between(-4, 0)).clamp(min=0)  # a wedge or high heel
    sole = box(c.x, c.y, toe, heel, ground - rise - c.between(1, 2), ground - rise + 1)
    post = box(c.x, c.y, heel - c.between(1, 10), heel, ground - rise, ground)
    foot = shoe(c, ground - 1, toe, heel, c.between(5, 11), c.between(0, 6))
    wave = torch.sin(c.between(0.5, 1.1) * (c.x + c.between(-0.6, 0.6) * c.y) + c.between(0, 6))
    straps = foot * inside(3 * (wave + c.between(-0.7, 0.5)))
    return torch.maximum(torch.maximum(sole, post), straps)


def sneaker(c):
    ground, toe, heel = c.between(3, 7), c.between(-12.5, -10.5), c.between(10.5, 12.5)
    return shoe(c, ground, toe, heel, c.between(6, 11), c.between(2, 6))


def bag(c):
    half, top, bottom = c.between(7, 12), c.between(-6, 0), c.between(7, 11)
    taper = c.between(-0.1, 0.15) * (c.y - top)
    body = box(c.x.abs(), c.y, -SIZE, half + taper - 1, top, bottom)
    reach, height = c.between(0.3, 0.8) * half, c.between(2, 8)
    radius = torch.sqrt((c.x / reach) ** 2 + ((c.y - top) / height) ** 2)
    handle = inside(1 - 3 * (radius - 1).abs()) * inside(top - c.y)
    return torch.maximum(body, handle)


def ankle_boot(c):
    ground, toe, heel = c.between(7, 11), c.between(-12, -9.5), c.between(8, 12)
    boot = shoe(c, ground, toe, heel, c.between(10, 20), c.between(-2, 4))
    arch = box(c.x, c.y, c.between(-4, 0), heel - c.between(3, 6), ground - c.between(0, 2), SIZE)
    return boot * (1 - arch)


# In the order of Fashion-MNIST's labels 0 to 9.
KINDS = [t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot]


def dye(cover, c):
    """Turn cover into brightness from 0 to 1: a tint, shading, stripes and noise on the cloth."""
    shading = 1 + c.between(-0.02, 0.02) * c.x + c.between(-0.02, 0.02) * c.y
    across = c.sometimes(0.5)  # stripes run one way or the other
    stripes = torch.sin(c.between(0.5, 2.5) * (across * c.y + (1 - across) * c.x))
    stripes = 1 + c.between(0, 0.3) * c.sometimes(0.5) * stripes
    noise = 1 + 0.1 * torch.randn(cover.shape, generator=c.generator)
    return (cover * c.between(0.3, 1) * shading * stripes * noise).clamp(0, 1)


def draw(per_kind, generator):
    """Images (10 * per_kind, 28, 28) and labels (10 * per_kind,), both uint8, shuffled."""
    images = []
    for kind in KINDS:
        canvas = Canvas(per_kind, generator)
        images.append((255 * dye(kind(canvas), canvas)).to(torch.uint8))
    labels = torch.arange(len(KINDS), dtype=torch.uint8).repeat_interleave(per_kind)
    order = torch.randperm(len(labels), generator=generator)
    return torch.cat(images)[order], labels[order]


def write_idx(array, path):
    """Write a uint8 tensor as a gzipped IDX file: a magic number, its sizes, then its bytes."""
    header = struct.pack(f">BBBB{array.dim()}I", 0, 0, 8, array.dim(), *array.shape)
    # No time stamp, so that the same pictures always give the same bytes.
    packed = gzip.compress(header + array.numpy().tobytes(), compresslevel=4, mtime=0)
    # Written aside and then renamed: nobody ever sees half a file under the final name.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
        aside.write(packed)
    os.replace(aside.name, path)


def write(folder):
    """Draw everything and write the four files into folder; return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(SEED)  # the reader's own random numbers stay put
    paths = []
    for name, per_kind in [("train", TRAIN_PER_KIND), ("t10k", TEST_PER_KIND)]:
        images, labels = draw(per_kind, generator)
        paths += [folder / f"{name}-images-idx3-ubyte.gz", folder / f"{name}-labels-idx1-ubyte.gz"]
        write_idx(images, paths[-2])
        write_idx(labels, paths[-1])
    return paths


def main():
    parser = argparse.ArgumentParser(description="Draw the stand-in for Fashion-MNIST.")
    parser.add_argument("folder", nargs="?", default=Path(__file__).parent / "stand-in")
    for path in write(parser.parse_args().folder):
        print(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
