//! Many DICOM files to one study: places and times decide, not order and names; what is missing, doubled or odd is handled and told, or
//! refused in words. Every expectation is worked out by hand from the stack that is written.

use std::io::Write as _;

use bytes::Bytes;
use cinecor_dicom::{Candidate, Facts, Limits, Sex, Study, StudyError, files_of_zip};
use cinecor_formats::DataType;
use cinecor_phantom::dicom::{DataSet, Stack};

const FRAMES: usize = 4;
const SLICES: usize = 3;
const ROWS: usize = 3;
const COLUMNS: usize = 5;

fn stack() -> Stack {
    Stack::short_axis(FRAMES, SLICES, ROWS, COLUMNS)
}

/// Every pixel of a cine is another number.
fn pixels(frame: usize, slice: usize) -> Vec<u16> {
    let first = 1000 + 200 * frame + 40 * slice;
    (0..ROWS * COLUMNS).map(|at| (first + at) as u16).collect()
}

fn candidates(files: Vec<Bytes>) -> Vec<Candidate> {
    let limits = Limits::default();
    files
        .into_iter()
        .map(|file| Candidate::read(file, &limits))
        .collect()
}

fn files(sets: &[DataSet]) -> Vec<Bytes> {
    sets.iter().map(|set| set.file().into()).collect()
}

fn find(sets: &[DataSet]) -> Result<Study, StudyError> {
    Study::find(candidates(files(sets)), 0, &Limits::default())
}

fn found(sets: &[DataSet]) -> Study {
    find(sets).unwrap_or_else(|error| panic!("{}: {error}", error.code()))
}

fn refused(sets: &[DataSet], code: &str) -> String {
    let error = find(sets).expect_err("a refusal");
    assert_eq!(error.code(), code, "{error}");
    error.to_string()
}

fn codes(study: &Study) -> Vec<&'static str> {
    let warnings = &study.header().warnings;
    warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

/// Grey values of all frames, `[T, Z, Y, X]` in a row.
fn greys(study: &mut Study) -> Vec<f32> {
    (0..study.header().shape.frames)
        .flat_map(|frame| {
            let frame = study.frame(frame).expect("a frame");
            frame.intensities.iter().copied().collect::<Vec<f32>>()
        })
        .collect()
}

fn expected() -> Vec<f32> {
    (0..FRAMES)
        .flat_map(|frame| (0..SLICES).flat_map(move |slice| pixels(frame, slice)))
        .map(f32::from)
        .collect()
}

/// Puts a list into another order that looks like none.
fn shuffled<T>(mut list: Vec<T>) -> Vec<T> {
    let mut state = 12_345_usize;
    for at in (1..list.len()).rev() {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        list.swap(at, (state >> 8) % (at + 1));
    }
    list
}

fn of(images: &[DataSet], frame: usize, slice: usize) -> usize {
    let at = frame * SLICES + slice;
    assert!(at < images.len());
    at
}

#[test]
fn a_stack_becomes_frames_and_slices_with_the_geometry_of_its_headers() {
    let mut study = found(&stack().images(pixels));
    let header = study.header();
    let shape = header.shape;
    assert_eq!(
        (shape.frames, shape.slices, shape.rows, shape.columns),
        (FRAMES, SLICES, ROWS, COLUMNS)
    );
    assert_eq!(codes(&study), [""; 0]);
    assert_eq!(header.container.name(), "dicom");
    assert_eq!(header.voxels.data_type, DataType::I16);
    let spacing = header.geometry.spacing;
    assert!((spacing.row_mm - 1.5).abs() < 1e-9 && (spacing.column_mm - 1.25).abs() < 1e-9);
    assert!((spacing.slice_mm - 8.0).abs() < 1e-6);
    // 800 ms in four frames.
    assert_eq!(header.geometry.frame_ms, Some(200.0));
    // Left and back are the other way round in RAS. Column: 1.25 x (0.8, 0.48, 0.36); row: 1.5 x (0, 0.6, -0.8);
    // slice: 8 x (0.6, -0.64, -0.48); origin (-90, -150, 120).
    let matrix = [
        [-1.0, 0.0, -4.8, 90.0],
        [-0.6, -0.9, 5.12, 150.0],
        [0.45, -1.2, -3.84, 120.0],
    ];
    for (found, expected) in header.geometry.mm_from_voxel.iter().zip(matrix) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
    assert_eq!(greys(&mut study), expected());
}

