"""Batched augmentation on tensors: where the heart lies, how it is turned and scaled, and what scanner made the picture.

Mirroring is left out on purpose: a mirrored heart does not exist, and the right ventricle is told from the left by its side too.
Every function takes the generator it draws from, so that a seed decides all.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional


def _uniform(generator: Generator, count: int, low: float, high: float) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _chance(generator: Generator, count: int, probability: float) -> Tensor:
    return torch.rand(count, generator=generator) < probability


def heart_centres(labels: Tensor) -> Tensor:
    """The middle of what is labelled, `[N, Y, X]` → row and column `[N, 2]` in pixels; NaN where nothing is."""
    found = []
    for axis in (2, 1):
        seen = (labels != 0).any(axis)
        first, last = seen.int().argmax(1), seen.shape[1] - 1 - seen.flip(1).int().argmax(1)
        found.append(torch.where(seen.any(1), (first + last) / 2, torch.nan))
    return torch.stack(found, 1)


def _bend(sampling: Tensor, size: int, pixels: float, generator: Generator) -> Tensor:
    """Two in five of the samplings `[N, Y, X, 2]` bent smoothly, by up to `pixels` of `size` at 5×5 points and less in between."""
    count = sampling.shape[0]
    strength = (_chance(generator, count, 0.4) * pixels * 2 / size).view(-1, 1, 1, 1)
    coarse = torch.rand(count, 2, 5, 5, generator=generator) * 2 - 1
    field = functional.interpolate(coarse, sampling.shape[1:3], mode="bicubic", align_corners=True)
    return sampling + strength * field.permute(0, 2, 3, 1)


def neighbours_of(frames: np.ndarray, picked: np.ndarray, neighbours: int, generator: Generator) -> np.ndarray:
    """Which slices the network sees for each of `picked` `[B]`: `[B, 1 + 2·neighbours]`, as `grid.with_neighbours` takes them.

    Half of the stacks are taken from apex to base, and a tenth of the pictures end their stack on one side or the other, as a single slice
    or the outermost of a stack that was planned too short does. `frames` `[N]` say which slices are of one frame.
    """
    step = np.where(_chance(generator, len(picked), 0.5).numpy(), 1, -1)
    ends = torch.rand(len(picked), 2, generator=generator).numpy() < 0.1
    columns = [picked]
    for side, sign in enumerate((-1, 1)):
        last = picked
        for _ in range(neighbours):
            at = np.clip(last + sign * step, 0, len(frames) - 1)
            last = np.where((frames[at] == frames[picked]) & ~ends[:, side], at, last)
            columns = [last, *columns] if side == 0 else [*columns, last]
    return np.stack(columns, 1)


def crop_and_turn(
    image: Tensor, labels: Tensor, size: int, generator: Generator, heart_share: float = 0.0, bend_pixels: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Random `size`×`size` crop, turned within ±45°, scaled by 0.75 to 1.35 and squeezed by up to 10 %.

    `heart_share` of the crops lie about the heart, a quarter of `size` off its middle at most, the others anywhere.
    `image` `[N, C, Y, X]` float32, `labels` `[N, Y, X]` uint8 → `[N, C, size, size]` and int64 `[N, size, size]`.
    """
    count, _, rows, columns = image.shape
    turned = _chance(generator, count, 0.6)
    angle = torch.where(turned, _uniform(generator, count, -math.pi / 4, math.pi / 4), torch.zeros(count))
    scaled = _chance(generator, count, 0.6)
    zoom = torch.where(scaled, torch.exp(_uniform(generator, count, math.log(0.75), math.log(1.35))), torch.ones(count))
    squeeze = torch.where(scaled, torch.exp(_uniform(generator, count, -0.1, 0.1)), torch.ones(count))
    # The crop's centre keeps the crop on the canvas when nothing is turned or scaled.
    shift_y = _uniform(generator, count, -1, 1) * (rows - size) / rows
    shift_x = _uniform(generator, count, -1, 1) * (columns - size) / columns
    if heart_share > 0:
        centre = heart_centres(labels) + (torch.rand(count, 2, generator=generator) - 0.5) * size / 2
        near = _chance(generator, count, heart_share) & centre.isfinite().all(1)
        shift_y = torch.where(near, (2 * centre[:, 0] + 1) / rows - 1, shift_y)
        shift_x = torch.where(near, (2 * centre[:, 1] + 1) / columns - 1, shift_x)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    reach_y, reach_x = size / rows, size / columns
    affine = torch.stack(
        [
            torch.stack([cos * reach_x * squeeze, -sin * reach_y, shift_x], 1),
            torch.stack([sin * reach_x, cos * reach_y / squeeze, shift_y], 1),
        ],
        1,
    )
    sampling = functional.affine_grid(affine, [count, 1, size, size], align_corners=False)
    if bend_pixels > 0:
        sampling = _bend(sampling, columns, bend_pixels, generator)
    out_image = functional.grid_sample(image, sampling, mode="bilinear", padding_mode="zeros", align_corners=False)
    out_labels = functional.grid_sample(labels[:, None].float(), sampling, mode="nearest", padding_mode="zeros", align_corners=False)
    return out_image, out_labels[:, 0].long()


