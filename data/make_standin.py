"""Draw a stand-in for Fashion-MNIST: ten kinds of clothes, in the same four files.

With it, a reader who has neither the data nor a network still gets something to train on.
Every picture is a silhouette with random proportions. Neighbouring kinds share part of their
ranges (a plain shirt may be cut just like a pullover), so no net can get everything right.

Usage: python data/make_standin.py [FOLDER]
"""
import argparse
import gzip
import os
import struct
import uuid
from functools import partial
from pathlib import Path

import torch

SIZE = 28  # height and width of a picture in pixels
TRAIN_PER_KIND, TEST_PER_KIND = 2560, 300
SEED = 28


class Canvas:
    """Empty pictures of one kind: coordinates to draw along, and a source of chance.

    x (to the right) and y (downwards) have shape (count, 28, 28) and count pixels from the
    middle. Each picture has its own axes: shifted, turned, sheared, stretched and, for every
    other one, mirrored. What is drawn along them is so, too.
    """

    def __init__(self, count, generator):
        self.count, self.generator = count, generator
        pixels = torch.arange(SIZE) - (SIZE - 1) / 2
        right = pixels.view(1, 1, SIZE) - self.between(-3.5, 3.5)
        down = pixels.view(1, SIZE, 1) - self.between(-2.5, 2.5)
        # For angles as small as these (in radians) the sine is the angle and the cosine 1.
        turn, shear = self.between(-0.15, 0.15), self.between(-0.05, 0.05)
        mirror = 1 - 2 * self.sometimes(0.5)
        self.x = mirror * (right + (turn + shear) * down) / self.between(1.0, 1.2)
        self.y = (down - turn * right) / self.between(1.0, 1.2)

    def between(self, low, high):
        """One number per picture, drawn uniformly from low to high: shape (count, 1, 1)."""
        return low + (high - low) * torch.rand(self.count, 1, 1, generator=self.generator)

    def sometimes(self, share):
        """1.0 for about this share of the pictures, 0.0 for the others: (count, 1, 1)."""
        return (self.between(0, 1) < share).float()


def inside(depth):
    """Cover (0 to 1) of pixels this deep (in pixels) inside an edge, which is 1 pixel soft."""
    return (depth + 0.5).clamp(0, 1)


def box(x, y, left, right, top, bottom):
    """Cover of a box; each side is in pixels and may differ from pixel to pixel."""
    return inside(torch.minimum(torch.minimum(x - left, right - x),
                                torch.minimum(y - top, bottom - y)))


def upper_garment(c, chest, flare, hem, sleeve, spread, neck, waist=(0, 0), line=(0, 0), lined=0):
    """Cover of a body with two sleeves. All but the last argument are ranges (low, high).

    chest: half the width; flare: growth of it per pixel downwards; hem: y of the lower end;
    sleeve: length (none if negative); spread: angle of the sleeves from hanging straight down,
    in radians; neck: radius of the neckline; waist: share of the width taken in above the
    middle; line: half the width of the front opening; lined: share of pictures that have one.
    """
    side, top = c.x.abs(), -11.5  # both halves are alike: |x| draws them at once
    half = c.between(*chest) * (1 - c.between(*waist) * torch.exp(-((c.y + 3) / 4) ** 2))
    body = box(side, c.y, -SIZE, half + c.between(*flare) * (c.y - top), top + 0.3 * side,
               c.between(*hem))
    out, down, angle = side - (half - 1.5), c.y - (top + 3.5), c.between(*spread)
    along = out * torch.sin(angle) + down * torch.cos(angle)  # down the sleeve
    across = out * torch.cos(angle) - down * torch.sin(angle)
    width = c.between(1.8, 2.8)
    arms = box(across, along, -width, width, -2.5, c.between(*sleeve))
    collar = inside(c.between(*neck) - torch.hypot(c.x, c.y - top))
    opening = inside(c.between(*line) - side) * c.sometimes(lined)
    # Sleeves are a little darker, so that they stand out where they lie on the body.
    return torch.maximum(body, 0.8 * arms) * (1 - collar) * (1 - opening)


def trouser(c):
    side, top = c.x.abs(), -12
    legs_part = (c.between(0, 0.2) * (c.y - c.between(-8, -3))).clamp(max=4)
    hips = c.between(3.5, 5.5) + c.between(-0.03, 0.08) * (c.y - top)
    return box(side, c.y, legs_part, hips, top, c.between(9, 13))


def bag(c):
    half, top = c.between(7, 12), c.between(-6, 0)
    taper = c.between(-0.1, 0.15) * (c.y - top)
    body = box(c.x.abs(), c.y, -SIZE, half + taper - 1, top, c.between(7, 11))
    reach, height = c.between(0.3, 0.8) * half, c.between(2, 8)
    radius = torch.hypot(c.x / reach, (c.y - top) / height)
    handle = inside(1 - 3 * (radius - 1).abs()) * inside(top - c.y)
    return torch.maximum(body, handle)


def shoe(c, ground, toe, heel, collar, opening):
    """Cover of a shoe: it rises from the toe (left) to a shaft above the heel (right).

    ground: y of the sole; toe, heel: x of its ends; collar: height of the shaft; opening: x
    where the shaft begins. All are in pixels.
    """
    instep = ground - 3 - c.between(0.25, 0.5) * (c.x - toe)
    shaft = ground - collar
    top = torch.where(c.x > opening, shaft, torch.maximum(instep, shaft))
    return box(c.x, c.y, toe, heel, top, ground)


