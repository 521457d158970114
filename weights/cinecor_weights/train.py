"""Trains the network by a named recipe. Every epoch leaves a checkpoint to resume from; the averaged weights are what is kept in the end.

Deterministic for one seed, thread count, processor and PyTorch build. No export here.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import augment, grid, prepare, start
from .labels import CLASSES
from .model import UNet, doubling

#: What a training leaves beside its checkpoint: mean loss, learning rate at its start and seconds of every epoch. `curves` draws it.
HISTORY: str = "history.csv"

#: Where packages lie in the repository.
MODELS = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True)
class Recipe:
    """What decides the weights, besides the data. It stands in the checkpoint and in the card. What is left out is as it was for 1.0.0."""

    epochs: int = 34
    #: The learning rate follows a cosine that would end at 0 after this many epochs …
    cosine_epochs: int = 40
    #: … and in the last of `epochs` goes straight to 0 from where it is: the end of a cosine moves little and takes as long.
    cooldown_epochs: int = 4
    #: After `epochs` the rate starts again from this share of `learning_rate`, and goes straight to 0 in so many epochs more.
    again_epochs: int = 0
    again_rate: float = 0.3
    batch: int = 16
    crop: int = 160
    #: Channels of the five levels, the finest first.
    width: tuple[int, ...] = doubling(16)
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    auxiliary_weight: float = 0.3
    average_decay: float = 0.997
    seed: int = 1
    #: The network's grid: rows and columns, mm.
    canvas: int = grid.CANVAS
    spacing_mm: float = grid.SPACING_MM
    #: The pixels that it is served on, mm, where others than those it was trained on were chosen since.
    served_spacing_mm: float | None = None
    #: The share of crops that lie about the heart, and how far a crop is bent.
    heart_share: float = 0.0
    bend_pixels: float = 0.0
    #: How much scanners differ, 1 being what 1.0.0 saw, and the share of pictures cut to a smaller field of view.
    scanner_strength: float = 1.0
    field_of_view_share: float = 0.0
    #: How many slices before and after it the network sees beside each slice.
    neighbours: int = 0
    #: How much of a slice it looks at once it is trained, margin and step of a `grid.Region`; the training draws its own crops.
    region: tuple[int, int] | None = None
    #: The splits it is trained on.
    splits: tuple[str, ...] = ("train",)
    #: The package it starts from, `name/version` under `models`; empty: random weights.
    start: str = ""
    #: The package whose probabilities it learns beside the labels, the recipe of which is among `RECIPES`, and how much of its loss they are.
    teacher: str = ""
    teacher_weight: float = 0.5

    @property
    def grid(self) -> grid.Grid:
        """What it is trained on."""
        return grid.Grid(self.spacing_mm, self.canvas, self.neighbours, self.region and grid.Region(*self.region))

    @property
    def served(self) -> grid.Grid:
        """What its package looks at."""
        return replace(self.grid, spacing_mm=self.served_spacing_mm or self.spacing_mm)


#: The recipes of the packages under `models`.
RECIPES: dict[str, Recipe] = {
    "cinecor-unet/1.0.0": Recipe(),
    # Half as wide again where a channel costs little memory traffic, none wider at full resolution, which would cost most of the time.
    "cinecor-unet/1.1.0": Recipe(
        epochs=32,
        cosine_epochs=90,
        cooldown_epochs=7,
        again_epochs=8,
        crop=144,
        width=(16, 48, 96, 192, 256),
        learning_rate=1.5e-3,
        average_decay=0.998,
        canvas=208,
        heart_share=0.8,
        bend_pixels=6.0,
        scanner_strength=1.6,
        field_of_view_share=0.15,
        start="cinecor-unet/1.0.0",
    ),
    # Each slice between its neighbours: where the base of a ventricle lies is not seen in one slice.
    "cinecor-unet/1.2.0": Recipe(
        epochs=30,
        cosine_epochs=34,
        cooldown_epochs=4,
        crop=144,
        width=(16, 48, 96, 192, 256),
        learning_rate=1.2e-3,
        average_decay=0.998,
        canvas=208,
        heart_share=0.8,
        bend_pixels=6.0,
        scanner_strength=1.6,
        field_of_view_share=0.15,
        neighbours=1,
        start="cinecor-unet/1.1.0",
    ),
    # The last training: chosen on acdc-val, so that acdc-val can be learned from.
    "cinecor-unet/1.3.0": Recipe(
        epochs=30,
        cosine_epochs=33,
        cooldown_epochs=4,
        crop=144,
        width=(16, 48, 96, 192, 256),
        learning_rate=1.2e-3,
        average_decay=0.998,
        canvas=208,
        heart_share=0.8,
        bend_pixels=6.0,
        scanner_strength=1.6,
        field_of_view_share=0.15,
        neighbours=1,
        splits=("train", "val"),
        start="cinecor-unet/1.2.0",
    ),
    # More of the same: what is drawn differs by the seed.
    "cinecor-unet/1.4.0": Recipe(
        epochs=26,
        cosine_epochs=40,
        cooldown_epochs=4,
        crop=144,
        width=(16, 48, 96, 192, 256),
        learning_rate=1.2e-3,
        average_decay=0.998,
        seed=2,
        canvas=208,
        heart_share=0.8,
        bend_pixels=6.0,
        scanner_strength=1.6,
        field_of_view_share=0.15,
        neighbours=1,
        region=(24, 16),
        splits=("train", "val"),
        start="cinecor-unet/1.3.0",
    ),
    # Three quarters of 1.0.0's channels, on coarser pixels, taught by the large network. The weights are those of its 1.0.0, which was served on the
    # pixels that it was trained on, whole slices.
    "cinecor-unet-lite/1.1.0": Recipe(
        epochs=40,
        cosine_epochs=44,
        cooldown_epochs=5,
        crop=128,
        width=(12, 24, 48, 96, 160),
        learning_rate=2e-3,
        average_decay=0.998,
        canvas=176,
        spacing_mm=1.6,
        served_spacing_mm=1.5,
        heart_share=0.8,
        bend_pixels=5.0,
        scanner_strength=1.4,
        field_of_view_share=0.1,
        neighbours=1,
        region=(26, 16),
        start="cinecor-unet/1.0.0",
        teacher="cinecor-unet/1.2.0",
    ),
}


def rate_factor(recipe: Recipe, steps: int, step: int) -> float:
    """The share of `recipe.learning_rate` at `step`, with `steps` an epoch: warm-up of a hundred steps, cosine, straight to 0, and again."""
    turn, end = max(0, recipe.epochs - recipe.cooldown_epochs) * steps, recipe.epochs * steps
    if recipe.again_epochs and step >= end:
        return recipe.again_rate * max(0.0, 1 - (step - end) / (recipe.again_epochs * steps))
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


def loss_against(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Cross-entropy against a teacher's `probabilities`, both `[N, C, Y, X]` → scalar."""
    return -(probabilities * functional.log_softmax(logits.float(), 1)).sum(1).mean()


