//! One heart in every order and direction of a file's axes, at the same place in the scanner by its sform or by its qform: masks lie on the
//! voxels of the file that was sent, and numbers are those of the heart. The model is one that sees pictures alike however they lie, so that
//! all of it is exact; what turned pictures do to a network is looked at in `orientation.rs`.

use std::io::Read as _;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cinecor_formats::gzip;
use cinecor_tests::client::Client;
use cinecor_tests::host::Options;
use cinecor_tests::packages::{NAME, Package, address};
use serde_json::Value;

/// Columns, rows, slices.
const SIZE: [usize; 3] = [48, 40, 6];
const FRAMES: usize = 2;
/// Between them, mm: pixels as far apart as the model's, so that nothing is resampled.
const STEP_MM: [f64; 3] = [1.4, 1.4, 8.0];
/// What each label shows.
const GREYS: [i16; 4] = [100, 400, 700, 1000];
/// Directions of columns, rows and slices in the scanner, at right angles; no axis of the scanner.
const DIRECTIONS: [[f64; 3]; 3] = [[0.6, 0.8, 0.0], [-0.48, 0.36, 0.8], [0.64, -0.48, 0.6]];
const ORIGIN_MM: [f64; 3] = [10.0, -20.0, 30.0];

/// The label of a voxel of the heart as short-axis pictures are shown: a ring with its right ventricle to the left and above the middle, that
/// shrinks from the first slice to the last. Its wall is thicker in front, and its middle is on no line of the grid, where a ray's way would be a
/// matter of rounding.
fn label(frame: usize, [column, row, slice]: [usize; 3]) -> u8 {
    let (x, y) = (column as f64 - 28.3, row as f64 - 21.2);
    let cavity = 8.0 - slice as f64 - frame as f64;
    let wall = 12.0 - slice as f64 + if y < 0.0 { 2.0 } else { 0.0 };
    match x.hypot(y) {
        reach if reach < cavity => 3,
        reach if reach < wall => 2,
        _ if slice < 5 && (10..28).contains(&column) && (13..25 - slice).contains(&row) => 1,
        _ => 0,
    }
}

/// How the axes of a file lie to those of the heart.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// For each axis of the file, that of the heart.
    of_heart: [usize; 3],
    /// For each axis of the file, whether it runs the other way.
    reversed: [bool; 3],
}

impl Form {
    fn all() -> Vec<Form> {
        let orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let ways = (0..8).map(|way| [0, 1, 2].map(|axis| way >> axis & 1 == 1));
        let ways: Vec<[bool; 3]> = ways.collect();
        let forms = orders.iter().flat_map(|&of_heart| {
            ways.iter()
                .map(move |&reversed| Form { of_heart, reversed })
        });
        forms.collect()
    }

    fn size(self) -> [usize; 3] {
        self.of_heart.map(|axis| SIZE[axis])
    }

    /// Labels in the order of the file: its first axis is the fastest.
    fn labels(self) -> Vec<u8> {
        let [first, second, third] = self.size();
        let mut labels = Vec::new();
        for frame in 0..FRAMES {
            for k in 0..third {
                for j in 0..second {
                    for i in 0..first {
                        let mut at = [0; 3];
                        for (axis, index) in [i, j, k].into_iter().enumerate() {
                            let of = self.of_heart[axis];
                            at[of] = match self.reversed[axis] {
                                true => SIZE[of] - 1 - index,
                                false => index,
                            };
                        }
                        labels.push(label(frame, at));
                    }
                }
            }
        }
        labels
    }

    /// For each axis of the file, its direction in the scanner; and where its first voxel is, mm.
    fn place(self) -> ([[f64; 3]; 3], [f64; 3]) {
        let mut origin_mm = ORIGIN_MM;
        let mut directions = [[0.0; 3]; 3];
        for (axis, &of) in self.of_heart.iter().enumerate() {
            let along = DIRECTIONS[of];
            directions[axis] = match self.reversed[axis] {
                true => along.map(|part| -part),
                false => along,
            };
            if self.reversed[axis] {
                let length_mm = STEP_MM[of] * (SIZE[of] - 1) as f64;
                for (mm, part) in origin_mm.iter_mut().zip(along) {
                    *mm += part * length_mm;
                }
            }
        }
        (directions, origin_mm)
    }

