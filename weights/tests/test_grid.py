"""The way to the network's grid and back, on cases worked out by hand."""

import numpy as np
import pytest

from cinecor_weights import grid


@pytest.mark.parametrize(("count", "spacing_mm", "expected"), [(256, 1.5625, 286), (216, 1.4, 216), (512, 0.7, 256), (1, 0.1, 1), (3, 0.75, 2), (1, 2.1, 2)])
def test_resampled_size_rounds_half_up(count: int, spacing_mm: float, expected: int) -> None:
    assert grid.resampled_size(count, spacing_mm) == expected


def test_resampling_keeps_the_middle_and_the_slope_of_a_ramp() -> None:
    # 5 columns 2.8 mm apart, values 0..4: 10 columns of 1.4 mm, the middle value 2 between the two middle ones, 0.5 a step.
    ramp = np.arange(5, dtype=np.float32)[None, None, :].repeat(2, 1)
    out = grid.resample(ramp, 1.4, 2.8)
    assert out.shape == (1, 2, 10)
    np.testing.assert_allclose(out[0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4], atol=1e-6)


def test_normalised_frame_has_zero_mean_and_unit_deviation_and_zero_padding() -> None:
    frame = np.random.default_rng(1).normal(100, 20, (3, 100, 120))
    canvas = grid.to_canvas(frame, 1.4, 1.4)
    inside = canvas[:, 62:162, 52:172]
    assert canvas.shape == (3, 224, 224)
    assert abs(float(inside.mean())) < 1e-3 and abs(float(inside.std()) - 1) < 1e-3
    canvas[:, 62:162, 52:172] = 0
    assert not canvas.any()


def test_scale_and_offset_of_the_scanner_do_not_matter() -> None:
    frame = np.random.default_rng(2).uniform(0, 1, (2, 40, 50))
    np.testing.assert_allclose(grid.to_canvas(frame, 1.2, 1.3), grid.to_canvas(300 * frame + 7, 1.2, 1.3), atol=1e-4)


def test_neighbours_stand_beside_each_slice_and_the_outermost_is_repeated() -> None:
    canvas = np.arange(4, dtype=np.float32)[:, None, None]
    np.testing.assert_array_equal(grid.with_neighbours(canvas, 2)[..., 0, 0], [[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3, 3, 3]])
    np.testing.assert_array_equal(grid.with_neighbours(canvas, 0), canvas[:, None])


ABOUT = grid.Grid(canvas=64, neighbours=1, region=grid.Region(margin=8, step=16))


