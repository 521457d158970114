"""Draws the loss of trainings over their epochs, one line a training, as one SVG. Reads the `history.csv` that each of them left."""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from xml.sax.saxutils import escape

#: Size of the picture and of the margin around its axes, pixels.
WIDTH, HEIGHT, MARGIN = 720, 360, 48
#: Okabe and Ito's colours, which are told apart by colour-blind readers too (Color Universal Design, 2008).
COLOURS: tuple[str, ...] = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def read(history: Path) -> list[tuple[int, float]]:
    """Epoch and mean loss of each line."""
    with history.open() as lines:
        return [(int(line["epoch"]), float(line["loss"])) for line in csv.DictReader(lines)]


def draw(trainings: dict[str, list[tuple[int, float]]]) -> str:
    """The SVG: epochs to the right, loss upwards on a logarithmic axis. Raises `ValueError` when there is nothing to draw."""
    points = [point for line in trainings.values() for point in line]
    if not points:
        raise ValueError("none of the histories holds an epoch: train for one at least")
    last = max(2, *(epoch for epoch, _ in points))
    low, high = (math.log10(edge) for edge in (min(loss for _, loss in points) * 0.95, max(loss for _, loss in points) * 1.05))

    def place(epoch: float, loss: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (epoch - 1) / (last - 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (math.log10(loss) - low) / (high - low)
        return round(x, 1), round(y, 1)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    out.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for loss in (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0):
        if low <= math.log10(loss) <= high:
            y = place(1, loss)[1]
            out.append(f'<path d="M{MARGIN} {y}H{WIDTH - MARGIN}" stroke="#ddd"/><text x="{MARGIN - 6}" y="{y + 4}" text-anchor="end">{loss:g}</text>')
    for epoch in range(10, last + 1, 10):
        x = place(epoch, 10**low)[0]
        out.append(f'<text x="{x}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{epoch}</text>')
    out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">epoch</text>')
    out.append(f'<text x="{MARGIN}" y="{MARGIN - 16}">training loss: cross-entropy + soft Dice, augmented</text>')
    for (name, line), colour in zip(trainings.items(), COLOURS * len(trainings)):
        path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in line))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for index, (name, colour) in enumerate(zip(trainings, COLOURS * len(trainings))):
        y = MARGIN + 16 * index
        out.append(f'<path d="M{WIDTH - 220} {y}h20" stroke="{colour}" stroke-width="2"/><text x="{WIDTH - 194}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histories", nargs="+", metavar="NAME=HISTORY", help="what to call a training, and its history.csv")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    trainings = {}
    for argument in arguments.histories:
        name, _, history = argument.partition("=")
        if not history:
            parser.error(f"{argument!r} is not NAME=HISTORY")
        trainings[name] = read(Path(history))
    arguments.out.write_text(draw(trainings))


if __name__ == "__main__":
    main()
