"""pydicom's side of `beside_pydicom.rs`: `python beside_pydicom.py FOLDER` answers each line of its input with the milliseconds that reading
every file of the folder took, header and pixels, and the sum of all pixels.
"""

import sys
import time
from pathlib import Path

import pydicom


def main() -> None:
    """Answers lines until there are no more."""
    paths = sorted(Path(sys.argv[1]).iterdir())
    for _ in sys.stdin:
        total = 0
        started = time.perf_counter()
        for path in paths:
            total += int(pydicom.dcmread(path).pixel_array.sum(dtype="int64"))
        print((time.perf_counter() - started) * 1000, total, flush=True)


if __name__ == "__main__":
    main()
