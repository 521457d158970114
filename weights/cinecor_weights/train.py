"""Trains the network. Every epoch leaves a checkpoint to resume from; the averaged weights are what is kept in the end.

Deterministic for one seed, thread count and PyTorch build. No export here.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import augment, prepare
from .labels import CLASSES
from .model import UNet


@dataclass(frozen=True)
class Recipe:
    """What decides the weights, besides the data. It stands in the checkpoint and in the card."""

    epochs: int = 34
    #: The learning rate follows a cosine that would end at 0 after this many epochs …
    cosine_epochs: int = 40
    #: … and in the last of `epochs` goes straight to 0 from where it is: the end of a cosine moves little and takes as long.
    cooldown_epochs: int = 4
    batch: int = 16
    crop: int = 160
    base: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    auxiliary_weight: float = 0.3
    average_decay: float = 0.997
    seed: int = 1


def rate_factor(recipe: Recipe, steps: int, step: int) -> float:
    """The share of `recipe.learning_rate` at `step`, with `steps` an epoch: warm-up of a hundred steps, cosine, straight to 0."""
    turn, end = max(0, recipe.epochs - recipe.cooldown_epochs) * steps, recipe.epochs * steps
    warm = min(1.0, (step + 1) / 100)
    cosine = 0.5 * (1 + math.cos(math.pi * min(step, turn) / (recipe.cosine_epochs * steps)))
    return warm * cosine * (1.0 if step <= turn else max(0.0, (end - step) / (end - turn)))


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy + soft Dice over the batch. `logits` `[N, C, Y, X]`, `labels` int64 `[N, Y, X]` → scalar."""
    logits = logits.float()
    probabilities = functional.softmax(logits, 1)
    truth = functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
    both = (probabilities * truth).sum((0, 2, 3))
    either = probabilities.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    dice = (2 * both + 1) / (either + 1)
    return functional.cross_entropy(logits, labels) + 1 - dice[1:].mean()


def _save(state: dict[str, object], path: Path) -> None:
    """A kill while writing leaves the checkpoint before."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)


def train(images: np.ndarray, labels: np.ndarray, recipe: Recipe, out: Path, augmented: bool = True) -> UNet:
    """Trains on `images` `[N, Y, X]` float16 and `labels` `[N, Y, X]` uint8; resumes from `out/checkpoint.pt` if it is of the same recipe.

    Returns the averaged network in evaluation mode, and leaves its weights in `out/weights.pt`.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = UNet(recipe.base).to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = max(1, len(images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(recipe, steps, step))
    first = 0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise SystemExit(f"{checkpoint} is of another recipe ({state['recipe']}): name another folder or delete it.")
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
    for epoch in range(first, recipe.epochs):
        # One generator an epoch: a resumed run draws what an unbroken one would have drawn.
        generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        order = torch.randperm(len(images), generator=generator).numpy()
        started, total = time.monotonic(), 0.0
        network.train()
        for step in range(steps):
            picked = order[step * recipe.batch : (step + 1) * recipe.batch]
            image = torch.from_numpy(images[picked].astype(np.float32))[:, None]
            truth = torch.from_numpy(labels[picked])
            if augmented:
                image, truth = augment.crop_and_turn(image, truth, recipe.crop, generator)
                image = augment.scanner(image, generator)
            truth = truth.long()
            image = image.to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits, half = network(image)
            loss = loss_of(logits, truth) + recipe.auxiliary_weight * loss_of(half, truth[:, ::2, ::2])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            # An average over fewer steps than the decay remembers would still hold the first, random weights.
            done = epoch * steps + step + 1
            averaged.multi_avg_fn = get_ema_multi_avg_fn(min(recipe.average_decay, done / (done + 10)))
            averaged.update_parameters(network)
            total += loss.item()
        print(f"epoch {epoch + 1}/{recipe.epochs} loss {total / steps:.4f} seconds {time.monotonic() - started:.1f}", flush=True)
        _save(
            {
                "recipe": asdict(recipe),
                "epoch": epoch + 1,
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
            },
            checkpoint,
        )
    result = averaged.module.eval()
    _save({"recipe": asdict(recipe), "weights": result.state_dict()}, out / "weights.pt")
    return result


def load(path: Path) -> tuple[UNet, Recipe]:
    """The averaged network of `weights.pt`, in evaluation mode, and the recipe it was trained with."""
    state = torch.load(path, weights_only=True)
    recipe = Recipe(**state["recipe"])
    network = UNet(recipe.base)
    network.load_state_dict(state["weights"])
    return network.eval(), recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--base", type=int, default=Recipe.base)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=prepare.CACHE / "run")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images, labels = prepare.slices("train")
    train(images, labels, Recipe(epochs=arguments.epochs, base=arguments.base), arguments.out)


if __name__ == "__main__":
    main()