#[test]
fn neither_order_nor_instance_number_nor_slice_location_matter() {
    let images: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .enumerate()
        .map(|(at, image)| {
            image
                .text((0x20, 0x13), "IS", &format!("{}", (at * 7) % 12))
                .text((0x20, 0x1041), "DS", &format!("{}", (at * 5) % 12))
        })
        .collect();
    let (mut study, mut other) = (found(&images), found(&shuffled(images)));
    assert_eq!(greys(&mut study), expected());
    assert_eq!(greys(&mut other), expected());
    assert_eq!(study.sha256(), other.sha256());
    assert_eq!(study.bytes(), other.bytes());
    assert_eq!(study.removed(), other.removed());
}

#[test]
fn images_of_all_files_together_are_bounded() {
    let enhanced = stack().enhanced(pixels);
    let other = Stack {
        series: 2,
        ..stack()
    };
    // Twelve images in one file, and twelve in twelve files.
    let sets = [vec![enhanced], other.images(pixels)].concat();
    let of = |images| {
        let limits = Limits {
            images,
            ..Limits::default()
        };
        Study::find(candidates(files(&sets)), 0, &limits)
    };
    let images = 2 * FRAMES * SLICES;
    assert!(of(images).is_ok());
    let error = of(images - 1).expect_err("a refusal");
    assert_eq!(error.code(), "too_many_images");
    assert!(error.to_string().contains("more than 23 images"), "{error}");
    // Those of one file alone, too.
    assert_eq!(of(11).expect_err("a refusal").code(), "too_many_images");
}

#[test]
fn an_enhanced_file_is_the_same_cine() {
    let one = stack().enhanced(pixels);
    let mut study = found(std::slice::from_ref(&one));
    assert_eq!(greys(&mut study), expected());
    assert_eq!(codes(&study), [""; 0]);
    let many = found(&stack().images(pixels));
    let (a, b) = (&study.header().geometry, &many.header().geometry);
    assert_eq!((a.spacing, a.mm_from_voxel), (b.spacing, b.mm_from_voxel));
    assert_eq!(a.frame_ms, Some(200.0));
    // One file is known by its own digest.
    let digest: String = {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(one.file());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(study.sha256(), digest);
}

#[test]
fn among_other_series_the_short_axis_is_taken_and_the_choice_explained() {
    let mut images = stack().images(pixels);
    // A localizer in three directions, one image each place; it names the same series.
    for directions in [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]],
        [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]],
    ] {
        let still = Stack {
            frames: 1,
            directions,
            ..stack()
        };
        let of_still = still.images(|_, slice| vec![slice as u16; ROWS * COLUMNS]);
        images.extend(
            of_still
                .into_iter()
                .map(|image| image.without((0x18, 0x1060))),
        );
    }
    // A long-axis view: its plane holds where the short axis goes.
    let view = Stack {
        slices: 1,
        directions: [[0.6, -0.64, -0.48], [0.0, 0.6, -0.8]],
        series: 3,
        ..stack()
    };
    images.extend(view.images(|frame, _| vec![frame as u16; ROWS * COLUMNS]));
    let mut study = found(&shuffled(images.clone()));
    assert_eq!(greys(&mut study), expected());
    assert_eq!(codes(&study), ["series_chosen"]);
    let detail = &study.header().warnings[0].detail;
    for word in [
        "5 groups",
        "3 parallel slices of 4 frames",
        "a single view of 4 frames",
        "one image each",
    ] {
        assert!(detail.contains(word), "{word}: {detail}");
    }
    // Without it there is nothing to measure.
    let others = &images[FRAMES * SLICES..];
    let text = refused(others, "not_short_axis");
    assert!(text.contains("a single view of 4 frames"), "{text}");
    let text = refused(&others[..3 * SLICES], "no_cine");
    assert!(
        text.contains("localizer") && text.contains("9 images"),
        "{text}"
    );
}