def bright_is_heart(seen: np.ndarray) -> np.ndarray:
    """A network that takes what is bright in the middle channel for the left ventricle: `[N, 3, Y, X]` → `[N, 4, Y, X]`."""
    heart = (seen[:, seen.shape[1] // 2] > 0).astype(np.float32)
    return np.stack([1 - heart, np.zeros_like(heart), np.zeros_like(heart), heart], 1)


def test_region_lies_about_the_heart_and_inside_the_canvas() -> None:
    slices = np.zeros((2, 4, 64, 64))
    # Rows 30 and 31 in one slice, 31 and 32 in the other.
    slices[0, 3, 30:32, 20:30] = 1
    slices[1, 3, 31:33, 20:30] = 1
    # 10 columns and twice 8: 26 pixels, 32 in steps of 16; the middles of rows 30 to 32 and columns 20 to 29 are 31 and 25.
    assert grid.region_of(slices, ABOUT.region) == (slice(15, 47), slice(9, 41))
    assert grid.region_of(np.roll(slices, (-30, -20), (2, 3)), ABOUT.region) == (slice(0, 32), slice(0, 32))
    assert grid.region_of(np.zeros((2, 4, 64, 64)), ABOUT.region) is None
    slices[0, 3, 0:60, 20] = 1
    assert grid.region_of(slices, ABOUT.region) is None


def test_look_about_the_heart_sees_what_a_look_at_all_sees() -> None:
    canvas = np.full((7, 64, 64), -1, np.float32)
    for z in range(7):
        canvas[z, 20 + z : 30 + z, 24:34] = 1
    seen = []

    def predict(images: np.ndarray) -> np.ndarray:
        seen.extend(image.shape[1:] for image in images)
        return bright_is_heart(images)

    found = grid.look(canvas, predict, ABOUT)
    np.testing.assert_array_equal(found, bright_is_heart(grid.with_neighbours(canvas, 1)))
    assert seen == 2 * [(64, 64)] + 5 * [(32, 32)]
    # What lies far from the heart is not looked at.
    canvas[0, 60, 60] = 1
    assert not grid.look(canvas, bright_is_heart, ABOUT)[0, 3, 60, 60]
    # A slice whose heart comes within two pixels of the region's edge is looked at again, whole.
    canvas[0, 20:30, 24:44] = 1
    seen.clear()
    found = grid.look(canvas, predict, ABOUT)
    assert found[0, 3, 60, 60] and seen == 2 * [(64, 64)] + 5 * [(32, 32)] + [(64, 64)]


def test_look_at_two_slices_or_without_a_region_is_a_look_at_all() -> None:
    canvas = np.random.default_rng(3).normal(size=(5, 64, 64)).astype(np.float32)
    whole = bright_is_heart(grid.with_neighbours(canvas, 1))
    np.testing.assert_array_equal(grid.look(canvas, bright_is_heart, grid.Grid(canvas=64, neighbours=1)), whole)
    np.testing.assert_array_equal(grid.look(canvas[:2], bright_is_heart, ABOUT), bright_is_heart(grid.with_neighbours(canvas[:2], 1)))
    np.testing.assert_array_equal(grid.look(-np.ones((5, 64, 64), np.float32), bright_is_heart, ABOUT)[:, 0], np.ones((5, 64, 64)))


def test_constant_frame_becomes_zero() -> None:
    assert not grid.to_canvas(np.full((2, 30, 30), 5.0), 1.4, 1.4).any()


@pytest.mark.parametrize(("rows", "columns", "row_mm", "column_mm"), [(100, 120, 1.4, 1.4), (301, 240, 1.4, 1.4), (180, 150, 1.8, 1.8), (250, 251, 0.9, 1.1)])
def test_labels_come_back_where_they_were(rows: int, columns: int, row_mm: float, column_mm: float) -> None:
    y, x = np.mgrid[:rows, :columns]
    # A left ventricle in its wall and a right ventricle beside it, off the middle and not symmetric.
    centre_y, centre_x = rows * 0.45, columns * 0.55
    distance = np.hypot((y - centre_y) * row_mm, (x - centre_x) * column_mm)
    labels = np.zeros((2, rows, columns), np.uint8)
    labels[:, np.hypot((y - centre_y) * row_mm, (x - centre_x) * column_mm + 45) < 20] = 1
    labels[:, distance < 35] = 2
    labels[:, distance < 25] = 3
    canvas = grid.labels_to_canvas(labels, row_mm, column_mm)
    probabilities = np.stack([canvas == c for c in range(4)], 1).astype(np.float32)
    back = grid.from_canvas(probabilities, rows, columns, row_mm, column_mm)
    for value in (1, 2, 3):
        both = 2 * ((back == value) & (labels == value)).sum() / ((back == value).sum() + (labels == value).sum())
        # On the same spacing nothing is interpolated; otherwise only the rim moves, by half a pixel at most.
        assert both == 1 if row_mm == 1.4 else both > 0.96


def test_what_the_network_never_saw_is_background() -> None:
    probabilities = np.zeros((1, 4, grid.CANVAS, grid.CANVAS), np.float32)
    probabilities[:, 3] = 1
    labels = grid.from_canvas(probabilities, 300, 224, 1.4, 1.4)
    assert labels[0, 38:262].min() == 3 and not labels[0, :38].any() and not labels[0, 262:].any()


def test_another_grid_is_that_of_the_card() -> None:
    onto = grid.Grid(spacing_mm=2.8, canvas=48)
    frame = np.random.default_rng(3).normal(size=(2, 100, 60))
    canvas = grid.to_canvas(frame, 1.4, 1.4, onto)
    # 50×30 pixels of 2.8 mm: two rows too many, nine columns too few on either side.
    assert canvas.shape == (2, 48, 48) and not canvas[:, :, :9].any() and canvas[:, :, 9:39].all()
    probabilities = np.zeros((2, 4, 48, 48), np.float32)
    probabilities[:, 3] = 1
    labels = grid.from_canvas(probabilities, 100, 60, 1.4, 1.4, onto)
    assert labels.shape == (2, 100, 60) and not labels[:, :2].any() and not labels[:, 98:].any() and labels[:, 2:98].all()


def test_largest_component_stays_and_touches_at_corners() -> None:
    labels = np.zeros((3, 6, 6), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = labels[2, 2, 2] = 3  # one component of three, joined by corners
    labels[0, 4, 4] = labels[0, 4, 5] = 3
    labels[2, 5, 5] = 1
    kept = grid.keep_largest(labels, None)
    assert kept[0, 0, 0] == kept[1, 1, 1] == kept[2, 2, 2] == 3
    assert kept[2, 5, 5] == 1 and not kept[0, 4].any()


def test_of_two_equal_components_the_first_stays() -> None:
    labels = np.zeros((1, 3, 5), np.uint8)
    labels[0, 0, 4] = labels[0, 2, 0] = 2
    kept = grid.keep_largest(labels, None)
    assert kept[0, 0, 4] == 2 and kept.sum() == 2


def test_components_of_enough_of_the_largest_stay() -> None:
    labels = np.array([[[3, 3, 3, 3, 0, 3, 3, 0, 3]]], np.uint8)
    assert grid.keep_largest(labels, 0.51).sum() == 4 * 3
    assert grid.keep_largest(labels, 0.5).sum() == 6 * 3
    assert (grid.keep_largest(labels, 0.25) == labels).all()
