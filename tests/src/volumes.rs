//! Files to post: small volumes made here, and the phantom.

use anyhow::Result;
use cinecor_formats::{DataType, SourceHeader, VoxelFormat, encode_volume, gzip};
use cinecor_phantom::{Generator, MAX_GREY, PhantomFrame, Settings};
use cinecor_volume::{Geometry, Shape, Spacing};

use crate::host::Options;

/// A small study of discs in a ring in noise: quick to segment, hard to compress, so that its bytes can be looked for on disk.
/// Gzipped NIfTI-1 of 16 bits, pixels of 1.5 mm (columns) by 1.8 mm (rows), slices 8 mm apart, frames 40 ms apart.
///
/// # Errors
/// A shape that no volume can have.
pub fn small(slices: usize, frames: usize, seed: u64) -> Result<Vec<u8>> {
    rings(Shape::new(frames, slices, 60, 72)?, seed)
}

/// The same with slices of so many rows.
///
/// # Errors
/// As [`small`].
pub fn of_size(slices: usize, frames: usize, rows: usize) -> Result<Vec<u8>> {
    rings(Shape::new(frames, slices, rows, 72)?, 1)
}

fn rings(shape: Shape, seed: u64) -> Result<Vec<u8>> {
    let (slices, frames) = (shape.slices, shape.frames);
    let geometry = Geometry::axis_aligned(Spacing::new(1.8, 1.5, 8.0)?, Some(40.0));
    let mut noise = Noise(seed);
    let mut raw = Vec::with_capacity(shape.voxels() * 2);
    for frame in 0..frames {
        // The disc is largest in the first frame and smallest in the middle one.
        let squeeze = 1.0 - 0.3 * (std::f64::consts::PI * frame as f64 / frames as f64).sin();
        for _ in 0..slices {
            for row in 0..shape.rows {
                for column in 0..shape.columns {
                    let (y, x) = ((row as f64 - 30.0) * 1.8, (column as f64 - 36.0) * 1.5);
                    let radius = x.hypot(y);
                    let base = match radius {
                        r if r < 22.0 * squeeze => 900,
                        r if r < 32.0 => 300,
                        _ => 500,
                    };
                    let value = base + i16::try_from(noise.next() % 128)?;
                    raw.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
    let header = SourceHeader::from_geometry(&geometry, shape);
    Ok(gzip(&encode_volume(
        &header,
        VoxelFormat::unscaled(DataType::I16),
        shape,
        &raw,
    )?))
}

/// SplitMix64: repeatable noise for fixtures.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The application on this engine; `None` with the reason printed where its library is not there.
pub fn engine(name: &str) -> Option<Options> {
    let library = match name {
        "onnxruntime" => "CINECOR_ONNXRUNTIME_LIB",
        "openvino" => "CINECOR_OPENVINO_LIB",
        _ => return Some(Options::new().setting("nn", "engine", name)),
    };
    if std::env::var_os(library).is_none() {
        println!(
            "SKIP: {library} is not set, so {name} is not there; `cargo xtask test` installs it and sets it"
        );
        return None;
    }
    Some(Options::new().setting("nn", "engine", name))
}

/// The phantom heart on 256 × 256 pixels of 1.4 mm, gzipped NIfTI-1 of 16 bits.
///
/// # Errors
/// A shape that no volume can have.
pub fn phantom(slices: usize, frames: usize) -> Result<Vec<u8>> {
    Ok(phantom_with_truth(slices, frames)?.0)
}

/// [`phantom`], and the frames it was made of: their labels and true volumes.
///
/// # Errors
/// As [`phantom`].
pub fn phantom_with_truth(slices: usize, frames: usize) -> Result<(Vec<u8>, Vec<PhantomFrame>)> {
    let (generator, shape) = generator(slices, frames)?;
    let made: Vec<PhantomFrame> = (0..frames).map(|index| generator.frame(index)).collect();
    let grey = made.iter().flat_map(|frame| &frame.intensities);
    Ok((file(&generator.geometry(), shape, grey)?, made))
}

fn generator(slices: usize, frames: usize) -> Result<(Generator, Shape)> {
    let settings = Settings {
        shape: Shape::new(frames, slices, 256, 256)?,
        spacing: Spacing::new(1.4, 1.4, 8.0)?,
        ..Settings::default()
    };
    Ok((Generator::new(&settings)?, settings.shape))
}

/// Grey values `[T, Z, Y, X]` as gzipped NIfTI-1 of 16 bits.
///
/// # Errors
/// As [`phantom`].
pub fn file<'a>(
    geometry: &Geometry,
    shape: Shape,
    grey: impl IntoIterator<Item = &'a f32>,
) -> Result<Vec<u8>> {
    let raw: Vec<u8> = grey
        .into_iter()
        .flat_map(|grey| (grey.clamp(0.0, MAX_GREY).round() as i16).to_le_bytes())
        .collect();
    let header = SourceHeader::from_geometry(geometry, shape);
    let file = encode_volume(&header, VoxelFormat::unscaled(DataType::I16), shape, &raw)?;
    Ok(gzip(&file))
}
