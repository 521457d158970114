"""What a mask says slice by slice, and the checks' values, in NumPy's and SciPy's words; shared by make_golden.py and limits.py.

Masks are [Z, Y, X] of label codes, spacings slice, row, column in mm. Written from the definitions in the crate's documentation, not from its code.
"""

import numpy as np
from scipy import ndimage

RIGHT, WALL, LEFT = 1, 2, 3


def outline_share(plane, of, beside, spacing):
    """The part of a structure's outline in a slice that borders another structure."""
    padded = np.pad(plane, 1)
    whole = shared = 0.0
    for axis, length in ((0, spacing[2]), (1, spacing[1])):
        one = np.take(padded, range(padded.shape[axis] - 1), axis)
        other = np.take(padded, range(1, padded.shape[axis]), axis)
        for a, b in ((one, other), (other, one)):
            whole += length * np.sum((a == of) & (b != of))
            shared += length * np.sum((a == of) & (b == beside))
    return shared / whole


def profile(mask, spacing):
    slices = []
    for plane in mask:
        found = {"enclosed": None, "beside": None, "middle_mm": None, "right_middle_mm": None}
        if (plane == LEFT).any():
            found["enclosed"] = float(outline_share(plane, LEFT, WALL, spacing))
        if (plane == RIGHT).any():
            found["beside"] = bool(outline_share(plane, RIGHT, WALL, spacing) > 0)
            found["right_middle_mm"] = [float(at * mm) for at, mm in zip(ndimage.center_of_mass(plane == RIGHT), spacing[1:])]
        found["at_edge"] = int((plane > 0).sum() - (plane[1:-1, 1:-1] > 0).sum())
        heart = (plane == LEFT) | (plane == WALL)
        if heart.any():
            found["middle_mm"] = [float(at * mm) for at, mm in zip(ndimage.center_of_mass(heart), spacing[1:])]
        found["counts"] = [int((plane == code).sum()) for code in (RIGHT, WALL, LEFT)]
        slices.append(found)
    stray = []
    for code in (RIGHT, WALL, LEFT):
        pieces, count = ndimage.label(mask == code, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        stray.append(int(sizes.sum() - sizes.max()) if count else 0)
    return {"slices": slices, "stray": stray}


def contrast(mask, image):
    blood, muscle = image[mask == LEFT], image[mask == WALL]
    return float((blood.mean() - muscle.mean()) / np.sqrt((blood.var() + muscle.var()) / 2))


def extent(mask):
    """First and last slice with any of the left ventricle, and whether the first is the base."""
    heart = np.isin(mask, (WALL, LEFT)).sum(axis=(1, 2)).astype(float)
    at = np.flatnonzero(heart)
    return at[0], at[-1], (heart * np.arange(len(heart))).sum() / heart.sum() <= (at[0] + at[-1]) / 2


def values(mask, spacing):
    """The values of the checks that rest on one frame."""
    found = profile(mask, spacing)
    first, last, base_first = extent(mask)
    order = list(range(first, last + 1))[:: 1 if base_first else -1]
    heart = np.array([c["counts"][1] + c["counts"][2] for c in found["slices"]], float)
    width = 2 * np.sqrt(heart.max() * spacing[1] * spacing[2] / np.pi)
    middles = np.array([found["slices"][z]["middle_mm"] or [np.nan, np.nan] for z in range(first, last + 1)])
    sections = heart[first : last + 1]
    inner = slice(1, -1)
    beside = [c["beside"] for c in found["slices"] if c["beside"] is not None]
    enclosed = [found["slices"][z]["enclosed"] for z in order[1:] if found["slices"][z]["enclosed"] is not None]
    volumes = [(mask == code).sum() for code in (RIGHT, WALL, LEFT)]
    left, right = (ndimage.center_of_mass(np.isin(mask, codes)) for codes in ((WALL, LEFT), (RIGHT,)))
    up, across = (left[1] - right[1]) * spacing[1], (right[2] - left[2]) * spacing[2]
    return {
        "orientation": float(np.degrees(np.arctan2(up, across)) % 360),
        "field_of_view": sum(c["at_edge"] for c in found["slices"]),
        "free_above": bool(order[0] > 0 if base_first else order[0] + 1 < len(mask)),
        "base_covered": float(len(order) * spacing[0] / width),
        "apex_covered": float(heart[order[-1]] / heart.max()),
        "slices_contiguous": int((sections == 0).sum()),
        "connected": float(max(100 * s / v for s, v in zip(found["stray"], volumes) if v)),
        "cavity_enclosed": float(min(enclosed)) if enclosed else None,
        "ventricles_adjacent": float(np.mean(beside)) if beside else None,
        "slice_jumps": float(np.abs(sections[inner] - (sections[:-2] + sections[2:]) / 2).max() / heart.max()),
        "slice_alignment": float(np.nanmax(np.hypot(*(middles[inner] - (middles[:-2] + middles[2:]) / 2).T))),
    }


def septal_direction(plane, spacing):
    """Unit vector (row, column) from the cavity to the middle of the septum: the mean direction of wall voxels next to the right ventricle."""
    centre = np.array(ndimage.center_of_mass(plane == LEFT))
    near = ndimage.binary_dilation(plane == RIGHT, iterations=1) & (plane == WALL)
    off = (np.argwhere(near) - centre) * spacing[1:]
    angles = np.arctan2(off[:, 0], off[:, 1])
    turn = np.angle(np.exp(1j * angles).mean())
    spread = np.angle(np.exp(1j * (angles - turn)))
    return turn + (spread.min() + spread.max()) / 2


def sector_thickness(plane, spacing, start, end):
    """Mean thickness of a sector from areas: the difference of the radii of the sectors that cavity and ventricle fill. No ray is cast."""
    centre = np.array(ndimage.center_of_mass(plane == LEFT))
    fine = 8
    rows, columns = (np.arange(n * fine) / fine - (0.5 - 0.5 / fine) for n in plane.shape)
    y, x = (rows - centre[0])[:, None] * spacing[1], (columns - centre[1])[None, :] * spacing[2]
    big = np.kron(plane, np.ones((fine, fine), plane.dtype))
    inside = ((np.arctan2(y, x) - start) % (2 * np.pi)) < (end - start)
    voxel = spacing[1] * spacing[2] / fine**2
    inner = np.sum(inside & (big == LEFT)) * voxel
    outer = np.sum(inside & ((big == LEFT) | (big == WALL))) * voxel
    return float(np.sqrt(2 * outer / (end - start)) - np.sqrt(2 * inner / (end - start)))
