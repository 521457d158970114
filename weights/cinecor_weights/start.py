"""Starts a training from a package that is committed: a wider network that at first computes what the package's graph computes.

The graph holds no batch norms, so they are put back as what changes nothing: each has the mean and deviation it meets as its shift and
scale. Channels that the graph lacks begin at random and are read by nothing old, so they change nothing until they have learned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from .model import LEVELS_DOWN, UNet


def weights_of(graph: Path) -> dict[str, Tensor]:
    """The weights and biases in a package's graph, by the names they have in `UNet`."""
    initializers = onnx.load(graph).graph.initializer
    return {i.name.removeprefix("network."): torch.from_numpy(numpy_helper.to_array(i).copy()) for i in initializers}


def _layers(network: UNet) -> list[tuple[str, nn.Module, nn.BatchNorm2d | None, tuple[str, ...]]]:
    """Every layer of the graph: its name, itself, the norm behind it, and the layers whose outputs it reads side by side."""
    found: list[tuple[str, nn.Module, nn.BatchNorm2d | None, tuple[str, ...]]] = []

    def block(name: str, layers: nn.Module, sources: tuple[str, ...]) -> str:
        found.append((f"{name}.0", layers[0], layers[1], sources))
        found.append((f"{name}.3", layers[3], layers[4], (f"{name}.0",)))
        return f"{name}.3"

    skips: list[str] = []
    for level, layers in enumerate(network.down):
        skips.append(block(f"down.{level}", layers, (skips[-1],) if skips else ()))
    last = skips[-1]
    for level in reversed(range(LEVELS_DOWN)):
        found.append((f"up.{level}", network.up[level], None, (last,)))
        last = block(f"merge.{level}", network.merge[level], (skips[level], f"up.{level}"))
    found.append(("head", network.head, None, (last,)))
    return found


@torch.no_grad()
def grow(network: UNet, graph: Path, images: np.ndarray) -> None:
    """Makes `network` compute what `graph` computes, exactly in evaluation; `images` `[N, inputs, Y, X]` say what its norms will meet.

    A network of more inputs than the graph reads the graph's in the middle of its own, and at first nothing of its neighbours.

    Raises `ValueError` when the graph is wider than the network somewhere.
    """
    weights = weights_of(graph)
    old_bias: dict[nn.BatchNorm2d, Tensor] = {}
    old_count: dict[str, int] = {}
    new_count: dict[str, int] = {}
    for name, layer, norm, sources in _layers(network):
        transposed = isinstance(layer, nn.ConvTranspose2d)
        # `[outputs, inputs, …]`, as a view for both kinds of convolution.
        new, old = (w.transpose(0, 1) if transposed else w for w in (layer.weight, weights[f"{name}.weight"]))
        old_count[name], new_count[name] = old.shape[0], new.shape[0]
        if old.shape[0] > new.shape[0] or old.shape[1] > new.shape[1]:
            raise ValueError(f"{graph} has {old.shape[0]}x{old.shape[1]} channels at {name}, the network has room for {new.shape[0]}x{new.shape[1]}")
        # Inputs lie side by side, each source's old channels first and then its new ones.
        columns: list[int] | range = []
        offset = 0
        for source in sources:
            columns = [*columns, *range(offset, offset + old_count[source])]
            offset += new_count[source]
        new[: old.shape[0]] = 0
        if not sources:
            columns = range((new.shape[1] - old.shape[1]) // 2, (new.shape[1] + old.shape[1]) // 2)
        for row in range(old.shape[0]):
            new[row, columns] = old[row]
        bias = weights[f"{name}.bias"]
        if norm is None:
            layer.bias[: len(bias)] = bias
        else:
            old_bias[norm] = bias

    def settle(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        bias = old_bias[norm]
        norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
        norm.running_var.copy_(inputs[0].var((0, 2, 3), unbiased=False))
        norm.weight[: len(bias)] = torch.sqrt(norm.running_var + norm.eps)[: len(bias)]
        norm.bias[: len(bias)] = norm.running_mean[: len(bias)] + bias

    # In evaluation a norm is settled just before it is used, so each meets the outputs of norms that are settled already.
    training = network.training
    network.eval()
    hooks = [norm.register_forward_pre_hook(settle) for norm in old_bias]
    network(torch.from_numpy(images.astype(np.float32)))
    for hook in hooks:
        hook.remove()
    network.train(training)