def taught_by(package: str, slices: prepare.Slices) -> UNet:
    """The network of a package, in evaluation mode."""
    recipe = RECIPES[package]
    network = network_of(recipe)
    _start_from(network, package, slices, recipe)
    return network.eval().to(memory_format=torch.channels_last)


def _start_from(network: UNet, package: str, slices: prepare.Slices, recipe: Recipe) -> None:
    some = np.random.default_rng(recipe.seed).permutation(len(slices.images))[:64]
    seen = augment.neighbours_of(slices.frames, some, recipe.neighbours, torch.Generator().manual_seed(recipe.seed))
    start.grow(network, MODELS / package / "model.onnx", slices.images[seen])


def _save(state: dict[str, object], path: Path) -> None:
    """A kill while writing leaves the checkpoint before."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)


def _note(history: Path, epoch: int, loss: float, rate: float, seconds: float) -> None:
    """One line an epoch; those of epochs that a resumed training does again are replaced."""
    lines = history.read_text().splitlines()[1:epoch] if history.exists() else []
    lines.append(f"{epoch},{loss:.4f},{rate:.3e},{seconds:.1f}")
    history.write_text("\n".join(["epoch,loss,learning_rate,seconds", *lines]) + "\n")


def _is_further_along(kept: dict[str, object], epoch: int, recipe: Recipe) -> bool:
    """Whether the first `epoch` epochs of the recipe `kept` are those of `recipe` too: all is the same but where an end begins."""
    before = Recipe(**kept)
    if before == recipe:
        return True
    again = replace(before, again_epochs=recipe.again_epochs, again_rate=recipe.again_rate)
    end = replace(again, epochs=recipe.epochs, cooldown_epochs=recipe.cooldown_epochs)
    turns = (r.epochs - r.cooldown_epochs for r in (before, recipe))
    return (again == recipe and epoch <= recipe.epochs) or (end == recipe and epoch <= min(turns))


def _computes() -> torch.autocast:
    """bf16 where the processor multiplies it, which takes half the time; where it only imitates it, that takes ten times as long."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


