"""Starts a training from a package that is committed: a network that at first computes what the package's graph computes.

The graph holds no batch norms, so they are put back as what changes nothing: each has the mean and deviation it meets as its shift and
scale. Channels that the graph lacks begin at random and are read by nothing old, so they change nothing until they have learned. Where
the network has fewer channels than the graph, those with the largest weights stay: it then starts near, not where the graph is.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from .model import LEVELS_DOWN, UNet


def committed(file: Path) -> bytes:
    """A file of a package, from the history of the repository where a later package has replaced it.

    Raises `SystemExit` when neither the folder nor the history has it.
    """
    if file.exists():
        return file.read_bytes()

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", "-C", next(p for p in file.parents if p.exists()), *arguments], check=True, capture_output=True).stdout

    removal = git("log", "-1", "--format=%H", "--diff-filter=D", "--", str(file)).decode().strip()
    if not removal:
        raise SystemExit(f"{file} is not there, nor in this clone's history: a shallow clone is made whole by `git fetch --unshallow`.")
    top = Path(git("rev-parse", "--show-toplevel").decode().strip())
    return git("show", f"{removal}^:{file.relative_to(top)}")


def weights_of(graph: Path) -> dict[str, Tensor]:
    """The weights and biases in a package's graph, by the names they have in `UNet`."""
    initializers = onnx.load_from_string(committed(graph)).graph.initializer
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
    """Makes `network` compute what `graph` computes, exactly in evaluation where it is as wide; `images` `[N, inputs, Y, X]` say what its
    norms will meet.

    A network of more inputs than the graph reads the graph's in the middle of its own, and at first nothing of its neighbours.

    Raises `ValueError` when the graph has more inputs or classes than the network.
    """
    weights = weights_of(graph)
    old_bias: dict[nn.BatchNorm2d, Tensor] = {}
    #: Of each layer: outputs in the graph, outputs in the network, and which of the former are the first of the latter.
    old_count: dict[str, int] = {}
    new_count: dict[str, int] = {}
    kept: dict[str, list[int]] = {}
    for name, layer, norm, sources in _layers(network):
        transposed = isinstance(layer, nn.ConvTranspose2d)
        # `[outputs, inputs, …]`, as a view for both kinds of convolution.
        new, old = (w.transpose(0, 1) if transposed else w for w in (layer.weight, weights[f"{name}.weight"]))
        old_count[name], new_count[name] = old.shape[0], new.shape[0]
        if (not sources and old.shape[1] > new.shape[1]) or (name == "head" and old.shape[0] != new.shape[0]):
            raise ValueError(f"{graph} has {old.shape[0]}x{old.shape[1]} channels at {name}, the network has {new.shape[0]}x{new.shape[1]}")
        largest = old.flatten(1).norm(dim=1).argsort(descending=True, stable=True)
        kept[name] = sorted(largest[: new.shape[0]].tolist())
        # Inputs lie side by side, each source's old channels first and then its new ones.
        read: list[int] = []
        columns: list[int] = []
        old_offset = new_offset = 0
        for source in sources:
            read += [old_offset + channel for channel in kept[source]]
            columns += range(new_offset, new_offset + len(kept[source]))
            old_offset += old_count[source]
            new_offset += new_count[source]
        if not sources:
            first = (new.shape[1] - old.shape[1]) // 2
            read, columns = list(range(old.shape[1])), list(range(first, first + old.shape[1]))
        new[: len(kept[name])] = 0
        for row, channel in enumerate(kept[name]):
            new[row, columns] = old[channel, read]
        bias = weights[f"{name}.bias"][kept[name]]
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