#[test]
fn slices_along_the_heart_are_refused() {
    let along = Stack {
        directions: [[0.6, -0.64, -0.48], [0.0, 0.6, -0.8]],
        ..stack()
    };
    let text = refused(&along.images(pixels), "not_short_axis");
    assert!(text.contains("along the heart"), "{text}");
    // Directions of the body are no short axis for sure, and nothing else is there.
    let axial = Stack {
        directions: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        ..stack()
    };
    assert_eq!(codes(&found(&axial.images(pixels))), ["short_axis_unsure"]);
    let named: Vec<DataSet> = axial
        .images(pixels)
        .into_iter()
        .map(|image| image.text((0x08, 0x103e), "LO", "cine_SAX 8mm"))
        .collect();
    assert_eq!(codes(&found(&named)), [""; 0]);
}

#[test]
fn a_missing_slice_is_refused_and_one_at_the_end_is_not_seen() {
    let five = Stack {
        slices: 5,
        ..stack()
    };
    let images = five.images(|frame, slice| vec![(frame * 5 + slice) as u16; ROWS * COLUMNS]);
    let without = |gone: usize| -> Vec<DataSet> {
        let numbered = images.iter().enumerate();
        numbered
            .filter(|(at, _)| at % 5 != gone)
            .map(|(_, image)| image.clone())
            .collect()
    };
    let text = refused(&without(2), "missing_slice");
    assert!(text.contains("slices 1 and 2 are 16.0 mm apart"), "{text}");
    assert_eq!(found(&without(4)).header().shape.slices, 4);
    assert_eq!(found(&without(0)).header().shape.slices, 4);
}

#[test]
fn a_missing_frame_takes_its_neighbour_and_is_told() {
    let mut images = stack().images(pixels);
    let gone = of(&images, 1, 2);
    images.remove(gone);
    let mut study = found(&images);
    assert_eq!(codes(&study), ["frames_matched"]);
    let frame = study.frame(1).expect("a frame");
    let slice: Vec<f32> = frame
        .intensities
        .index_axis(ndarray::Axis(0), 2)
        .iter()
        .copied()
        .collect();
    // Frames 0 and 2 are as near; the first of them is taken.
    let neighbours: Vec<f32> = pixels(0, 2).into_iter().map(f32::from).collect();
    assert_eq!(slice, neighbours);
    // With one of four frames a slice at the end is left out, and one in the middle makes a hole.
    let thin = |slice: usize| -> Vec<DataSet> {
        let images = stack().images(pixels).into_iter().enumerate();
        images
            .filter(|(at, _)| at % SLICES != slice || at / SLICES == 0)
            .map(|(_, image)| image)
            .collect()
    };
    let study = found(&thin(2));
    assert_eq!(
        (study.header().shape.slices, codes(&study)),
        (2, vec!["slices_left_out"])
    );
    refused(&thin(1), "missing_frames");
}

#[test]
fn slices_of_another_number_of_frames_beat_as_long_as_the_others() {
    // Ten images of 80 ms in two slices and five of 160 ms in the third: parts .05, .15, .25 and so on of the beat, and .1, .3, .5, .7, .9.
    let slices = |frames: usize, wanted: fn(usize) -> bool| {
        let stack = Stack::short_axis(frames, SLICES, ROWS, COLUMNS);
        let images = stack.images(pixels).into_iter().enumerate();
        images.filter_map(move |(at, image)| wanted(at % SLICES).then_some(image))
    };
    let images: Vec<DataSet> = slices(10, |slice| slice < 2)
        .chain(slices(5, |slice| slice == 2))
        .collect();
    let silent = |tag| {
        images
            .iter()
            .map(|image| image.clone().without(tag))
            .collect()
    };
    // Whether the headers tell how long a beat is or not.
    for images in [images.clone(), silent((0x18, 0x1062))] {
        let mut study = found(&images);
        assert_eq!(codes(&study), ["frames_matched"]);
        assert_eq!(study.header().geometry.frame_ms, Some(80.0));
        for frame in 0..10 {
            let shown = study.frame(frame).expect("a frame").intensities;
            let slice: Vec<f32> = shown
                .index_axis(ndarray::Axis(0), 2)
                .iter()
                .copied()
                .collect();
            let nearest: Vec<f32> = pixels(frame / 2, 2).into_iter().map(f32::from).collect();
            assert_eq!(slice, nearest, "frame {frame}");
        }
    }
}