    /// The file.
    fn file(self, by_quaternion: bool) -> Vec<u8> {
        let mut file = vec![0; 352];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        let mut float = |at: usize, value: f64| put(at, &(value as f32).to_le_bytes());
        let (directions, origin_mm) = self.place();
        let steps_mm = self.of_heart.map(|axis| STEP_MM[axis]);
        for (axis, step_mm) in steps_mm.into_iter().enumerate() {
            float(80 + 4 * axis, step_mm);
        }
        // Seconds, voxels from byte 352 on, as they are.
        float(92, 0.04);
        float(108, 352.0);
        float(112, 1.0);
        if by_quaternion {
            let (quaternion, qfac) = quaternion(directions);
            float(76, qfac);
            for (index, value) in quaternion.into_iter().chain(origin_mm).enumerate() {
                float(256 + 4 * index, value);
            }
        } else {
            float(76, 1.0);
            for row in 0..3 {
                for axis in 0..3 {
                    float(
                        280 + 16 * row + 4 * axis,
                        directions[axis][row] * steps_mm[axis],
                    );
                }
                float(280 + 16 * row + 12, origin_mm[row]);
            }
        }
        put(0, &348_i32.to_le_bytes());
        let [first, second, third] = self.size();
        for (index, value) in [4, first, second, third, FRAMES, 1, 1, 1]
            .into_iter()
            .enumerate()
        {
            put(40 + 2 * index, &(value as i16).to_le_bytes());
        }
        // 16 bits with a sign; mm and seconds; one of the two places.
        put(70, &4_i16.to_le_bytes());
        put(72, &16_i16.to_le_bytes());
        put(123, &[10]);
        put(if by_quaternion { 252 } else { 254 }, &1_i16.to_le_bytes());
        put(344, b"n+1\0");
        let grey = self
            .labels()
            .into_iter()
            .map(|code| GREYS[usize::from(code)]);
        file.extend(grey.flat_map(i16::to_le_bytes));
        file
    }
}

/// `b`, `c` and `d` of the unit quaternion of these directions, and `qfac`: -1 where the third one has to be turned round first to make a
/// rotation of them (the method of NIfTI-1, `nifti1.h`).
fn quaternion([x, y, mut z]: [[f64; 3]; 3]) -> ([f64; 3], f64) {
    let cross = [
        x[1] * y[2] - x[2] * y[1],
        x[2] * y[0] - x[0] * y[2],
        x[0] * y[1] - x[1] * y[0],
    ];
    let handed: f64 = cross.iter().zip(z).map(|(one, other)| one * other).sum();
    let qfac = handed.signum();
    z = z.map(|part| part * qfac);
    // The squares of a, b, c and d, four times; the largest is divided by.
    let four = [
        1.0 + x[0] + y[1] + z[2],
        1.0 + x[0] - y[1] - z[2],
        1.0 - x[0] + y[1] - z[2],
        1.0 - x[0] - y[1] + z[2],
    ];
    let largest = (0..4)
        .max_by(|&one, &other| four[one].total_cmp(&four[other]))
        .unwrap_or(0);
    let root = four[largest].sqrt();
    let products = [
        [four[0], y[2] - z[1], z[0] - x[2], x[1] - y[0]],
        [y[2] - z[1], four[1], x[1] + y[0], x[2] + z[0]],
        [z[0] - x[2], x[1] + y[0], four[2], y[2] + z[1]],
        [x[1] - y[0], x[2] + z[0], y[2] + z[1], four[3]],
    ];
    let [a, b, c, d] = products[largest].map(|product| product / (2.0 * root));
    // `a` is not written: it is taken to be positive.
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    ([b * sign, c * sign, d * sign], qfac)
}

/// Limits half-way between the greys, in standard deviations from the mean of the first frame; the second one's are nearly the same.
fn limits() -> [f32; 3] {
    let labels = Form::all()[0].labels();
    let greys = labels[..labels.len() / FRAMES].iter();
    let greys: Vec<f64> = greys
        .map(|&code| f64::from(GREYS[usize::from(code)]))
        .collect();
    let mean = greys.iter().sum::<f64>() / greys.len() as f64;
    let squares: f64 = greys.iter().map(|grey| (grey - mean).powi(2)).sum();
    let deviation = (squares / greys.len() as f64).sqrt();
    [250.0, 550.0, 850.0].map(|grey| ((grey - mean) / deviation) as f32)
}

