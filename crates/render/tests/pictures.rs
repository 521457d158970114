//! Pictures are decoded and looked at pixel by pixel.

use cinecor_render::{Overlay, Picture, RenderError, Style, Verdict, Window, colour, render};
use cinecor_volume::{Label, Spacing};
use ndarray::{Array2, Array3, ArrayView2, Axis, array, s};

struct Decoded {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Decoded {
    fn at(&self, column: usize, row: usize) -> &[u8] {
        let start = (row * self.width + column) * self.channels;
        &self.pixels[start..start + self.channels]
    }
}

fn decode(png: &[u8]) -> Decoded {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.bit_depth, png::BitDepth::Eight);
    let channels = info.color_type.samples();
    Decoded {
        width: info.width as usize,
        height: info.height as usize,
        channels,
        pixels,
    }
}

fn square() -> Spacing {
    Spacing::new(1.5, 1.5, 8.0).unwrap()
}

fn draw(
    slice: ArrayView2<'_, f32>,
    spacing: &Spacing,
    picture: &Picture,
    overlay: Option<&Overlay<'_>>,
) -> Decoded {
    decode(&render(slice, spacing, picture, overlay).unwrap())
}

fn window(center: f32, width: f32) -> Picture {
    Picture {
        window: Some(Window::new(center, width).unwrap()),
        width: None,
    }
}

#[test]
fn pixel_column_row_is_voxel_x_y() {
    // Ten times the row plus the column: every voxel has a grey of its own.
    let slice = Array2::from_shape_fn((3, 5), |(row, column)| (10 * row + column) as f32);
    // A window from 0 to 255 shows each value as itself.
    let found = draw(slice.view(), &square(), &window(127.5, 255.0), None);
    assert_eq!((found.width, found.height, found.channels), (5, 3, 1));
    for ((row, column), value) in slice.indexed_iter() {
        assert_eq!(found.at(column, row), [*value as u8]);
    }
}

#[test]
fn a_slice_is_drawn_alike_however_it_lies_in_memory() {
    let slice = Array2::from_shape_fn((7, 5), |(row, column)| (10 * row + column) as f32);
    let drawn =
        |slice: ArrayView2<'_, f32>| render(slice, &square(), &window(60.0, 100.0), None).unwrap();
    let expected = drawn(slice.view());
    let by_columns = slice.t().as_standard_layout().into_owned();
    assert_eq!(drawn(by_columns.t()), expected, "columns first");
    let frame = Array3::from_shape_fn((7, 3, 5), |(row, _, column)| slice[[row, column]]);
    for middle in 0..3 {
        assert_eq!(drawn(frame.index_axis(Axis(1), middle)), expected);
    }
    let mirrored = slice
        .slice(s![..;-1, ..;-1])
        .as_standard_layout()
        .into_owned();
    assert_eq!(
        drawn(mirrored.slice(s![..;-1, ..;-1])),
        expected,
        "reversed"
    );
}

#[test]
fn a_window_maps_its_ends_to_black_and_white_and_clips_beyond() {
    let slice = array![[-50.0f32, 100.0, 150.0, 200.0, 900.0]];
    let found = draw(slice.view(), &square(), &window(150.0, 100.0), None);
    // 150 is the middle: 127.5, rounded up.
    assert_eq!(found.pixels, [0, 0, 128, 255, 255]);
}

#[test]
fn the_default_window_goes_from_the_first_to_the_last_percentile() {
    // 0 to 1000: the ranks are those of 10 and 990.
    let values: Vec<f32> = (0..=1000).rev().map(|value| value as f32).collect();
    let found = Window::of(&values);
    assert_eq!((found.center(), found.width()), (500.0, 980.0));
    // One bright voxel in a thousand changes nothing.
    let mut hot = values.clone();
    hot[0] = 1e9;
    assert_eq!(Window::of(&hot), found);
    // One value alone, or none.
    assert_eq!(Window::of(&[7.0; 9]).center(), 7.0);
    assert_eq!(Window::of(&[]).width(), 1.0);
    let (low, high) = (f32::MIN, f32::MAX);
    assert!(Window::of(&[low, high]).width() > 0.0);
    assert_eq!(Window::of(&[f32::NAN, 1.0, 3.0]).center(), 2.0);
}

#[test]
fn non_square_voxels_are_shown_with_the_right_aspect() {
    // Voxels twice as high as wide: twice as many rows of pixels.
    let tall = Spacing::new(3.0, 1.5, 8.0).unwrap();
    let slice = array![[0.0f32, 100.0], [200.0, 255.0]];
    let mut labels = Array2::zeros((2, 2));
    labels[[1, 0]] = 3;
    let overlay = Overlay::new(labels.view(), Style::Fill)
        .with_opacity(1.0)
        .unwrap();
    let found = draw(slice.view(), &tall, &window(127.5, 255.0), Some(&overlay));
    assert_eq!((found.width, found.height), (2, 4));
    // Labels: the lower voxel covers the lower two rows of its column.
    let vermillion = colour(Label::LeftVentricle).unwrap();
    let painted: Vec<bool> = (0..4).map(|row| found.at(0, row) == vermillion).collect();
    assert_eq!(painted, [false, false, true, true]);
    // Grey: rows at 0, 1/4, 3/4 and 1 of the way from the upper voxel to the lower.
    let grey = draw(slice.view(), &tall, &window(127.5, 255.0), None);
    let column: Vec<u8> = (0..4).map(|row| grey.at(0, row)[0]).collect();
    assert_eq!(column, [0, 50, 150, 200]);
    // Voxels twice as wide as high.
    let wide = Spacing::new(1.5, 3.0, 8.0).unwrap();
    let found = draw(slice.view(), &wide, &Picture::default(), None);
    assert_eq!((found.width, found.height), (2, 1));
}

