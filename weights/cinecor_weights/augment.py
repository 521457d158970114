"""Batched augmentation on tensors: where the heart lies, how it is turned and scaled, and what scanner made the picture.

Mirroring is left out on purpose: a mirrored heart does not exist, and the right ventricle is told from the left by its side too.
Every function takes the generator it draws from, so that a seed decides all.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional


def _uniform(generator: Generator, count: int, low: float, high: float) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _chance(generator: Generator, count: int, probability: float) -> Tensor:
    return torch.rand(count, generator=generator) < probability


def crop_and_turn(image: Tensor, labels: Tensor, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Random `size`×`size` crop, turned within ±45°, scaled by 0.75 to 1.35 and squeezed by up to 10 %.

    `image` `[N, 1, Y, X]` float32, `labels` `[N, Y, X]` uint8 → `[N, 1, size, size]` and int64 `[N, size, size]`.
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


def _bias_field(image: Tensor, generator: Generator) -> Tensor:
    """A smooth coil sensitivity, e^±0.5 at its strongest, on 40 % of the slices."""
    count = image.shape[0]
    strength = _uniform(generator, count, 0.1, 0.5) * _chance(generator, count, 0.4)
    coarse = torch.rand(count, 1, 4, 4, generator=generator) * 2 - 1
    field = functional.interpolate(coarse, image.shape[-2:], mode="bicubic", align_corners=True)
    low = image.amin((1, 2, 3), keepdim=True)
    return (image - low) * torch.exp(field * strength.view(-1, 1, 1, 1)) + low


def _resolution(image: Tensor, generator: Generator) -> Tensor:
    """A coarser matrix, by up to 2, on a fifth of the slices."""
    size = image.shape[-1]
    out = image.clone()
    for index in torch.nonzero(_chance(generator, image.shape[0], 0.2)).flatten().tolist():
        coarse = max(8, round(size / float(_uniform(generator, 1, 1.1, 2.0))))
        small = functional.interpolate(image[index : index + 1], (coarse, coarse), mode="bilinear", antialias=True)
        out[index : index + 1] = functional.interpolate(small, (size, size), mode="bilinear")
    return out


def scanner(image: Tensor, generator: Generator) -> Tensor:
    """Gamma, contrast, brightness, bias field, resolution and noise on `[N, 1, Y, X]`; labels stay as they are."""
    count = image.shape[0]
    image = _bias_field(_gamma(image, generator), generator)
    contrast = torch.exp(_uniform(generator, count, -0.25, 0.25)).view(-1, 1, 1, 1)
    brightness = _uniform(generator, count, -0.2, 0.2).view(-1, 1, 1, 1)
    image = _resolution(image * contrast + brightness, generator)
    noise = (_uniform(generator, count, 0.0, 0.2) * _chance(generator, count, 0.3)).view(-1, 1, 1, 1)
    return image + noise * torch.randn(image.shape, generator=generator)