#[test]
fn a_slice_that_lacks_its_first_or_last_image_shows_the_others_where_they_belong() {
    // Ten images of 80 ms, ordered by trigger times or by numbers alone; no header tells how long a beat is.
    let numbered = |(at, image): (usize, DataSet)| {
        let number = format!("{}", at / SLICES + 1);
        image
            .without((0x18, 0x1060))
            .text((0x20, 0x100), "IS", &number)
    };
    let images = Stack::short_axis(10, SLICES, ROWS, COLUMNS).images(pixels);
    let silent: Vec<DataSet> = images
        .into_iter()
        .map(|image| image.without((0x18, 0x1062)))
        .collect();
    let by_number: Vec<DataSet> = silent.iter().cloned().enumerate().map(numbered).collect();
    for (images, gone) in [&silent, &by_number]
        .into_iter()
        .flat_map(|images| [(images, 9), (images, 0)])
    {
        // The last slice, and the first: that of which there are all images comes before it or after.
        for slice in [0, SLICES - 1] {
            let mut images = images.clone();
            images.remove(of(&images, gone, slice));
            let mut study = found(&images);
            assert!(codes(&study).contains(&"frames_matched"));
            for frame in (0..10).filter(|frame| *frame != gone) {
                let shown = study.frame(frame).expect("a frame").intensities;
                let shown = shown.index_axis(ndarray::Axis(0), slice);
                let shown: Vec<f32> = shown.iter().copied().collect();
                let own: Vec<f32> = pixels(frame, slice).into_iter().map(f32::from).collect();
                assert_eq!(shown, own, "frame {frame} of slice {slice} without {gone}");
            }
        }
    }
}

#[test]
fn copies_are_dropped_and_two_images_of_one_moment_are_refused() {
    let images = stack().images(pixels);
    let twice: Vec<DataSet> = images.iter().chain(&images).cloned().collect();
    let mut study = found(&twice);
    assert_eq!(
        (greys(&mut study), codes(&study)),
        (expected(), vec!["duplicates"])
    );
    // The same instance with another header around it.
    let mut again = images.clone();
    again.push(images[0].clone().text((0x20, 0x13), "IS", "99"));
    let mut study = found(&again);
    assert_eq!(
        (greys(&mut study).len(), codes(&study)),
        (expected().len(), vec!["duplicates"])
    );
    // Another instance of the same moment.
    let mut conflict = images.clone();
    let other = stack().image(0, 0, &[7; ROWS * COLUMNS]);
    conflict.push(other.text((0x08, 0x18), "UI", "2.25.77"));
    refused(&conflict, "conflicting_images");
    // One identifier for all, as some programs leave behind, makes no copies of them.
    let same: Vec<DataSet> = images
        .iter()
        .map(|image| image.clone().text((0x08, 0x18), "UI", "2.25.9"))
        .collect();
    assert_eq!(greys(&mut found(&same)), expected());
}

#[test]
fn a_stack_that_was_acquired_twice_gives_the_later_one() {
    let at = |series: u32, time: &'static str| {
        let stack = Stack { series, ..stack() };
        let images = stack.images(move |frame, slice| {
            let shift = 5 * (series as u16 - 1);
            pixels(frame, slice)
                .into_iter()
                .map(|value| value + shift)
                .collect()
        });
        images
            .into_iter()
            .map(move |image| image.text((0x08, 0x32), "TM", time))
    };
    for (first, second, shift) in [("101500.5", "102000", 5.0), ("102000", "101500.5", 0.0)] {
        let images: Vec<DataSet> = at(1, first).chain(at(2, second)).collect();
        let mut study = found(&images);
        let shifted: Vec<f32> = expected().iter().map(|value| value + shift).collect();
        assert_eq!(greys(&mut study), shifted, "{first} {second}");
        assert_eq!(codes(&study), ["slice_repeated"]);
    }
}

