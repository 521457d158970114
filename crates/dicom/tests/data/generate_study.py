"""Writes `study.zip`, a made-up short-axis cine in shuffled DICOM files under random names, and what pydicom and NumPy make of it.

Run as `python generate_study.py` with numpy and pydicom installed; the files are committed, so tests need neither. The stack is sorted
here from the written files alone: by ImagePositionPatient along the normal, base first, then by TriggerTime. `study.json` holds the
shape, the spacing (row, column, slice), the transform from voxel to RAS in mm and the time between frames; `study.values` the grey values
as little-endian int16, shape (frames, slices, rows, columns).
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

FOLDER = Path(__file__).parent
FRAMES, SLICES, ROWS, COLUMNS = 6, 5, 7, 9
RANDOM = np.random.default_rng(20261128)


def orthonormal() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions from column to column, from row to row, and from base to apex: left, front and down."""
    normal = np.array([0.71, -0.55, -0.44]) / np.linalg.norm([0.71, -0.55, -0.44])
    column = np.cross(normal, RANDOM.normal(size=3))
    column /= np.linalg.norm(column)
    return column, np.cross(column, normal), normal


def write() -> list[bytes]:
    """The files, each of one image, in no order."""
    column, row, normal = orthonormal()
    origin = np.array([-80.0, -160.0, 130.0])
    files = []
    for index in range(SLICES):
        rr_ms = 820 + 9 * index
        for frame in range(FRAMES):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
            meta.MediaStorageSOPInstanceUID = f"2.25.{1000 + 100 * index + frame}"
            meta.TransferSyntaxUID = ImplicitVRLittleEndian if frame % 2 else ExplicitVRLittleEndian
            data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
            data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
            data.Modality, data.PatientID, data.PatientName = "MR", "made-up", "Made^Up"
            data.StudyInstanceUID, data.SeriesInstanceUID = "2.25.7", f"2.25.7.{index}"
            # Numbers that say another order than places and times do.
            data.InstanceNumber, data.SliceLocation = int(RANDOM.integers(1000)), float(RANDOM.integers(100))
            data.ImagePositionPatient = [f"{value:.6f}" for value in origin + 9.5 * index * normal]
            data.ImageOrientationPatient = [f"{value:.8f}" for value in (*column, *row)]
            data.PixelSpacing, data.SliceThickness = [1.3, 1.7], 8
            data.TriggerTime = f"{(frame + 0.3) * rr_ms / FRAMES:.4f}"
            data.NominalInterval = rr_ms
            data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
            data.Rows, data.Columns = ROWS, COLUMNS
            data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
            data.PixelData = RANDOM.integers(-50, 1200, (ROWS, COLUMNS)).astype("<i2").tobytes()
            buffer = io.BytesIO()
            data.save_as(buffer, enforce_file_format=True)
            files.append(buffer.getvalue())
    RANDOM.shuffle(files)
    return files


def sort(files: list[bytes]) -> tuple[dict, np.ndarray]:
    """Geometry and values, found from the files."""
    images = [pydicom.dcmread(io.BytesIO(file)) for file in files]
    directions = np.array(images[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(*directions)
    if normal @ np.array([1, -1, -1]) < 0:
        normal = -normal
    position = np.array([image.ImagePositionPatient for image in images], float)
    order = np.lexsort(([float(image.TriggerTime) for image in images], np.round(position @ normal, 2)))
    grid = order.reshape(SLICES, FRAMES).T
    values = np.array([[images[at].pixel_array for at in of_frame] for of_frame in grid], "<i2")
    first, last = position[grid[0, 0]], position[grid[0, -1]]
    step = (last - first) / (SLICES - 1)
    row_mm, column_mm = (float(value) for value in images[0].PixelSpacing)
    lps = np.column_stack([directions[0] * column_mm, directions[1] * row_mm, step, first])
    beat = [images[at].NominalInterval / FRAMES for at in grid[0]]
    return {
        "shape": [FRAMES, SLICES, ROWS, COLUMNS],
        "spacing_mm": [row_mm, column_mm, float(np.linalg.norm(step))],
        "mm_from_voxel": (np.diag([-1, -1, 1]) @ lps).tolist(),
        "frame_ms": float(np.median(beat)),
    }, values


def main() -> None:
    """Writes the three files."""
    files = write()
    geometry, values = sort(files)
    with zipfile.ZipFile(FOLDER / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(f"{RANDOM.integers(2**60):015x}"), file, zipfile.ZIP_DEFLATED)
    (FOLDER / "study.json").write_text(json.dumps(geometry, indent=1) + "\n")
    (FOLDER / "study.values").write_bytes(values.tobytes())


if __name__ == "__main__":
    main()
