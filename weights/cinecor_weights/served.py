"""Copies what was measured through the running service into a package's card: Dice of every pathology group, and what degraded volumes do to Dice
and verdict. Reads the `results.json` and `robustness.json` that `cargo xtask evaluate` writes; measures nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from .calibrate import BAD_BELOW
from .labels import STRUCTURES

PHASES: tuple[str, ...] = ("ed", "es")


def groups(results: dict[str, object]) -> dict[str, object]:
    """Group → patients, mean Dice, and Dice of every structure and phase, all means over its patients."""
    cases: dict[str, list[dict[str, object]]] = {}
    for case in results["cases"]:
        cases.setdefault(case["group"], []).append(case)
    out: dict[str, object] = {}
    for name, of in sorted(cases.items()):
        dice = {s: {p: [one[p][s]["dice"] for one in of if one[p][s]["dice"] is not None] for p in PHASES} for s in STRUCTURES}
        means = {s: {p: round(float(np.mean(v)), 3) for p, v in phases.items()} for s, phases in dice.items()}
        every = [np.mean([one[p][s]["dice"] for p in PHASES for s in STRUCTURES if one[p][s]["dice"] is not None]) for one in of]
        out[name] = {"patients": len(of), "dice_mean": round(float(np.mean(every)), 3), "dice": means}
    return out


def robustness(figures: dict[str, object]) -> dict[str, object]:
    """What was done to volumes → their Dice, and how many of them were bad, rejected, and bad but passed."""
    rows = []
    for row in figures["degraded"] + figures["without_a_heart"]:
        volumes = row["volumes"]
        verdicts = ["reject" if v["refused"] else v["quality"]["verdict"] for v in volumes]
        dice = [v["mean_dice"] for v in volumes]
        bad = [d is not None and d < BAD_BELOW and not v["refused"] for d, v in zip(dice, volumes, strict=True)]
        known = [d for d in dice if d is not None]
        rows.append(
            {
                "what": row["what"],
                "volumes": len(volumes),
                "dice_mean": round(float(np.mean(known)), 3) if known else None,
                "dice_least": round(float(min(known)), 3) if known else None,
                "bad": sum(bad),
                "rejected": verdicts.count("reject"),
                "bad_and_passed": sum(b and v == "pass" for b, v in zip(bad, verdicts, strict=True)),
            }
        )
    return {"set": figures["set"], "measured_with": "{name} {version}".format(**figures["model"]), "patients": figures["patients"], "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="folder of the package whose card is written")
    parser.add_argument("--results", type=Path, help="results.json of the package on the test set")
    parser.add_argument("--robustness", type=Path, help="robustness.json of the package, or of its sister that was not trained on the set")
    arguments = parser.parse_args()
    path = arguments.package / "model.json"
    card = json.loads(path.read_text())
    served = card.get("served", {})
    if arguments.results:
        results = json.loads(arguments.results.read_text())
        found = results["model"]
        if (found["name"], found["version"]) != (card["name"], card["version"]):
            raise SystemExit(f"{arguments.results} is of {found['name']} {found['version']}, the card of {card['name']} {card['version']}.")
        served["groups"] = {"set": results["set"], "by_group": groups(results)}
    if arguments.robustness:
        served["robustness"] = robustness(json.loads(arguments.robustness.read_text()))
    card["served"] = served
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