#[test]
fn stills_at_the_places_of_a_cine_do_not_take_its_place() {
    // A cine of one series a slice, and one series of a still at every place, which covers more places than each of the cine's.
    let cine = (0..SLICES).flat_map(|slice| {
        let of_slice = Stack {
            series: 1 + slice as u32,
            ..stack()
        };
        let images = of_slice.images(pixels).into_iter();
        images.skip(slice).step_by(SLICES).collect::<Vec<_>>()
    });
    let stills = Stack {
        series: 9,
        ..Stack::short_axis(1, SLICES, ROWS, COLUMNS)
    };
    let stills = stills.images(|_, slice| pixels(7, slice));
    let images: Vec<DataSet> = cine.chain(stills).collect();
    let mut study = found(&shuffled(images));
    assert_eq!(greys(&mut study), expected());
    assert_eq!(codes(&study), ["slice_repeated"]);
}

#[test]
fn frames_need_a_time_and_take_the_one_there_is() {
    let plain: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .map(|image| image.without((0x18, 0x1060)))
        .collect();
    refused(&plain, "no_frame_times");
    let numbered: Vec<DataSet> = plain
        .iter()
        .enumerate()
        .map(|(at, image)| {
            image
                .clone()
                .text((0x20, 0x100), "IS", &format!("{}", at / SLICES + 1))
        })
        .collect();
    assert_eq!(greys(&mut found(&shuffled(numbered))), expected());
    // Triggered forwards: 4 frames of 100 ms in a beat of 800 ms.
    let early: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .enumerate()
        .map(|(at, image)| image.decimals((0x18, 0x1060), &[100.0 * (at / SLICES) as f64]))
        .collect();
    let study = found(&early);
    assert_eq!(study.header().geometry.frame_ms, Some(100.0));
    assert_eq!(codes(&study), ["frame_time_disagreement"]);
    // Nothing says how long a beat is: the trigger times do.
    let free: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .map(|image| image.without((0x18, 0x1062)))
        .collect();
    assert_eq!(found(&free).header().geometry.frame_ms, Some(200.0));
}

#[test]
fn small_differences_of_places_and_directions_are_told_and_large_ones_refused() {
    let moved = |slice: usize, by: [f64; 3]| -> Vec<DataSet> {
        let stack = stack();
        let place = stack.position_mm(slice);
        let to: [f64; 3] = std::array::from_fn(|axis| place[axis] + by[axis]);
        let images = stack.images(pixels).into_iter().enumerate();
        images
            .map(|(at, image)| match at % SLICES == slice {
                true => image.decimals((0x20, 0x32), &to),
                false => image,
            })
            .collect()
    };
    let along = |mm: f64| [0.6 * mm, -0.64 * mm, -0.48 * mm];
    let across = |mm: f64| [0.8 * mm, 0.48 * mm, 0.36 * mm];
    let told = |images: &[DataSet]| codes(&found(images));
    assert_eq!(told(&moved(1, along(0.5))), ["slices_uneven"]);
    refused(&moved(1, along(3.0)), "uneven_slices");
    assert_eq!(told(&moved(1, across(3.0))), ["slices_shifted"]);
    refused(&moved(1, across(12.0)), "shifted_slices");
    // One degree about the direction from row to row.
    let (sine, cosine) = 1f64.to_radians().sin_cos();
    let normal = [-0.6, 0.64, 0.48];
    let turned: [f64; 3] =
        std::array::from_fn(|axis| cosine * [0.8, 0.48, 0.36][axis] + sine * normal[axis]);
    let directions = [turned, [0.0, 0.6, -0.8]];
    let images: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .enumerate()
        .map(|(at, image)| match at % SLICES {
            1 => image.decimals((0x20, 0x37), directions.as_flattened()),
            _ => image,
        })
        .collect();
    let mut study = found(&images);
    assert_eq!(codes(&study), ["orientation_uneven"]);
    assert_eq!(greys(&mut study), expected());
}

