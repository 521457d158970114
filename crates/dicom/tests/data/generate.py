"""Writes the golden DICOM files of this folder with pydicom and the codecs that it is used with.

Run as `python generate.py` with numpy, pydicom, pylibjpeg, pylibjpeg-libjpeg, pylibjpeg-openjpeg and imagecodecs installed; the files
are committed, so tests need none of them. Nothing in them comes from a patient: names and pixels are made up here.

Every file but `j2k_large` has 13 rows and 11 columns, and pixels that the test can compute:

    stored[frame, row, column] = (100 + 13 * row + 7 * column + 200 * frame + (row * row + 3 * column) % 17) & mask
    stored - 300 where pixels are signed

What a lossy codec makes of them stands in `NAME.values`, as little-endian int16, as libjpeg-turbo or OpenJPEG decode it. Each file is
decoded here by pydicom before it is kept; lossless JPEG, which is written by the encoder below, by libjpeg through pylibjpeg.
"""

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.sequence import Sequence
from pydicom.uid import UID

FOLDER = Path(__file__).parent
ROWS, COLUMNS = 13, 11
IMPLICIT, EXPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99",
)
RLE = "1.2.840.10008.1.2.5"
BASELINE, EXTENDED, LOSSLESS, FIRST_ORDER = (
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)
)
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"


def stored(frames: int, bits: int, signed: bool, size: tuple[int, int] = (ROWS, COLUMNS)) -> np.ndarray:
    """The stored values, shape (frames, rows, columns)."""
    frame, row, column = np.meshgrid(np.arange(frames), np.arange(size[0]), np.arange(size[1]), indexing="ij")
    values = (100 + 13 * row + 7 * column + 200 * frame + (row * row + 3 * column) % 17) & ((1 << bits) - 1)
    return values - 300 if signed else values