def network_of(recipe: Recipe) -> UNet:
    """The recipe's network, its weights at random."""
    return UNet(recipe.width, inputs=1 + 2 * recipe.neighbours)


def train(slices: prepare.Slices, recipe: Recipe, out: Path, augmented: bool = True) -> UNet:
    """Trains on `slices`; resumes from `out/checkpoint.pt` if it is of the same recipe.

    `epochs` may have changed since, as long as the rate had not begun to go straight to 0 and has not to have begun; likewise `again_epochs`.
    Returns the averaged network in evaluation mode, and leaves its weights in `out/weights.pt`.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    images, labels = slices.images, slices.labels
    network = network_of(recipe)
    if recipe.start:
        _start_from(network, recipe.start, slices, recipe)
    teacher = taught_by(recipe.teacher, slices) if recipe.teacher else None
    if teacher is not None and teacher.inputs != network.inputs:
        raise ValueError(f"{recipe.teacher} sees {teacher.inputs} slices at once, the network it is to teach {network.inputs}")
    network = network.to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = max(1, len(images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(recipe, steps, step))
    first = 0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if not _is_further_along(state["recipe"], state["epoch"], recipe):
            raise SystemExit(f"{checkpoint} is of another recipe ({state['recipe']}): name another folder or delete it.")
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
        # The rate that the checkpoint holds is that of its own recipe, whose end may have been another.
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate_factor(recipe, steps, first * steps)
    last = recipe.epochs + recipe.again_epochs
    for epoch in range(first, last):
        # One generator an epoch: a resumed run draws what an unbroken one would have drawn.
        generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        order = torch.randperm(len(images), generator=generator).numpy()
        started, total = time.monotonic(), 0.0
        network.train()
        for step in range(steps):
            picked = order[step * recipe.batch : (step + 1) * recipe.batch]
            seen = augment.neighbours_of(slices.frames, picked, recipe.neighbours, generator) if recipe.neighbours else picked[:, None]
            image = torch.from_numpy(images[seen].astype(np.float32))
            truth = torch.from_numpy(labels[picked])
            if augmented:
                image, truth = augment.crop_and_turn(image, truth, recipe.crop, generator, recipe.heart_share, recipe.bend_pixels)
                image = augment.scanner(image, truth, generator, recipe.scanner_strength, recipe.field_of_view_share)
            truth = truth.long()
            image = image.to(memory_format=torch.channels_last)
            with _computes():
                logits, half = network(image)
            loss = loss_of(logits, truth) + recipe.auxiliary_weight * loss_of(half, truth[:, ::2, ::2])
            if teacher is not None:
                with torch.no_grad(), _computes():
                    taught = functional.softmax(teacher(image)[0].float(), 1)
                loss = (1 - recipe.teacher_weight) * loss + recipe.teacher_weight * loss_against(logits, taught)
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
            if sys.stderr.isatty():
                bar = ("#" * (30 * (step + 1) // steps)).ljust(30, ".")
                print(f"\repoch {epoch + 1}/{last} [{bar}] loss {total / (step + 1):.4f}", end="\r" if step + 1 < steps else "\r\033[K", file=sys.stderr)
        seconds = time.monotonic() - started
        left = seconds * (last - epoch - 1) / 60
        print(f"epoch {epoch + 1}/{last} loss {total / steps:.4f} seconds {seconds:.1f} minutes left {left:.0f}", flush=True)
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
        _note(out / HISTORY, epoch + 1, total / steps, recipe.learning_rate * rate_factor(recipe, steps, epoch * steps), seconds)
    result = averaged.module.eval()
    _save({"recipe": asdict(recipe), "weights": result.state_dict()}, out / "weights.pt")
    return result


def load(path: Path) -> tuple[UNet, Recipe]:
    """The averaged network of `weights.pt`, in evaluation mode, and the recipe it was trained with."""
    state = torch.load(path, weights_only=True)
    recipe = Recipe(**state["recipe"])
    network = network_of(recipe)
    network.load_state_dict(state["weights"])
    return network.eval(), recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=sorted(RECIPES), help="the package whose recipe is followed")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's; a training that is stopped before its rate goes straight to 0 may go on with another number")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder of the checkpoint and of weights.pt; target/weights/run/RECIPE unless told")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    # Numbers below 1e-38 take a hundred times as long and are nothing.
    torch.set_flush_denormal(True)
    recipe = RECIPES[arguments.recipe]
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    train(prepare.slices(recipe.splits, onto=recipe.grid), recipe, arguments.out or prepare.CACHE / "run" / arguments.recipe)


if __name__ == "__main__":
    main()