#[test]
fn white_is_turned_around_and_padding_is_dark() {
    let inverted: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .map(|image| image.text((0x28, 0x04), "CS", "MONOCHROME1"))
        .collect();
    let mut study = found(&inverted);
    assert_eq!(codes(&study), ["inverted"]);
    // 12 bits: the largest value is 4095.
    let turned: Vec<f32> = expected().iter().map(|value| 4095.0 - value).collect();
    assert_eq!(greys(&mut study), turned);
    // The first pixel of each image is padding, by its value or within a range; the smallest of the others is the second.
    for (first, limit) in [(4000, None), (4000, Some(4095)), (4090, Some(4095))] {
        let padded: Vec<DataSet> = (0..FRAMES * SLICES)
            .map(|at| {
                let (frame, slice) = (at / SLICES, at % SLICES);
                let mut values = pixels(frame, slice);
                values[0] = first;
                let image = stack()
                    .image(frame, slice, &values)
                    .short((0x28, 0x120), 4000);
                match limit {
                    Some(limit) => image.short((0x28, 0x121), limit),
                    None => image,
                }
            })
            .collect();
        let mut study = found(&padded);
        let found_greys = greys(&mut study);
        for (image, whole) in found_greys
            .chunks(ROWS * COLUMNS)
            .zip(expected().chunks(ROWS * COLUMNS))
        {
            assert_eq!(image[0], whole[1]);
            assert_eq!(image[1..], whole[1..]);
        }
        assert!(study.pixel_warnings()[0].detail.starts_with("12 pixels"));
    }
}

#[test]
fn values_are_rescaled_as_one_where_they_can_and_each_by_itself_where_not() {
    let scaled = |slope: fn(usize) -> f64| -> Vec<DataSet> {
        let images = stack().images(pixels).into_iter().enumerate();
        images
            .map(|(at, image)| {
                image
                    .decimals((0x28, 0x1052), &[-10.0])
                    .decimals((0x28, 0x1053), &[slope(at % SLICES)])
            })
            .collect()
    };
    let mut study = found(&scaled(|_| 2.0));
    assert_eq!(study.header().voxels.data_type, DataType::I16);
    assert_eq!(study.header().voxels.scaling, Some((2.0, -10.0)));
    let twice: Vec<f32> = expected().iter().map(|value| 2.0 * value - 10.0).collect();
    assert_eq!(greys(&mut study), twice);
    let mut study = found(&scaled(|slice| slice as f64 + 1.0));
    assert_eq!(study.header().voxels.data_type, DataType::F32);
    let each: Vec<f32> = expected()
        .iter()
        .enumerate()
        .map(|(at, value)| value * ((at / (ROWS * COLUMNS)) % SLICES + 1) as f32 - 10.0)
        .collect();
    assert_eq!(greys(&mut study), each);
}

#[test]
fn what_the_header_tells_is_read_and_the_rest_is_listed_by_tag() {
    let images: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .map(|image| {
            image
                .text((0x08, 0x90), "PN", "REFERRING^DOCTOR")
                .text((0x10, 0x10), "PN", "DOE^JANE")
                .text((0x10, 0x30), "DA", "19500615")
                .text((0x10, 0x40), "CS", "F")
                .text((0x10, 0x1010), "AS", "061Y")
                .text((0x10, 0x1020), "DS", "1.68")
                .text((0x10, 0x1030), "DS", "71.5")
                .text((0x18, 0x87), "DS", "1.5")
                .text((0x18, 0x1088), "IS", "75")
                .text((0x09, 0x1001), "LO", "private DOE^JANE")
                .text((0x28, 0x301), "CS", "YES")
                .text((0x10, 0x4000), "LT", "")
        })
        .collect();
    let study = found(&images);
    assert_eq!(
        study.facts(),
        Facts {
            height_cm: Some(168.0),
            weight_kg: Some(71.5),
            sex: Some(Sex::Female),
            age_years: Some(61.0),
            heart_rate_bpm: Some(75.0),
        }
    );
    let equipment = study.equipment();
    assert_eq!(equipment.manufacturer.as_deref(), Some("Cinecor phantom"));
    assert_eq!(equipment.magnetic_field_t, Some(1.5));
    assert_eq!(equipment.modality.as_deref(), Some("MR"));
    let removed: Vec<String> = study
        .removed()
        .tags
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        removed,
        [
            "(0008,0018)",
            "(0008,0090)",
            "(0009,1001)",
            "(0010,0010)",
            "(0010,0020)",
            "(0010,0030)",
            "(0020,000d)",
            "(0020,000e)",
            "(0028,0301)",
        ]
    );
    let burned: Vec<String> = study
        .removed()
        .burned_in
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(burned, ["(0028,0301)"]);
    assert_eq!(codes(&study), ["burned_in"]);
    let header = study.header();
    let words = format!("{study:?} {header:?} {:?}", study.removed());
    assert!(
        !words.contains("DOE") && !words.contains("REFERRING"),
        "{words}"
    );
}