def sneaker(c):
    return shoe(c, c.between(5, 9), c.between(-12.5, -10.5), c.between(10.5, 12.5),
                c.between(6, 13), c.between(1, 6))


def ankle_boot(c):
    ground, heel = c.between(7, 11), c.between(9, 12.5)
    boot = shoe(c, ground, c.between(-12.5, -10), heel, c.between(10, 20), c.between(-2, 4))
    arch = box(c.x, c.y, c.between(-4, 0), heel - c.between(3, 6), ground - c.between(-1, 2), SIZE)
    return boot * (1 - arch)


def sandal(c):
    ground, toe, heel = c.between(5, 9), c.between(-12.5, -10), c.between(10, 12.5)
    sole_y = ground - c.between(0, 0.35) * (c.x - c.between(-4, 0)).clamp(min=0)
    sole = box(c.x, c.y, toe, heel, sole_y - c.between(1, 2), sole_y + 1)
    high_heel = box(c.x, c.y, heel - c.between(1, 10), heel, sole_y, ground)
    upper = shoe(c, ground - 1, toe, heel, c.between(5, 11), c.between(0, 6))
    wave = torch.sin(c.between(0.5, 1.1) * (c.x + c.between(-0.6, 0.6) * c.y) + c.between(0, 6))
    straps = upper * inside(3 * (wave + c.between(-0.7, 1.2)))  # from thin to nearly closed
    return torch.maximum(torch.maximum(sole, high_heel), straps)


KINDS = [  # in the order of Fashion-MNIST's labels 0 to 9
    partial(upper_garment, chest=(5, 7), flare=(-0.02, 0.04), hem=(7, 11), sleeve=(2, 7),
            spread=(0.5, 1.0), neck=(2, 4)),  # t-shirt
    trouser,
    partial(upper_garment, chest=(5, 7), flare=(-0.02, 0.04), hem=(6, 10), sleeve=(13, 19),
            spread=(0.2, 0.5), neck=(1, 3)),  # pullover
    partial(upper_garment, chest=(3, 5), flare=(0.0, 0.2), hem=(10, 13), sleeve=(-8, 9),
            spread=(0.1, 0.5), neck=(1, 4), waist=(0, 0.3)),  # dress
    partial(upper_garment, chest=(5, 7), flare=(0.02, 0.1), hem=(9, 13), sleeve=(13, 19),
            spread=(0.1, 0.3), neck=(0.5, 2.5), line=(0.5, 1.5), lined=0.7),  # coat
    sandal,
    partial(upper_garment, chest=(5, 7), flare=(-0.02, 0.04), hem=(7, 11), sleeve=(3, 18),
            spread=(0.2, 0.8), neck=(1, 3.5), line=(0.3, 0.8), lined=0.5),  # shirt
    sneaker,
    bag,
    ankle_boot,
]


def dye(cover, c):
    """Turn cover into brightness from 0 to 1: a tint with shading, stripes and noise on it."""
    shading = 1 + c.between(-0.02, 0.02) * c.x + c.between(-0.02, 0.02) * c.y
    stripes_at = torch.where(c.sometimes(0.5) > 0, c.x, c.y) * c.between(0.5, 2.5)
    stripes = 1 + c.sometimes(0.5) * c.between(0, 0.3) * torch.sin(stripes_at)
    noise = 1 + 0.1 * torch.randn(cover.shape, generator=c.generator)
    return (cover * c.between(0.75, 1.05) * shading * stripes * noise).clamp(0, 1)


def draw(per_kind, generator):
    """Shuffled images (10 * per_kind, 28, 28) and labels (10 * per_kind), both uint8."""
    images = []
    for kind in KINDS:
        canvas = Canvas(per_kind, generator)
        images.append((255 * dye(kind(canvas), canvas)).to(torch.uint8))
    labels = torch.arange(len(KINDS), dtype=torch.uint8).repeat_interleave(per_kind)
    order = torch.randperm(len(labels), generator=generator)
    return torch.cat(images)[order], labels[order]


def write_idx(array, path):
    """Write a uint8 tensor as a gzipped IDX file: type and rank, the sizes, then the bytes."""
    header = struct.pack(f">4B{array.dim()}I", 0, 0, 8, array.dim(), *array.shape)
    # Without a time stamp, the same pictures always make the same file.
    packed = gzip.compress(header + array.numpy().tobytes(), compresslevel=4, mtime=0)
    # Under a name of its own first: nobody ever meets half a file under the final name.
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        aside.write_bytes(packed)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write(folder):
    """Draw everything, write the four files into folder and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(SEED)  # leaves the reader's own generator alone
    paths = []
    for part, per_kind in [("train", TRAIN_PER_KIND), ("t10k", TEST_PER_KIND)]:
        for name, array in zip(["images-idx3", "labels-idx1"], draw(per_kind, generator)):
            paths.append(folder / f"{part}-{name}-ubyte.gz")
            write_idx(array, paths[-1])
    return paths


def main():
    parser = argparse.ArgumentParser(description="Draw the stand-in for Fashion-MNIST.")
    parser.add_argument("folder", nargs="?", default=Path(__file__).parent / "stand-in")
    for path in write(parser.parse_args().folder):
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