def _gamma(image: Tensor, generator: Generator) -> Tensor:
    """Gamma 0.6 to 1.7 on a third of the slices, mean and deviation kept."""
    count = image.shape[0]
    gamma = torch.where(_chance(generator, count, 0.35), torch.exp(_uniform(generator, count, -0.5, 0.5)), torch.ones(count))
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    unit = ((image - low) / (high - low).clamp_min(1e-6)).clamp_min(1e-6) ** gamma.view(-1, 1, 1, 1)
    mean, deviation = image.mean((1, 2, 3), keepdim=True), image.std((1, 2, 3), keepdim=True)
    changed = (unit - unit.mean((1, 2, 3), keepdim=True)) / unit.std((1, 2, 3), keepdim=True).clamp_min(1e-6)
    return torch.where(gamma.view(-1, 1, 1, 1) == 1, image, changed * deviation + mean)


def _bias_field(image: Tensor, generator: Generator, strength: float) -> Tensor:
    """A smooth coil sensitivity, e^±0.5 at its strongest times `strength`, on 40 % of the slices."""
    count = image.shape[0]
    exponent = strength * _uniform(generator, count, 0.1, 0.5) * _chance(generator, count, 0.4)
    coarse = torch.rand(count, 1, 4, 4, generator=generator) * 2 - 1
    field = functional.interpolate(coarse, image.shape[-2:], mode="bicubic", align_corners=True)
    low = image.amin((1, 2, 3), keepdim=True)
    return (image - low) * torch.exp(field * exponent.view(-1, 1, 1, 1)) + low


def _resolution(image: Tensor, generator: Generator) -> Tensor:
    """A coarser matrix, by up to 2, on a fifth of the slices."""
    size = image.shape[-1]
    out = image.clone()
    for index in torch.nonzero(_chance(generator, image.shape[0], 0.2)).flatten().tolist():
        coarse = max(8, round(size / float(_uniform(generator, 1, 1.1, 2.0))))
        small = functional.interpolate(image[index : index + 1], (coarse, coarse), mode="bilinear", antialias=True)
        out[index : index + 1] = functional.interpolate(small, (size, size), mode="bilinear")
    return out


def _field_of_view(image: Tensor, labels: Tensor, generator: Generator, share: float) -> Tensor:
    """A picture cut to 45 to 95 % of the crop's sides on `share` of the slices: normalised anew by what is left, padded with 0.

    All that is labelled in `labels` `[N, Y, X]` stays in the picture, and four pixels around it.
    """
    count, channels, rows, columns = image.shape
    cut = _chance(generator, count, share)
    inside = torch.ones(count, 1, 1, 1, dtype=torch.bool)
    for axis, size in ((1, rows), (2, columns)):
        at = torch.arange(size)
        half, middle = _uniform(generator, count, 0.45, 0.95) * size / 2, size / 2 + _uniform(generator, count, -0.1, 0.1) * size
        labelled = (labels != 0).any(3 - axis)
        first = torch.where(labelled, at, size).amin(1) - 4
        last = torch.where(labelled, at, -1).amax(1) + 4
        low, high = torch.minimum(middle - half, first), torch.maximum(middle + half, last)
        kept = (at >= low[:, None]) & (at <= high[:, None])
        inside = inside & (kept[:, None, :, None] if axis == 1 else kept[:, None, None, :])
    pixels = channels * inside.sum((1, 2, 3), keepdim=True)
    mean = (image * inside).sum((1, 2, 3), keepdim=True) / pixels
    deviation = (((image - mean) * inside) ** 2).sum((1, 2, 3), keepdim=True).div(pixels).sqrt().clamp_min(1e-3)
    return torch.where(cut.view(-1, 1, 1, 1), (image - mean) / deviation * inside, image)


def scanner(image: Tensor, labels: Tensor, generator: Generator, strength: float = 1.0, field_of_view_share: float = 0.0) -> Tensor:
    """Gamma, field of view, contrast, brightness, bias field, resolution and noise on `[N, C, Y, X]`, alike on all slices of a stack.

    `strength` times as much of contrast, brightness and bias field. `labels` `[N, Y, X]` stay as they are.
    """
    count = image.shape[0]
    image = _bias_field(_gamma(image, generator), generator, strength)
    if field_of_view_share > 0:
        image = _field_of_view(image, labels, generator, field_of_view_share)
    contrast = torch.exp(strength * _uniform(generator, count, -0.25, 0.25)).view(-1, 1, 1, 1)
    brightness = strength * _uniform(generator, count, -0.2, 0.2).view(-1, 1, 1, 1)
    image = _resolution(image * contrast + brightness, generator)
    noise = (_uniform(generator, count, 0.0, 0.2) * _chance(generator, count, 0.3)).view(-1, 1, 1, 1)
    return image + noise * torch.randn(image.shape, generator=generator)