#[test]
fn what_stands_before_the_data_set_is_listed_where_it_is_not_kept() {
    let element = |tag: u16, vr: &str, value: &[u8]| {
        let mut bytes = [[2, 0], tag.to_le_bytes()].concat();
        bytes.extend(vr.as_bytes());
        let length = value.len() as u16;
        match vr {
            "OB" => bytes.extend([0, 0, length as u8, 0, 0, 0]),
            _ => bytes.extend(length.to_le_bytes()),
        }
        [bytes, value.to_vec()].concat()
    };
    let meta = [
        element(0x01, "OB", &[0, 1]),
        element(0x02, "UI", b"1.2.840.10008.5.1.4.1.1.4\0"),
        element(0x03, "UI", b"2.25.1\0\0"),
        element(0x12, "UI", b"2.25.7\0\0"),
        element(0x13, "SH", b"  "),
        element(0x16, "AE", b"DOE_WARD"),
        element(0x100, "UI", b"2.25.8\0\0"),
        element(0x102, "OB", b"DOE^JANE"),
    ]
    .concat();
    // Behind the mark, in front of the transfer syntax.
    let files = files(&stack().images(pixels))
        .into_iter()
        .map(|file| [&file[..132], &meta, &file[132..]].concat().into())
        .collect();
    let study = Study::find(candidates(files), 0, &Limits::default()).expect("a study");
    let removed: Vec<String> = study
        .removed()
        .tags
        .iter()
        .filter(|tag| tag.0 == 2)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        removed,
        [
            "(0002,0003)",
            "(0002,0012)",
            "(0002,0016)",
            "(0002,0100)",
            "(0002,0102)",
        ]
    );
}

#[test]
fn what_no_magnet_made_is_refused_by_its_modality_and_passed_over_beside_mr() {
    let of = |modality: &str| -> Vec<DataSet> {
        let other = Stack {
            series: 2,
            ..stack()
        };
        let images = other.images(pixels).into_iter();
        images
            .map(|image| image.text((0x08, 0x60), "CS", modality))
            .collect()
    };
    let text = refused(&of("CT"), "not_mr");
    assert!(text.contains("found CT (computed tomography);"), "{text}");
    let mixed = [of("US"), of("DOE^JANE")].concat();
    let text = refused(&mixed, "not_mr");
    assert!(
        text.contains("US (ultrasound), a code that is not known here")
            && text.contains("24 in all, none is of magnetic resonance")
            && !text.contains("DOE"),
        "{text}"
    );
    for taken in ["MR", "mr ", ""] {
        assert_eq!(codes(&found(&of(taken))), [""; 0], "{taken:?}");
    }
    let beside = [stack().images(pixels), of("CT")].concat();
    let named = |image: DataSet, patient: &str| image.text((0x10, 0x20), "LO", patient);
    let one = stack().images(pixels).into_iter();
    let one = one.map(|image| named(image, "one"));
    let another = of("CT").into_iter().map(|image| named(image, "another"));
    let two: Vec<DataSet> = one.chain(another).collect();
    refused(&two, "several_patients");
    let mut study = found(&beside);
    assert_eq!(codes(&study), ["files_passed_over"]);
    assert_eq!(greys(&mut study), expected());
}

