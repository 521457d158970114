"""Seeds of the target `frame`: the compressed frames of the DICOM files that the tests have, each behind the three bytes that the target reads.

    python frame_seeds.py FOLDER
"""

import sys
from pathlib import Path

import pydicom
from pydicom.encaps import generate_frames

FILES = Path(__file__).parent / "../crates/dicom/tests/data"

# The transfer syntaxes by the number that `frame.rs` chooses a codec with.
CODECS = {
    "1.2.840.10008.1.2.5": 0,
    "1.2.840.10008.1.2.4.50": 1,
    "1.2.840.10008.1.2.4.51": 1,
    "1.2.840.10008.1.2.4.57": 1,
    "1.2.840.10008.1.2.4.70": 1,
    "1.2.840.10008.1.2.4.90": 2,
    "1.2.840.10008.1.2.4.91": 2,
}


def main() -> None:
    """Writes one file a frame."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(FILES.glob("*.dcm")):
        data = pydicom.dcmread(path)
        codec = CODECS.get(data.file_meta.TransferSyntaxUID)
        if codec is None or max(data.Rows, data.Columns) > 255:
            continue
        choice = 0x40 * (data.BitsAllocated == 8) + 0x80 * data.PixelRepresentation
        while choice % 3 != codec:
            choice += 1
        frames = int(data.get("NumberOfFrames", 1))
        for index, frame in enumerate(generate_frames(data.PixelData, number_of_frames=frames)):
            seed = bytes([choice, data.Rows, data.Columns]) + frame
            (folder / f"{path.stem}-{index}").write_bytes(seed)


if __name__ == "__main__":
    main()
