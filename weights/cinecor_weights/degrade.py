"""What can be wrong with a volume, as functions: the fixed, seeded list that the quality score is fitted and judged on.

Each entry of `DEGRADATIONS` takes the frames of one patient and a random generator, and gives frames whose labels still say where the
heart is in the spoilt image. Strengths reach from hardly seen to hopeless, and lie thickest where masks are neither good nor lost: there a
score is hard. They were chosen with cinecor-unet 1.2.0 on acdc-val, before any score was fitted to them.
`NON_CARDIAC` makes volumes without a heart. Nothing here knows a network: the list is made before anything is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from .prepare import Frame

Degradation = Callable[[list[Frame], np.random.Generator], list[Frame]]

#: How many degradations each patient gets; kinds follow each other in turn, so that all are equally frequent.
PER_PATIENT: int = 8


def _images(frames: list[Frame], change: Callable[[np.ndarray], np.ndarray]) -> list[Frame]:
    return [replace(frame, image=change(frame.image).astype(np.float32)) for frame in frames]


def _both(frames: list[Frame], change: Callable[[np.ndarray], np.ndarray]) -> list[Frame]:
    """The same change of the voxels' places for image and labels."""
    return [replace(f, image=np.ascontiguousarray(change(f.image)), labels=np.ascontiguousarray(change(f.labels))) for f in frames]


def _range(image: np.ndarray) -> float:
    low, high = np.percentile(image, [1, 99])
    return max(float(high - low), 1e-6)


