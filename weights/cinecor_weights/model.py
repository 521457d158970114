"""The network: a 2-D U-Net whose graph holds nothing but Conv, Relu, MaxPool, ConvTranspose, Concat and Softmax.

Those six run in every engine the service knows, at full speed and with the same numbers. No training here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .labels import CLASSES

#: Poolings by two: rows and columns of the input are multiples of 2**LEVELS_DOWN.
LEVELS_DOWN: int = 4


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Twice 3×3 convolution, batch norm, ReLU: `[N, inputs, Y, X]` → `[N, outputs, Y, X]`."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def doubling(base: int) -> tuple[int, ...]:
    """The widths of a U-Net whose channels double from one level to the next."""
    return tuple(base << level for level in range(LEVELS_DOWN + 1))


class UNet(nn.Module):
    """U-Net of five levels, `width` channels each from the finest, with one auxiliary output at half resolution while it trains."""

    def __init__(self, width: Sequence[int] = doubling(16), classes: int = CLASSES, inputs: int = 1) -> None:
        super().__init__()
        if len(width) != LEVELS_DOWN + 1:
            raise ValueError(f"{len(width)} widths, but the network has {LEVELS_DOWN + 1} levels")
        self.inputs = inputs
        self.down = nn.ModuleList(_block(inputs if i == 0 else width[i - 1], width[i]) for i in range(LEVELS_DOWN + 1))
        self.up = nn.ModuleList(nn.ConvTranspose2d(width[i + 1], width[i], 2, stride=2) for i in range(LEVELS_DOWN))
        self.merge = nn.ModuleList(_block(2 * width[i], width[i]) for i in range(LEVELS_DOWN))
        self.head = nn.Conv2d(width[0], classes, 1)
        self.auxiliary = nn.Conv2d(width[1], classes, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """`[N, inputs, Y, X]` → logits `[N, C, Y, X]` and auxiliary logits `[N, C, Y/2, X/2]`; Y and X multiples of 16."""
        skips: list[Tensor] = []
        x = image
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        half = x
        for level in reversed(range(LEVELS_DOWN)):
            x = self.merge[level](torch.cat([skips[level], self.up[level](x)], 1))
            if level == 1:
                half = x
        return self.head(x), self.auxiliary(half)


class Inference(nn.Module):
    """What is exported: the main output alone, as probabilities."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """`[N, inputs, Y, X]` float32 → probabilities `[N, C, Y, X]` float32 that sum to one over C."""
        return functional.softmax(self.network(image)[0], 1)


def macs(network: UNet, canvas: int) -> int:
    """Multiplications and additions of one slice of `canvas`×`canvas`, those of the convolutions, auxiliary output left out."""
    counted = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        # A convolution gathers once for every output, a transposed one scatters once for every input.
        places = inputs[0].numel() if isinstance(module, nn.ConvTranspose2d) else output.numel()
        counted += places * module.weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and m is not network.auxiliary]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        network(torch.zeros(1, network.inputs, canvas, canvas))
    for hook in hooks:
        hook.remove()
    return counted
