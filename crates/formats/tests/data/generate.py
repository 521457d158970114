"""Writes the golden NIfTI files of this folder with nibabel, the independent tool that the decoder is tested against.

Run as `python generate.py` with nibabel and numpy installed; the files are committed, so tests need neither. Every file
holds the same kind of ramp, so that the test can compute what each voxel has to be:

    stored[x, y, z, t] = x + 10 * y + 100 * z + 20 * t        (0 to 246: fits every type but int8)
    stored - 128 for int8

Shape 5 x 4 x 3 (columns, rows, slices), two frames where it is a cine; pixdim 1.25 x 1.5 x 8 mm, 40 ms.
"""

import gzip
import itertools
import struct
from pathlib import Path

import nibabel as nib
import numpy as np

FOLDER = Path(__file__).parent
AFFINE = np.array(
    [[0.0, -1.5, 0.0, 10.0], [-1.25, 0.0, 0.0, -20.0], [0.0, 0.0, 8.0, 30.0], [0.0, 0.0, 0.0, 1.0]]
)
TYPES = {
    "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16, "u32": np.uint32, "i32": np.int32,
    "u64": np.uint64, "i64": np.int64, "f32": np.float32, "f64": np.float64,
}


def ramp(dtype: type, frames: int) -> np.ndarray:
    """The stored numbers, shape (5, 4, 3, frames) or (5, 4, 3) for one frame."""
    x, y, z, t = np.meshgrid(np.arange(5), np.arange(4), np.arange(3), np.arange(frames), indexing="ij")
    values = (x + 10 * y + 100 * z + 20 * t).astype(np.int64)
    if dtype is np.int8:
        values -= 128
    return (values if frames > 1 else values[..., 0]).astype(dtype)


def image(kind: type, dtype: type, endian: str, frames: int = 2) -> nib.Nifti1Image:
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(dtype)
    result = kind(ramp(dtype, frames), AFFINE, header)
    result.header.set_xyzt_units("mm", "msec")
    if frames > 1:
        result.header["pixdim"][4] = 40.0
    return result


def write(name: str, contents: bytes) -> None:
    (FOLDER / name).write_bytes(contents)


def packed(contents: bytes) -> bytes:
    return gzip.compress(contents, mtime=0)


for name, dtype in TYPES.items():
    for version, kind in ((1, nib.Nifti1Image), (2, nib.Nifti2Image)):
        for endian, word in (("<", "le"), (">", "be")):
            contents = image(kind, dtype, endian).to_bytes()
            write(f"{name}_v{version}_{word}.nii.gz", packed(contents))

# Containers and dimensions.
write("plain_3d.nii", image(nib.Nifti1Image, np.int16, "<", frames=1).to_bytes())
five = image(nib.Nifti1Image, np.int16, "<").to_bytes()
five = bytearray(five)
struct.pack_into("<8h", five, 40, 7, 5, 4, 3, 2, 1, 1, 1)
write("seven_dimensions.nii.gz", packed(bytes(five)))

# Scaling.
scaled = image(nib.Nifti1Image, np.int16, "<")
contents = bytearray(scaled.to_bytes())
struct.pack_into("<2f", contents, 112, 0.5, -3.25)
write("scaled.nii.gz", packed(bytes(contents)))

# An extension of 32 bytes with a comment.
extended = image(nib.Nifti1Image, np.int16, "<")
extended.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"not to be kept"))
write("extension.nii.gz", packed(extended.to_bytes()))

# Orientation by qform alone, with a rotation that is none of the axes.
angle = np.deg2rad(30.0)
turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1.0]])
oblique = nib.affines.from_matvec(turn @ np.diag([1.25, 1.5, 8.0]), [1.0, 2.0, 3.0])
qform = image(nib.Nifti1Image, np.int16, "<")
qform.set_qform(oblique, code=1)
qform.set_sform(None, code=0)
write("qform_only.nii.gz", packed(qform.to_bytes()))

# Neither sform nor qform.
neither = image(nib.Nifti1Image, np.int16, "<")
neither.set_qform(None, code=0)
neither.set_sform(None, code=0)
neither.header["pixdim"][1:4] = [1.25, 1.5, 8.0]
write("no_orientation.nii.gz", packed(neither.to_bytes()))

# As all of ACDC is: sform_code 2 with a unit matrix, units unknown, the frame time 1.0.
unit = image(nib.Nifti1Image, np.int16, "<")
unit.set_qform(None, code=0)
unit.set_sform(np.eye(4), code=2)
unit.header["pixdim"][1:5] = [1.25, 1.5, 8.0, 1.0]
unit.header["xyzt_units"] = 0
write("sform_unit_matrix.nii.gz", packed(unit.to_bytes()))

# Metres and seconds; microns and microseconds.
for name, factor, space, time, frame in (("metres", 1e-3, "meter", "sec", 0.04), ("microns", 1e3, "micron", "usec", 40e3)):
    other = image(nib.Nifti1Image, np.int16, "<")
    scale = np.diag([factor, factor, factor, 1.0])
    other.set_qform(None, code=0)
    other.set_sform(scale @ AFFINE, code=1)
    other.header["pixdim"][1:5] = [1.25 * factor, 1.5 * factor, 8.0 * factor, frame]
    other.header.set_xyzt_units(space, time)
    write(f"{name}.nii.gz", packed(other.to_bytes()))

# Not a number here and there.
odd = ramp(np.float32, 2)
odd[1, 2, 0, 0], odd[4, 3, 2, 1], odd[0, 0, 1, 1] = np.nan, np.inf, -np.inf
holes = nib.Nifti1Image(odd, AFFINE)
holes.header.set_xyzt_units("mm", "msec")
holes.header["pixdim"][4] = 40.0
write("non_finite.nii.gz", packed(holes.to_bytes()))

# One volume in all orders of its axes and with each of them reversed or not, 48 in number, by a sform and by a qform. The files, which are
# equally long, one behind the other. Where a voxel lies in the scanner does not change.
places = []
angles = np.deg2rad([20.0, -35.0, 50.0])
rotation = np.eye(3)
for axis, angle in enumerate(angles):
    one, other = [at for at in range(3) if at != axis]
    about = np.eye(3)
    about[one, one] = about[other, other] = np.cos(angle)
    about[one, other], about[other, one] = -np.sin(angle), np.sin(angle)
    rotation = rotation @ about
lying = nib.Nifti1Image(ramp(np.int16, 2), nib.affines.from_matvec(rotation @ np.diag([1.25, 1.5, 8.0]), [10.0, -20.0, 30.0]))
for order in itertools.permutations(range(3)):
    for flips in itertools.product((1, -1), repeat=3):
        turned = lying.as_reoriented(np.column_stack([order, flips]))
        for form in ("sform", "qform"):
            written = nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine)
            written.set_sform(turned.affine if form == "sform" else None, code=int(form == "sform"))
            written.set_qform(turned.affine if form == "qform" else None, code=int(form == "qform"))
            written.header.set_xyzt_units("mm", "msec")
            written.header["pixdim"][4] = 40.0
            places.append(written.to_bytes())
assert len(places) == 96 and len({len(contents) for contents in places}) == 1
write("axes.gz", packed(b"".join(places)))
print(repr(lying.affine.tolist()))