def noise(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Rician noise: of both channels of the receiver, 8 to 35 % of the grey range."""
    share = rng.uniform(0.08, 0.35)

    def noisy(image: np.ndarray) -> np.ndarray:
        sd = share * _range(image)
        return np.hypot(image + rng.normal(0, sd, image.shape), rng.normal(0, sd, image.shape))

    return _images(frames, noisy)


def bias_field(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """A coil's sensitivity: the image times the exponential of a plane and a bowl, 90 to 1800 times from end to end."""
    strength, tilt, bowl = rng.uniform(4.5, 7.5), rng.uniform(-1, 1, 2), rng.uniform(-1, 1)
    _, rows, columns = frames[0].image.shape
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    field = tilt[0] * y + tilt[1] * x + bowl * (x**2 + y**2)
    field = strength * (field - field.min()) / np.ptp(field)
    return _images(frames, lambda image: image * np.exp(field))


def blur(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Out-of-focus: a Gaussian of 3 to 7.5 mm in the plane."""
    sigma_mm = rng.uniform(3, 7.5)
    f = frames[0]
    return _images(frames, lambda image: ndimage.gaussian_filter(image, (0, sigma_mm / f.row_mm, sigma_mm / f.column_mm)))


def ghosting(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Breathing during the read-out: every second to fourth line of k-space has another phase, which puts copies across the image."""
    every, phase, axis = int(rng.integers(2, 5)), rng.uniform(0.5, 1.3), int(rng.integers(1, 3))

    def ghosted(image: np.ndarray) -> np.ndarray:
        lines = np.fft.fft(image, axis=axis)
        shift = np.ones(image.shape[axis], complex)
        shift[::every] = np.exp(1j * phase)
        return np.abs(np.fft.ifft(lines * shift.reshape([-1 if a == axis else 1 for a in range(3)]), axis=axis))

    return _images(frames, ghosted)


def motion(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """The patient moved during the read-out: blocks of k-space lines come from images shifted by up to 12 mm."""
    reach_mm = rng.uniform(4, 12)
    f = frames[0]

    def moved(image: np.ndarray) -> np.ndarray:
        lines = np.fft.fft(image, axis=1)
        out = np.empty_like(lines)
        for block in np.array_split(np.arange(image.shape[1]), 6):
            step = (0, rng.normal(0, reach_mm / 2) / f.row_mm, rng.normal(0, reach_mm / 2) / f.column_mm)
            out[:, block] = np.fft.fft(ndimage.shift(image, step, order=1, mode="nearest"), axis=1)[:, block]
        return np.abs(np.fft.ifft(out, axis=1))

    return _images(frames, moved)


def gamma(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Another contrast: grey values to the power of .06 to .15 or 6 to 12 between darkest and brightest."""
    power = rng.uniform(0.06, 0.15) if rng.random() < 0.5 else rng.uniform(6, 12)

    def bent(image: np.ndarray) -> np.ndarray:
        low, high = float(image.min()), float(image.max())
        return ((image - low) / max(high - low, 1e-6)) ** power

    return _images(frames, bent)


def inversion(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Blood darker than it was, in part darker than the wall: what lies above two fifths to three quarters of the grey range is folded down."""
    fold = rng.uniform(0.4, 0.75)

    def folded(image: np.ndarray) -> np.ndarray:
        low, high = np.percentile(image, [1, 99])
        at = low + fold * (high - low)
        return np.where(image > at, 2 * at - image, image)

    return _images(frames, folded)


def rotation(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Rotated in the plane by 30 to 180 degrees either way."""
    degrees = rng.uniform(30, 180) * rng.choice([-1, 1])

    def turned(array: np.ndarray) -> np.ndarray:
        return ndimage.rotate(array, degrees, (1, 2), reshape=False, order=0 if array.dtype == np.uint8 else 1, mode="constant")

    return _both(frames, turned)


def flip(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Mirrored: left with right, top with bottom, or both."""
    axes = [(2,), (1,), (1, 2)][int(rng.integers(3))]
    return _both(frames, lambda array: np.flip(array, axes))


def spacing_lie(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """The header tells pixels .4 to .6 or 1.7 to 2.2 times as large as they are."""
    factor = rng.uniform(0.4, 0.6) if rng.random() < 0.5 else rng.uniform(1.7, 2.2)
    return [replace(f, row_mm=f.row_mm * factor, column_mm=f.column_mm * factor) for f in frames]


def missing_slices(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """A third to two thirds of the slices are not there; two stay at least."""
    count = len(frames[0].image)
    kept = np.sort(rng.permutation(count)[: max(2, round(count * rng.uniform(1 / 3, 2 / 3)))])
    return _both(frames, lambda array: array[kept])


def shuffled_slices(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Slices in an order that is none."""
    order = rng.permutation(len(frames[0].image))
    return _both(frames, lambda array: array[order])


def shifted_slices(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Breath holds that differ: every slice lies up to 70 mm off in the plane."""
    reach_mm = rng.uniform(35, 70)
    f = frames[0]
    steps = [(round(rng.uniform(-reach_mm, reach_mm) / f.row_mm), round(rng.uniform(-reach_mm, reach_mm) / f.column_mm)) for _ in f.image]
    return _both(frames, lambda array: np.stack([np.roll(slice_, step, (0, 1)) for slice_, step in zip(array, steps, strict=True)]))


def crop(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """A field of view that ends within the heart: what lies beyond a line through it is cut off."""
    f = frames[0]
    axis, side, into = int(rng.integers(1, 3)), int(rng.integers(2)), rng.uniform(0.2, 0.6)
    at = np.flatnonzero((f.labels > 0).any((0, 3 - axis)))
    if not len(at):
        return frames
    line = int(at[0] + into * (at[-1] - at[0] + 1)) if side else int(at[-1] + 1 - into * (at[-1] - at[0] + 1))
    kept = slice(line, None) if side else slice(None, max(line, 8))
    return _both(frames, lambda array: array[:, kept] if axis == 1 else array[:, :, kept])


def coarse(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Read out at a third to a sixth of the pixels, shown at all of them."""
    factor = int(rng.integers(3, 7))

    def coarsened(image: np.ndarray) -> np.ndarray:
        small = ndimage.uniform_filter(image, (0, factor, factor))[:, ::factor, ::factor]
        return small.repeat(factor, 1).repeat(factor, 2)[:, : image.shape[1], : image.shape[2]]

    return _images(frames, coarsened)


def signal_void(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Metal near the heart: a dark spot of 6 to 18 mm radius with a bright rim, in every slice."""
    f = frames[0]
    radius_mm = rng.uniform(6, 18)
    at = np.argwhere(f.labels > 0)
    centre = at[int(rng.integers(len(at)))][1:] if len(at) else np.array(f.image.shape[1:]) // 2
    y, x = np.ogrid[: f.image.shape[1], : f.image.shape[2]]
    distance = np.hypot((y - centre[0]) * f.row_mm, (x - centre[1]) * f.column_mm) / radius_mm
    dark, rim = 1 / (1 + np.exp(12 * (distance - 0.9))), np.exp(-(((distance - 1) / 0.12) ** 2))
    return _images(frames, lambda image: image * (1 - dark) + rim * _range(image) * 0.8)


def saturation(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Clipped: everything brighter than the 66th to 82nd percentile has one grey value."""
    percentile = rng.uniform(66, 82)
    return _images(frames, lambda image: np.minimum(image, np.percentile(image, percentile)))


def wrap(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """A field of view smaller than the body: what lies beyond its edges appears on the other side, at 40 to 100 % of its brightness."""
    axis, share, brightness = int(rng.integers(1, 3)), rng.uniform(0.3, 0.5), rng.uniform(0.4, 1)

    def wrapped(image: np.ndarray) -> np.ndarray:
        return image + brightness * np.roll(image, round(share * image.shape[axis]), axis)

    return _images(frames, wrapped)


def spike(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """A spark in the scanner's room: one wave of 6 to 20 mm across all slices, 7 to 14 % of the grey range either way."""
    amplitude, angle, length_mm = rng.uniform(0.07, 0.14), rng.uniform(0, np.pi), rng.uniform(6, 20)
    f = frames[0]
    y, x = np.ogrid[: f.image.shape[1], : f.image.shape[2]]
    wave = np.cos(2 * np.pi / length_mm * (np.cos(angle) * y * f.row_mm + np.sin(angle) * x * f.column_mm))
    return _images(frames, lambda image: np.abs(image + amplitude * _range(image) * wave))


def thick_slices(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Slices so thick that they overlap: each holds three fifths to nine tenths of its neighbours."""
    share = rng.uniform(0.6, 0.9)

    def thickened(image: np.ndarray) -> np.ndarray:
        return ndimage.convolve1d(image, [share / 2, 1 - share, share / 2], 0, mode="nearest")

    return _images(frames, thickened)


def hasty(frames: list[Frame], rng: np.random.Generator) -> list[Frame]:
    """Read out in a hurry: a Gaussian of 2 to 4 mm and noise of 5 to 15 % of the grey range on top of it."""
    sigma_mm, share = rng.uniform(2, 4), rng.uniform(0.05, 0.15)
    f = frames[0]

    def read_out(image: np.ndarray) -> np.ndarray:
        sd = share * _range(image)
        soft = ndimage.gaussian_filter(image, (0, sigma_mm / f.row_mm, sigma_mm / f.column_mm))
        return np.hypot(soft + rng.normal(0, sd, image.shape), rng.normal(0, sd, image.shape))

    return _images(frames, read_out)


#: In the order in which patients get them.
DEGRADATIONS: dict[str, Degradation] = {
    f.__name__: f
    for f in (
        noise, bias_field, blur, ghosting, motion, gamma, inversion, rotation, flip, spacing_lie,
        missing_slices, shuffled_slices, shifted_slices, crop, coarse, signal_void, saturation, wrap, spike, thick_slices, hasty,
    )
}  # fmt: skip


def _blobs(rng: np.random.Generator, shape: tuple[int, int, int], smooth: float) -> np.ndarray:
    return ndimage.gaussian_filter(rng.normal(size=shape), (0.7, smooth, smooth))


def _noise_alone(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    return rng.rayleigh(40, shape)


def _clouds(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    return 200 + 150 * _blobs(rng, shape, rng.uniform(4, 14)) / 0.03


def _brain(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """A bright rim, a dark gap, grey folds and two dark chambers."""
    slices, rows, columns = shape
    z, y, x = np.ogrid[-1 : 1 : slices * 1j, -1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    size = np.sqrt(np.clip(1 - 0.6 * z**2, 0.05, 1)) * rng.uniform(0.5, 0.75)
    r = np.hypot(y / 1.15, x) / size
    image = 260 * np.exp(-(((r - 1) / 0.05) ** 2)) + np.where(r < 0.9, 130 + 25 * np.sign(_blobs(rng, shape, 4)), 10)
    for side in (-1, 1):
        chamber = np.hypot((y + 0.02) / 0.28, (x - side * 0.12) / 0.09) / size
        image = np.where(chamber < 1, 40, image)
    return image + rng.rayleigh(8, shape)


def _torso(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """A trunk with two dark lungs, a spine and no heart between them."""
    _, rows, columns = shape
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    image = np.where(np.hypot(y / 0.7, x / 0.9) < 1, 140.0, 5.0)
    for side in (-1, 1):
        image = np.where(np.hypot(y / 0.45, (x - side * 0.42) / 0.28) < 1, 20.0, image)
    image = np.where(np.hypot((y - 0.5) / 0.12, x / 0.12) < 1, 80.0, image)
    return image[None] + 12 * _blobs(rng, shape, 3) / 0.08 + rng.rayleigh(6, shape)


def _bottle(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """The scanner's own test object: a disc, with or without holes."""
    _, rows, columns = shape
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    image = np.where(np.hypot(y, x) < rng.uniform(0.4, 0.8), 300.0, 5.0)
    for _ in range(int(rng.integers(0, 6))):
        at, radius = rng.uniform(-0.45, 0.45, 2), rng.uniform(0.03, 0.15)
        image = np.where(np.hypot(y - at[0], x - at[1]) < radius, 30.0, image)
    return image[None] + rng.rayleigh(10, shape)


NON_CARDIAC: dict[str, Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]] = {
    f.__name__.strip("_"): f for f in (_noise_alone, _clouds, _brain, _torso, _bottle)
}


def degraded(frames: list[Frame], seed: int) -> Iterator[tuple[str, list[Frame]]]:
    """Each patient's frames `PER_PATIENT` times, another way each time. The same frames and seed give the same volumes."""
    patients: dict[str, list[Frame]] = {}
    for frame in frames:
        patients.setdefault(frame.patient, []).append(frame)
    names = list(DEGRADATIONS)
    for number, patient in enumerate(sorted(patients)):
        for turn in range(PER_PATIENT):
            name = names[(number * PER_PATIENT + turn) % len(names)]
            yield name, DEGRADATIONS[name](patients[patient], np.random.default_rng([seed, number, turn]))


def without_heart(seed: int, each: int) -> Iterator[tuple[str, list[Frame]]]:
    """`each` volumes of every kind of `NON_CARDIAC`, of a grid that a scanner might send, one frame each, nothing labelled."""
    for kind, (name, make) in enumerate(NON_CARDIAC.items()):
        for turn in range(each):
            rng = np.random.default_rng([seed, 1000 + kind, turn])
            shape = (int(rng.integers(6, 13)), int(rng.integers(160, 257)), int(rng.integers(160, 257)))
            mm = float(rng.uniform(1.2, 1.8))
            image = make(rng, shape).astype(np.float32)
            yield name, [Frame(f"{name}{turn}", "ED", image, np.zeros(shape, np.uint8), mm, mm, float(rng.choice([8.0, 10.0])))]