/// All numbers of a document, by their path.
fn numbers(of: &Value, path: &str, found: &mut Vec<(String, f64)>) {
    match of {
        Value::Number(number) => {
            found.extend(number.as_f64().map(|number| (path.to_owned(), number)))
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                numbers(item, &format!("{path}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                numbers(member, &format!("{path}/{key}"), found);
            }
        }
        _ => (),
    }
}

#[test]
fn masks_and_numbers_are_the_same_in_all_orders_and_directions_of_axes() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let package = Package::by_grey("77.4.8", limits())?.zip()?;
    let kind = [("content-type", "application/zip")];
    client
        .send("PUT", &address("77.4.8"), &kind, Some(&package))?
        .expect(201)?;
    let mut first: Option<Vec<(String, f64)>> = None;
    for form in Form::all() {
        for by_quaternion in [false, true] {
            let what = format!("{form:?}, by a quaternion: {by_quaternion}");
            let file = form.file(by_quaternion);
            let body = client
                .post(
                    &format!("/api/v1/segment?model={NAME}@77.4.8"),
                    &gzip(&file),
                )?
                .expect(200)?
                .json()?;
            let mask = BASE64_STANDARD.decode(body["mask"]["data"].as_str().context("no mask")?)?;
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(&mask[..]).read_to_end(&mut whole)?;
            ensure!(
                whole[352..] == form.labels(),
                "{what}: the mask lies elsewhere"
            );
            // Its shape, its spacing, and where it is.
            for same in [40..56, 76..96, 252..328] {
                ensure!(whole[same.clone()] == file[same], "{what}: another grid");
            }
            let warnings = body["study"]["warnings"]
                .as_array()
                .context("no warnings")?;
            let codes: Vec<&Value> = warnings.iter().map(|warning| &warning["code"]).collect();
            match form.of_heart[2] {
                2 => assert_eq!(codes, [""; 0], "{what}"),
                _ => assert_eq!(codes, ["axes_exchanged"], "{what}"),
            }
            assert_eq!(body["study"]["spacing_mm"]["slice"], 8.0, "{what}");
            let metrics = &body["metrics"];
            let mut found = Vec::new();
            for part in [
                "phases",
                "left_ventricle",
                "right_ventricle",
                "myocardium",
                "curve",
            ] {
                numbers(&metrics[part], part, &mut found);
            }
            let first = first.get_or_insert_with(|| found.clone());
            assert_eq!(found.len(), first.len(), "{what}");
            for ((path, found), (same, expected)) in found.iter().zip(first.iter()) {
                // A ray of 120 may fall into either of two segments where it runs between them.
                let most = match path.contains("wall_thickness") || path.contains("diameter") {
                    true => 0.1,
                    false if path.contains("thickening") => 2.0,
                    false => 1e-9,
                };
                ensure!(
                    path == same && (found - expected).abs() <= most,
                    "{what}, {path}: {found}, not {expected}"
                );
            }
        }
    }
    // They are those of the heart: 15.68 mm³ a voxel.
    let first = first.context("no form")?;
    let number = |path: &str| {
        let found = first.iter().find(|(found, _)| found == path);
        found
            .map(|(_, number)| *number)
            .with_context(|| format!("no {path}"))
    };
    let labels = Form::all()[0].labels();
    let frames: Vec<&[u8]> = labels.chunks(labels.len() / FRAMES).collect();
    for (path, frame, code) in [
        ("left_ventricle/edv_ml", 0, 3),
        ("left_ventricle/esv_ml", 1, 3),
        ("right_ventricle/edv_ml", 0, 1),
    ] {
        let voxels = frames[frame].iter().filter(|&&found| found == code).count();
        let found = number(path)?;
        ensure!(
            (found - voxels as f64 * 0.01568).abs() < 1e-4,
            "{path}: {found}"
        );
    }
    // Slices run towards the apex and the scanner's axes make rows run to the back of this heart or to its front: whichever it is, the thick
    // half is one of the two, and no form may exchange them.
    let segment = |index: usize| number(&format!("myocardium/wall_thickness_mm/segments/{index}"));
    let apart = (segment(0)? - segment(3)?).abs();
    ensure!(apart > 1.0, "anterior and inferior are {apart} mm apart");
    Ok(())
}