#[test]
fn a_width_scales_both_sides() {
    let slice = Array2::from_shape_fn((30, 20), |(row, _)| row as f32);
    let found = draw(
        slice.view(),
        &square(),
        &Picture {
            width: Some(50),
            ..Picture::default()
        },
        None,
    );
    assert_eq!((found.width, found.height), (50, 75));
    let found = draw(
        slice.view(),
        &square(),
        &Picture {
            width: Some(1),
            ..Picture::default()
        },
        None,
    );
    assert_eq!((found.width, found.height), (1, 2));
}

#[test]
fn a_contour_is_the_innermost_pixel_line_of_its_label() {
    // A 4 x 4 block of left ventricle in a 6 x 6 slice, a single voxel of right ventricle in the corner.
    let slice = Array2::from_elem((6, 6), 100.0f32);
    let mut labels = Array2::zeros((6, 6));
    labels.slice_mut(ndarray::s![1..5, 1..5]).fill(3);
    labels[[0, 0]] = 1;
    let overlay = Overlay::new(labels.view(), Style::Contour);
    let found = draw(
        slice.view(),
        &square(),
        &window(127.5, 255.0),
        Some(&overlay),
    );
    assert_eq!(found.channels, 3);
    for row in 0..6 {
        for column in 0..6 {
            let block = (1..5).contains(&row) && (1..5).contains(&column);
            let inside = (2..4).contains(&row) && (2..4).contains(&column);
            let expected = match (row, column) {
                (0, 0) => [0x56, 0xb4, 0xe9],
                _ if block && !inside => [0xd5, 0x5e, 0x00],
                _ => [100; 3],
            };
            assert_eq!(
                found.at(column, row),
                expected,
                "column {column}, row {row}"
            );
        }
    }
    // Three times the size: still one pixel wide.
    let large = Picture {
        width: Some(18),
        ..window(127.5, 255.0)
    };
    let found = draw(slice.view(), &square(), &large, Some(&overlay));
    assert_eq!(found.at(3, 8), [0xd5, 0x5e, 0x00]);
    assert_eq!(found.at(4, 8), [100; 3]);
    assert_eq!(found.at(2, 8), [100; 3]);
}

#[test]
fn fills_with_opacity_the_labels_that_were_asked_for() {
    let slice = array![[100.0f32, 100.0, 100.0, 100.0, 100.0]];
    let labels = array![[0u8, 1, 2, 3, 9]];
    let overlay = Overlay::new(labels.view(), Style::Fill)
        .with_opacity(0.5)
        .unwrap()
        .with_labels(&[Label::RightVentricle, Label::LeftVentricle]);
    let found = draw(
        slice.view(),
        &square(),
        &window(127.5, 255.0),
        Some(&overlay),
    );
    assert_eq!(found.at(0, 0), [100; 3]);
    // Half of 100 and half of the colour, rounded.
    assert_eq!(found.at(1, 0), [93, 140, 167]);
    assert_eq!(found.at(2, 0), [100; 3]);
    assert_eq!(found.at(3, 0), [157, 97, 50]);
    assert_eq!(found.at(4, 0), [100; 3]);
}

#[test]
fn the_same_slice_gives_the_same_bytes() {
    let slice = Array2::from_shape_fn((40, 30), |(row, column)| {
        ((row * 31 + column * 17) % 97) as f32
    });
    let once = render(slice.view(), &square(), &Picture::default(), None).unwrap();
    assert_eq!(
        once,
        render(slice.view(), &square(), &Picture::default(), None).unwrap()
    );
}