/// The files in an archive, deflated but for those at odd places.
fn zipped(files: &[Bytes]) -> Bytes {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (at, file) in files.iter().enumerate() {
        let method = match at % 2 {
            0 => zip::CompressionMethod::Deflated,
            _ => zip::CompressionMethod::Stored,
        };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(at.to_string(), options).unwrap();
        writer.write_all(file).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

#[test]
fn a_study_is_the_same_whether_its_files_are_held_or_inflated_again() {
    let enhanced = stack().enhanced(pixels);
    for sets in [stack().images(pixels), vec![enhanced]] {
        let mut unpacked = Vec::new();
        let limits = Limits::default();
        files_of_zip(zipped(&files(&sets)), &limits, |file| {
            unpacked.push(Candidate::of_archive(file, &limits));
        })
        .unwrap();
        let (mut held, mut packed) = (
            found(&sets),
            Study::find(unpacked, 0, &limits).expect("a study"),
        );
        assert_eq!(greys(&mut held), expected());
        assert_eq!(greys(&mut packed), expected());
        assert_eq!(packed.sha256(), held.sha256());
        assert_eq!(packed.bytes(), held.bytes());
        assert_eq!(packed.facts(), held.facts());
        assert_eq!(packed.removed(), held.removed());
        assert_eq!(packed.header().warnings, held.header().warnings);
    }
}

#[test]
fn files_of_two_patients_or_none_are_refused_and_others_passed_over() {
    let mut images = stack().images(pixels);
    let report = DataSet::new()
        .text((0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.88.11")
        .text((0x08, 0x60), "CS", "SR");
    refused(std::slice::from_ref(&report), "no_images");
    images.push(report);
    let study = found(&images);
    assert_eq!(codes(&study), ["files_passed_over"]);
    let last = images.len() - 2;
    images[last] = images[last].clone().text((0x10, 0x20), "LO", "another");
    refused(&images, "several_patients");
}

#[test]
fn odd_identifiers_and_dates_are_taken() {
    let images: Vec<DataSet> = stack()
        .images(pixels)
        .into_iter()
        .map(|image| {
            image
                .text((0x08, 0x20), "DA", "20120000")
                .text((0x10, 0x30), "DA", "00000000")
                .text(
                    (0x20, 0x0e),
                    "UI",
                    "2.16.124.113543.6006.99.06401874683928685668",
                )
                .text((0x10, 0x40), "CS", "O")
                .text((0x10, 0x1020), "DS", "0")
        })
        .collect();
    let study = found(&images);
    assert_eq!(
        study.facts(),
        Facts {
            heart_rate_bpm: Some(75.0),
            ..Facts::default()
        }
    );
    assert_eq!(codes(&study), [""; 0]);
}

/// What pydicom and NumPy made of the files of `data/study.zip` (`data/generate_study.py`).
#[test]
fn a_study_is_sorted_as_pydicom_and_numpy_sort_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let golden: serde_json::Value = serde_json::from_slice(&read("study.json")).expect("JSON");
    let limits = Limits::default();
    let mut files = Vec::new();
    files_of_zip(read("study.zip").into(), &limits, |file| {
        files.push(Candidate::of_archive(file, &limits));
    })
    .expect("an archive");
    let mut study = Study::find(files, 0, &limits).expect("a study");
    assert_eq!(codes(&study), [""; 0]);
    let header = study.header();
    let shape = header.shape;
    assert_eq!(
        serde_json::json!([shape.frames, shape.slices, shape.rows, shape.columns]),
        golden["shape"]
    );
    let close = |found: f64, expected: &serde_json::Value| {
        let expected = expected.as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    };
    let spacing = header.geometry.spacing;
    close(spacing.row_mm, &golden["spacing_mm"][0]);
    close(spacing.column_mm, &golden["spacing_mm"][1]);
    close(spacing.slice_mm, &golden["spacing_mm"][2]);
    for (axis, row) in header.geometry.mm_from_voxel.iter().enumerate() {
        for (at, found) in row.iter().enumerate() {
            close(*found, &golden["mm_from_voxel"][axis][at]);
        }
    }
    close(
        header.geometry.frame_ms.expect("a time"),
        &golden["frame_ms"],
    );
    let values: Vec<f32> = read("study.values")
        .as_chunks::<2>()
        .0
        .iter()
        .map(|bytes| f32::from(i16::from_le_bytes(*bytes)))
        .collect();
    assert_eq!(greys(&mut study), values);
}