def dataset(syntax: str, frames: int, allocated: int, bits: int, signed: bool) -> FileDataset:
    """A file without its pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    # A component with a leading zero, as old scanners write them.
    meta.MediaStorageSOPInstanceUID = "1.3.6.1.4.1.9590.100.01.7"
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.SpecificCharacterSet = "ISO_IR 100"
    file.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    file.add_new(0x00080020, "DA", "20120000")
    file.add_new(0x00100030, "DA", "00000000")
    file.PatientName = "Müller^Nobody"
    file.Modality = "MR"
    file.TriggerTime = "37.5"
    file.ImagePositionPatient = [-10.5, 20, "3.25e1"]
    file.InstanceNumber = 7
    block = file.private_block(0x0019, "CINECOR TEST", create=True)
    block.add_new(0x01, "SH", "private")
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    middle = Dataset()
    middle.ReferencedImageSequence = Sequence([inner, Dataset(), inner])
    middle.SliceThickness = 8
    file.ReferencedStudySequence = Sequence([middle])
    file.Rows, file.Columns, file.SamplesPerPixel = ROWS, COLUMNS, 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.PixelRepresentation = int(signed)
    file.BitsAllocated, file.BitsStored, file.HighBit = allocated, bits, bits - 1
    if frames > 1:
        file.NumberOfFrames = frames
    return file


def save(name: str, file: FileDataset, expected: np.ndarray, within: int = 0, decoder: str = "") -> None:
    """Writes a file, and checks that pydicom decodes it."""
    path = FOLDER / f"{name}.dcm"
    file.save_as(path, enforce_file_format=True)
    read = pydicom.dcmread(path)
    if decoder:
        read.pixel_array_options(decoding_plugin=decoder)
    difference = np.abs(read.pixel_array.astype(np.int64).reshape(expected.shape) - expected).max()
    assert difference <= within, (name, difference)


def native(name: str, syntax: str, dtype: str, bits: int, frames: int = 2, vr: str = "OW") -> None:
    kind = np.dtype(dtype)
    signed = kind.kind == "i"
    values = stored(frames, bits, signed)
    file = dataset(syntax, frames, kind.itemsize * 8, bits, signed)
    raw = values.astype(kind.newbyteorder(">" if syntax == BIG else "<")).tobytes()
    raw += b"\0" * (len(raw) % 2)
    if syntax == BIG and vr == "OW" and kind.itemsize == 1:
        raw = np.frombuffer(raw, ">u2").astype("<u2").tobytes()
    file.add_new(0x7FE00010, vr, raw)
    file.set_original_encoding(syntax == IMPLICIT, syntax != BIG)
    save(name, file, values)


def fragments(name: str, syntax: str, frames: list[bytes], values: np.ndarray, allocated: int, bits: int,
              signed: bool, within: int = 0, decoder: str = "", table: str = "basic", split: int = 1) -> None:
    """A file whose frames were compressed before."""
    file = dataset(syntax, len(frames), allocated, bits, signed)
    file.Rows, file.Columns = values.shape[1:]
    frames = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    if table == "extended":
        pixels, file.ExtendedOffsetTable, file.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    else:
        pixels = encapsulate(frames, fragments_per_frame=split, has_bot=table == "basic")
    file.add_new(0x7FE00010, "OB", pixels)
    file["PixelData"].is_undefined_length = True
    save(name, file, values, within, decoder)


def jpeg2k(image: np.ndarray, bits: int, **options: object) -> bytes:
    """A codestream without the boxes of a JP2 file."""
    return imagecodecs.jpeg2k_encode(image, codecformat="j2k", bitspersample=bits, mct=False, **options)


class Bits:
    """Bits with the zeros that JPEG stuffs."""

    def __init__(self) -> None:
        self.text, self.out = [], b""

    def put(self, value: int, length: int) -> None:
        if length:
            self.text.append(format(value, f"0{length}b"))

    def flush(self) -> None:
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        raw = bytes(int(text[at:at + 8], 2) for at in range(0, len(text), 8))
        self.out += raw.replace(b"\xff", b"\xff\0")
        self.text = []


def jpeg_lossless(image: np.ndarray, precision: int, predictor: int, transform: int = 0, restart_rows: int = 0) -> bytes:
    """ISO/IEC 10918-1, annex H, of an image with unsigned samples; all 17 differences have a code of five bits."""
    rows, columns = image.shape
    samples = [[int(value) >> transform for value in row] for row in image]
    bits = Bits()
    for row in range(rows):
        first = row == 0 or (restart_rows and row % restart_rows == 0)
        if first and row:
            bits.flush()
            bits.out += bytes([0xFF, 0xD0 + (row // restart_rows - 1) % 8])
        for column in range(columns):
            left = samples[row][column - 1] if column else 0
            above = samples[row - 1][column] if row else 0
            corner = samples[row - 1][column - 1] if row and column else 0
            if first:
                predicted = left if column else 1 << (precision - transform - 1)
            elif column == 0:
                predicted = above
            else:
                predicted = [
                    left, above, corner, left + above - corner, left + ((above - corner) >> 1),
                    above + ((left - corner) >> 1), (left + above) >> 1,
                ][predictor - 1]
            difference = (samples[row][column] - predicted) & 0xFFFF
            if difference > 0x8000:
                difference -= 0x10000
            length = abs(difference).bit_length()
            bits.put(length, 5)
            if length < 16:
                bits.put(difference if difference > 0 else difference + (1 << length) - 1, length)
    bits.flush()
    counts = [0] * 16
    counts[4] = 17
    out = b"\xff\xd8"
    for marker, segment in [
        (0xC3, struct.pack(">BHHB", precision, rows, columns, 1) + b"\x01\x11\x00"),
        (0xC4, b"\x00" + bytes(counts) + bytes(range(17))),
        (0xDD, struct.pack(">H", restart_rows * columns)),
        (0xDA, bytes([1, 1, 0, predictor, 0, transform])),
    ]:
        if marker != 0xDD or restart_rows:
            out += struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment
    return out + bits.out + b"\xff\xd9"


def lossy(name: str, syntax: str, frames: list[bytes], decoded: list[np.ndarray], allocated: int, bits: int, signed: bool,
          within: int) -> None:
    values = np.stack(decoded)
    fragments(name, syntax, frames, values, allocated, bits, signed, within)
    (FOLDER / f"{name}.values").write_bytes(values.astype("<i2").tobytes())


def main() -> None:
    for syntax, name in [(IMPLICIT, "implicit"), (EXPLICIT, "explicit"), (BIG, "big"), (DEFLATED, "deflated")]:
        native(f"{name}_u16", syntax, "u2", 12)
        native(f"{name}_i16", syntax, "i2", 12, frames=1)
    native("explicit_u8", EXPLICIT, "u1", 8, frames=3, vr="OB")
    native("big_u8_ob", BIG, "u1", 8, frames=3, vr="OB")
    native("big_u8_ow", BIG, "u1", 8, frames=3)
    native("explicit_u32", EXPLICIT, "u4", 20)
    native("big_i32", BIG, "i4", 32)

    for name, dtype, bits, frames in [("u8", "u1", 8, 3), ("u16", "u2", 12, 2), ("i16", "i2", 16, 1)]:
        kind = np.dtype(dtype)
        values = stored(frames, bits, kind.kind == "i")
        file = dataset(EXPLICIT, frames, kind.itemsize * 8, bits, kind.kind == "i")
        file.PixelData = values.astype(kind).tobytes() + b"\0" * (values.size * kind.itemsize % 2)
        file.compress(RLE, generate_instance_uid=False)
        save(f"rle_{name}", file, values)

    for predictor in range(1, 8):
        values = stored(1, 12, False)
        frames = [jpeg_lossless(values[0], 12, predictor)]
        fragments(f"lossless_{predictor}", LOSSLESS, frames, values, 16, 12, False, decoder="pylibjpeg")
    wrapped = (stored(2, 16, True) & 0xFFFF).astype(np.uint16)
    frames = [jpeg_lossless(image, 16, 1) for image in wrapped]
    fragments("lossless_i16", FIRST_ORDER, frames, stored(2, 16, True), 16, 16, True, decoder="pylibjpeg", split=3)
    frames = [jpeg_lossless(image, 16, 4, restart_rows=2) for image in wrapped]
    fragments("lossless_restart", LOSSLESS, frames, stored(2, 16, True), 16, 16, True, decoder="pylibjpeg", table="none")
    values = stored(2, 12, False) & ~3
    frames = [jpeg_lossless(image, 12, 6, transform=2) for image in values]
    # Of the decoders at hand only libjpeg-turbo undoes a point transform; it checks this file in place of pydicom's.
    assert all((imagecodecs.jpeg8_decode(frame) == image).all() for frame, image in zip(frames, values))
    fragments("lossless_transform", LOSSLESS, frames, values, 16, 12, False, table="extended", within=1 << 16)
    values = stored(3, 8, False)
    frames = [jpeg_lossless(image, 8, 1) for image in values]
    fragments("lossless_u8", FIRST_ORDER, frames, values, 8, 8, False, decoder="pylibjpeg", table="none", split=2)

    images = stored(2, 8, False).astype(np.uint8)
    frames = [imagecodecs.jpeg8_encode(image, level=85) for image in images]
    lossy("baseline", BASELINE, frames, [imagecodecs.jpeg8_decode(frame) for frame in frames], 8, 8, False, 3)
    images = stored(2, 12, False).astype(np.uint16)
    frames = [imagecodecs.jpeg8_encode(image, level=90, bitspersample=12) for image in images]
    lossy("extended", EXTENDED, frames, [imagecodecs.jpeg8_decode(frame) for frame in frames], 16, 12, False, 3)

    for name, bits, signed, split in [("u16", 12, False, 1), ("i16", 16, True, 2), ("u8", 8, False, 1)]:
        values = stored(2, bits, signed)
        kind = np.uint8 if bits == 8 else np.int16 if signed else np.uint16
        frames = [jpeg2k(image, bits, reversible=True, resolutions=3) for image in values.astype(kind)]
        fragments(f"j2k_{name}", J2K_LOSSLESS, frames, values, 8 if bits == 8 else 16, bits, signed, split=split,
                  table="none" if split > 1 else "basic")
    # Several blocks of code and six resolutions.
    values = stored(1, 12, False, (80, 70))
    frames = [jpeg2k(values[0].astype(np.uint16), 12, reversible=True)]
    fragments("j2k_large", J2K_LOSSLESS, frames, values, 16, 12, False)
    images = stored(2, 12, False).astype(np.uint16)
    frames = [jpeg2k(image, 12, level=60, reversible=False, resolutions=3) for image in images]
    lossy("j2k_lossy", J2K, frames, [imagecodecs.jpeg2k_decode(frame) for frame in frames], 16, 12, False, 1)


if __name__ == "__main__":
    main()