#[test]
fn refuses_sizes_windows_opacities_and_grids_that_cannot_be() {
    let slice = Array2::<f32>::zeros((10, 10));
    let sized = |width| {
        render(
            slice.view(),
            &square(),
            &Picture {
                width: Some(width),
                window: None,
            },
            None,
        )
    };
    for width in [0, 2049, u32::MAX] {
        assert!(
            matches!(sized(width), Err(RenderError::BadSize { .. })),
            "{width}"
        );
    }
    let tower = Spacing::new(100.0, 0.1, 8.0).unwrap();
    assert!(matches!(
        render(slice.view(), &tower, &Picture::default(), None),
        Err(RenderError::BadSize { .. })
    ));
    let none = Array2::<f32>::zeros((0, 10));
    assert!(matches!(
        render(none.view(), &square(), &Picture::default(), None),
        Err(RenderError::Empty { .. })
    ));
    for (center, width) in [
        (f32::NAN, 1.0),
        (1.0, 0.0),
        (1.0, -5.0),
        (1.0, f32::INFINITY),
    ] {
        assert!(matches!(
            Window::new(center, width),
            Err(RenderError::BadWindow { .. })
        ));
    }
    let labels = Array2::<u8>::zeros((10, 9));
    let overlay = Overlay::new(labels.view(), Style::Fill);
    assert!(
        overlay.clone().with_opacity(1.5).is_err()
            && overlay.clone().with_opacity(f32::NAN).is_err()
    );
    let refused = render(slice.view(), &square(), &Picture::default(), Some(&overlay));
    assert!(matches!(
        refused,
        Err(RenderError::WrongGrid {
            found_columns: 9,
            ..
        })
    ));
}

#[test]
fn draws_values_that_are_no_numbers_as_black() {
    let slice = array![[f32::NAN, f32::NEG_INFINITY, f32::INFINITY, 100.0]];
    assert_eq!(
        draw(slice.view(), &square(), &window(127.5, 255.0), None).pixels,
        [0, 0, 255, 100]
    );
}

/// The value of a text chunk with this keyword.
fn text_of(png: &[u8], keyword: &str) -> Option<String> {
    let reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let texts = &reader.info().uncompressed_latin1_text;
    let found = texts.iter().find(|text| text.keyword == keyword);
    found.map(|text| text.text.clone())
}

#[test]
fn a_verdict_stands_in_the_file_and_where_it_is_not_pass_in_the_corner() {
    let slice = Array2::from_elem((40, 48), 0.5f32);
    let labels = Array2::<u8>::zeros((40, 48));
    let plain = Overlay::new(labels.view(), Style::Contour);
    let picture = window(0.5, 1.0);
    let drawn = |overlay: &Overlay<'_>| {
        let png = render(slice.view(), &square(), &picture, Some(overlay)).unwrap();
        (text_of(&png, "Cinecor-Verdict"), decode(&png).pixels)
    };
    let (none, pixels) = drawn(&plain);
    assert_eq!(none, None);
    for (verdict, differs) in [
        (Verdict::Pass, false),
        (Verdict::Review, true),
        (Verdict::Reject, true),
    ] {
        let (text, marked) = drawn(&plain.clone().with_verdict(verdict, true));
        assert_eq!(text.as_deref(), Some(verdict.name()));
        assert_eq!(Verdict::from_name(verdict.name()), Some(verdict));
        assert_eq!(marked != pixels, differs, "{verdict:?}");
        let (text, unmarked) = drawn(&plain.clone().with_verdict(verdict, false));
        assert_eq!(text.as_deref(), Some(verdict.name()));
        assert_eq!(unmarked, pixels, "{verdict:?}");
        // A sixteenth of 40 is below the least side, 7: nothing else is touched.
        for (index, (before, after)) in pixels.iter().zip(&marked).enumerate() {
            let (column, row) = (index / 3 % 48, index / 3 / 48);
            assert!(before == after || (column < 7 && row < 7), "{column} {row}");
        }
    }
}

/// The mark as text: a dot is black, a hash its colour.
fn mark_of(verdict: Verdict, colour: [u8; 3]) -> Vec<String> {
    let slice = Array2::from_elem((7, 7), 0.5f32);
    let labels = Array2::<u8>::zeros((7, 7));
    let overlay = Overlay::new(labels.view(), Style::Fill).with_verdict(verdict, true);
    let found = draw(slice.view(), &square(), &window(0.5, 1.0), Some(&overlay));
    let shown = |row: usize| {
        (0..7)
            .map(|column| match found.at(column, row) {
                [0, 0, 0] => '.',
                pixel if pixel == colour => '#',
                _ => '?',
            })
            .collect()
    };
    (0..7).map(shown).collect()
}

#[test]
fn review_is_a_triangle_and_reject_a_cross() {
    assert_eq!(
        mark_of(Verdict::Review, [0xf0, 0xe4, 0x42]),
        [
            ".......", "...#...", "...#...", "..###..", "..###..", ".#####.", "......."
        ]
    );
    assert_eq!(
        mark_of(Verdict::Reject, [0xcc, 0x79, 0xa7]),
        [
            ".......", ".#...#.", "..#.#..", "...#...", "..#.#..", ".#...#.", "......."
        ]
    );
}

#[test]
fn a_picture_smaller_than_the_mark_shows_what_fits() {
    let slice = Array2::from_elem((2, 3), 0.5f32);
    let labels = Array2::<u8>::zeros((2, 3));
    let overlay = Overlay::new(labels.view(), Style::Fill).with_verdict(Verdict::Reject, true);
    let found = draw(slice.view(), &square(), &window(0.5, 1.0), Some(&overlay));
    assert_eq!(found.at(0, 0), [0, 0, 0]);
    assert_eq!(found.at(1, 1), [0xcc, 0x79, 0xa7]);
}
