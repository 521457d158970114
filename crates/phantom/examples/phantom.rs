//! Writes a phantom as gzipped NIfTI of 16-bit grey values and prints the volumes that it has: `cargo xtask phantom`.

use std::path::{Path, PathBuf};

use cinecor_formats::{DataType, SourceHeader, VoxelFormat, encode_mask, encode_volume, gzip};
use cinecor_phantom::{Generator, MAX_GREY, Settings, Truth};
use cinecor_volume::{Shape, Spacing};
use clap::Parser;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Makes a beating heart whose true volumes are known, as 4-D NIfTI.
#[derive(Parser)]
#[command(name = "cargo xtask phantom", bin_name = "cargo xtask phantom")]
struct Arguments {
    /// File to write (`.nii.gz`).
    #[arg(long)]
    out: PathBuf,
    /// Also write the labels: what an ideal reader would draw (`.nii.gz`).
    #[arg(long)]
    mask: Option<PathBuf>,
    /// Also write the volumes that the heart has, and the SHA-256 of the file they are true of (`.json`).
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Frames of the beat; 1 is end-diastole alone.
    #[arg(long, default_value_t = Settings::default().shape.frames)]
    frames: usize,
    /// Slices from base to apex.
    #[arg(long, default_value_t = Settings::default().shape.slices)]
    slices: usize,
    /// Rows of pixels.
    #[arg(long, default_value_t = Settings::default().shape.rows)]
    rows: usize,
    /// Columns of pixels.
    #[arg(long, default_value_t = Settings::default().shape.columns)]
    columns: usize,
    /// Spacing of voxels in mm: row, column, slice.
    #[arg(long, value_delimiter = ',', value_name = "ROW,COLUMN,SLICE", default_values_t = default_spacing())]
    spacing: Vec<f64>,
    /// Largest volume of the left ventricle's cavity, ml.
    #[arg(long, default_value_t = Settings::default().lv_edv_ml)]
    edv_ml: f64,
    /// Smallest volume of the left ventricle's cavity, ml.
    #[arg(long, default_value_t = Settings::default().lv_esv_ml)]
    esv_ml: f64,
    /// Standard deviation of the noise, in grey values.
    #[arg(long, default_value_t = Settings::default().noise_sd)]
    noise: f64,
    /// Seed of noise and texture.
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
}

fn default_spacing() -> Vec<f64> {
    let Spacing {
        row_mm,
        column_mm,
        slice_mm,
    } = Settings::default().spacing;
    vec![row_mm, column_mm, slice_mm]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let &[row_mm, column_mm, slice_mm] = arguments.spacing.as_slice() else {
        return Err("--spacing takes three numbers".into());
    };
    let shape = Shape::new(
        arguments.frames,
        arguments.slices,
        arguments.rows,
        arguments.columns,
    )?;
    let settings = Settings {
        shape,
        spacing: Spacing::new(row_mm, column_mm, slice_mm)?,
        lv_edv_ml: arguments.edv_ml,
        lv_esv_ml: arguments.esv_ml,
        noise_sd: arguments.noise,
        seed: arguments.seed,
        ..Settings::default()
    };
    let generator = Generator::new(&settings)?;
    let mut voxels = Vec::with_capacity(shape.voxels() * 2);
    let mut masks = Vec::with_capacity(shape.frames);
    let mut truth = Vec::with_capacity(shape.frames);
    for index in 0..shape.frames {
        let frame = generator.frame(index);
        // The phantom's grey values are those of a 12-bit scanner: within 16 bits with nothing lost but fractions.
        voxels.extend(
            frame
                .intensities
                .iter()
                .flat_map(|grey| (grey.clamp(0.0, MAX_GREY).round() as i16).to_le_bytes()),
        );
        masks.push(frame.labels);
        truth.push(frame.truth);
    }
    let header = SourceHeader::from_geometry(&generator.geometry(), shape);
    let file = encode_volume(
        &header,
        VoxelFormat::unscaled(DataType::I16),
        shape,
        &voxels,
    )?;
    let file = gzip(&file);
    write(&arguments.out, &file)?;
    if let Some(path) = &arguments.mask {
        write(path, &gzip(&encode_mask(&header, masks.iter())?))?;
    }
    if let Some(path) = &arguments.truth {
        let document = truth_document(&file, &truth, settings.es_frame());
        write(path, &serde_json::to_vec_pretty(&document)?)?;
    }
    println!("{}: {shape}", arguments.out.display());
    if let (Some(ed), Some(es)) = (truth.first(), truth.get(settings.es_frame())) {
        for (name, edv_ml, esv_ml) in [
            ("left ventricle", ed.left_ventricle_ml, es.left_ventricle_ml),
            (
                "right ventricle",
                ed.right_ventricle_ml,
                es.right_ventricle_ml,
            ),
        ] {
            println!(
                "{name}: EDV {edv_ml:.1} ml, ESV {esv_ml:.1} ml, EF {:.1} %",
                100.0 * (1.0 - esv_ml / edv_ml)
            );
        }
        println!(
            "myocardium: {:.1} ml; end-systole is frame {}",
            ed.myocardium_ml,
            settings.es_frame()
        );
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// What is known of the heart in `file`, in the names of the service's metrics.
fn truth_document(file: &[u8], truth: &[Truth], es_frame: usize) -> Value {
    let digest = Sha256::digest(file);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (Some(ed), Some(es)) = (
        truth.first(),
        truth.get(es_frame).filter(|_| truth.len() > 1),
    ) else {
        return json!({ "sha256": sha256 });
    };
    let ventricle = |edv_ml: f64, esv_ml: f64| {
        json!({
            "edv_ml": edv_ml,
            "esv_ml": esv_ml,
            "sv_ml": edv_ml - esv_ml,
            "ef_percent": 100.0 * (1.0 - esv_ml / edv_ml),
        })
    };
    json!({
        "sha256": sha256,
        "phases": { "ed_frame": 0, "es_frame": es_frame },
        "left_ventricle": ventricle(ed.left_ventricle_ml, es.left_ventricle_ml),
        "right_ventricle": ventricle(ed.right_ventricle_ml, es.right_ventricle_ml),
        "myocardium": { "volume_ml": ed.myocardium_ml },
    })
}
