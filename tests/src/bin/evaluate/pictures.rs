//! Pictures of patients for a report: slices as the service draws them, above the same slices with the experts' contours.
//!
//! The study is posted, segmented and deleted again; slices come from the service's own routes. The experts' contours are drawn here, in
//! the same colours and by the same rule: a pixel of a label that has a neighbour of another.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use cinecor_volume::{Label, Mask, Spacing};
use ndarray::{ArrayView2, Axis};

use crate::acdc;
use crate::cases::{Case, Reference};
use crate::service::Service;
use crate::summary::number;

/// Width and height of one slice's tile, pixels.
const TILE: usize = 132;

/// Pixels between tiles.
const GAP: usize = 2;

/// Room around the heart, mm.
const MARGIN_MM: f64 = 18.0;

/// The colours of the service's contours, red, green, blue.
const COLOURS: [(Label, [u8; 3]); 3] = [
    (Label::RightVentricle, [0x56, 0xb4, 0xe9]),
    (Label::Myocardium, [0xe6, 0x9f, 0x00]),
    (Label::LeftVentricle, [0xd5, 0x5e, 0x00]),
];

/// A picture of a report.
#[derive(Clone, Debug)]
pub(crate) struct Pictured {
    pub(crate) title: String,
    pub(crate) caption: String,
    /// Its file name, which names no patient.
    pub(crate) file: String,
    pub(crate) png: Vec<u8>,
}

/// The best, the median and the two worst patients by mean Dice.
///
/// # Errors
/// The service does not keep, segment or draw a study.
pub(crate) fn of(
    service: &Service,
    patients: &[acdc::Patient],
    cases: &[Case],
) -> Result<Vec<Pictured>> {
    let mut order: Vec<&Case> = cases.iter().collect();
    order.sort_by(|a, b| a.mean_dice().total_cmp(&b.mean_dice()));
    let count = order.len();
    if count < 4 {
        return Ok(Vec::new());
    }
    let wanted = [
        ("Best", "best.png", count - 1),
        ("Median", "median.png", count / 2),
        ("Second worst", "second-worst.png", 1),
        ("Worst", "worst.png", 0),
    ];
    wanted
        .into_iter()
        .map(|(title, file, rank)| {
            let case = order.get(rank).context("no such case")?;
            let patient = patients
                .iter()
                .find(|patient| patient.name == case.name)
                .context("the case has no patient")?;
            Ok(Pictured {
                title: title.to_owned(),
                caption: format!(
                    "case {}, {}, mean Dice {}",
                    case.number(),
                    case.group,
                    number(case.mean_dice(), 3)
                ),
                file: file.to_owned(),
                png: picture(service, patient)
                    .with_context(|| format!("a picture of case {}", case.number()))?,
            })
        })
        .collect()
}

fn picture(service: &Service, patient: &acdc::Patient) -> Result<Vec<u8>> {
    let client = service.client();
    let body = acdc::stack(&patient.ed.image, &patient.es.image)?;
    let kept = client.post("/api/v1/studies", &body)?.expect(201)?;
    let study = kept.header("location").context("no Location")?.to_owned();
    let drawn = draw(service, &study, &Reference::of(patient)?);
    client.delete(&study)?.expect(204)?;
    drawn
}

fn draw(service: &Service, study: &str, reference: &Reference) -> Result<Vec<u8>> {
    let client = service.client();
    let wanted = serde_json::to_vec(&service.wanted_model())?;
    let made = client
        .send(
            "POST",
            &format!("{study}/segmentations"),
            &[("content-type", "application/json")],
            Some(&wanted),
        )?
        .expect(201)?;
    let segmentation = made.header("location").context("no Location")?;
    let view = View::of(reference);
    let mut sheet = Sheet::new(6, 2);
    for (phase, mask) in reference.masks.iter().enumerate() {
        for (place, slice) in shown_slices(mask).into_iter().enumerate() {
            let column = 3 * phase + place;
            let asked = format!("slices/{slice}.png?frame={phase}&width={}", view.width);
            let with_contour = client
                .get(&format!("{segmentation}/{asked}&overlay=contour"))?
                .expect(200)?;
            let grey = client.get(&format!("{study}/{asked}"))?.expect(200)?;
            let mut expert = Pixels::read(&grey.body)?;
            let labels = mask.labels.index_axis(Axis(0), 0);
            expert.draw_contours(labels.index_axis(Axis(0), slice));
            sheet.put(&Pixels::read(&with_contour.body)?, &view, column, 0);
            sheet.put(&expert, &view, column, 1);
        }
    }
    sheet.write()
}

/// The first, the middle and the last slice that holds a label.
fn shown_slices(mask: &Mask) -> [usize; 3] {
    let labels = mask.labels.index_axis(Axis(0), 0);
    let labelled: Vec<usize> = labels
        .axis_iter(Axis(0))
        .enumerate()
        .filter(|(_, slice)| slice.iter().any(|&code| code != 0))
        .map(|(index, _)| index)
        .collect();
    let at = |index: usize| labelled.get(index).copied().unwrap_or(0);
    [
        at(0),
        at(labelled.len() / 2),
        at(labelled.len().saturating_sub(1)),
    ]
}

/// Which part of a slice's picture is shown, so that the heart fills a tile.
struct View {
    /// Width that the whole slice is asked for in, pixels.
    width: usize,
    /// Upper left corner of the part, pixels of that picture.
    left: usize,
    top: usize,
}

impl View {
    fn of(reference: &Reference) -> Self {
        let [ed, es] = &reference.masks;
        let Spacing {
            row_mm, column_mm, ..
        } = ed.geometry.spacing;
        let (mut rows, mut columns) = ((usize::MAX, 0), (usize::MAX, 0));
        for mask in [ed, es] {
            for ((_, _, row, column), &code) in mask.labels.indexed_iter() {
                if code != 0 {
                    rows = (rows.0.min(row), rows.1.max(row));
                    columns = (columns.0.min(column), columns.1.max(column));
                }
            }
        }
        let middle_mm = |(first, last): (usize, usize), step_mm: f64| {
            (first.min(last) + last + 1) as f64 / 2.0 * step_mm
        };
        let extent_mm = |(first, last): (usize, usize), step_mm: f64| {
            (last + 1 - first.min(last)) as f64 * step_mm
        };
        let side_mm = extent_mm(rows, row_mm).max(extent_mm(columns, column_mm)) + 2.0 * MARGIN_MM;
        let pixels_per_mm = TILE as f64 / side_mm;
        let whole_mm = ed.shape().columns as f64 * column_mm;
        // Lengths in pixels of a picture: non-negative and small.
        let pixels = |mm: f64| (mm * pixels_per_mm).round().max(0.0) as usize;
        Self {
            width: pixels(whole_mm).clamp(1, 2048),
            left: pixels(middle_mm(columns, column_mm) - side_mm / 2.0),
            top: pixels(middle_mm(rows, row_mm) - side_mm / 2.0),
        }
    }
}

/// A picture, red, green, blue.
struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

impl Pixels {
    /// Reads a PNG of 8-bit grey or colour.
    fn read(file: &[u8]) -> Result<Self> {
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info()?;
        let mut bytes = vec![0; reader.output_buffer_size().context("a picture too large")?];
        let info = reader.next_frame(&mut bytes)?;
        ensure!(
            info.bit_depth == png::BitDepth::Eight,
            "expected 8 bits, found {:?}",
            info.bit_depth
        );
        let rgb = match info.color_type {
            png::ColorType::Grayscale => bytes.iter().map(|&grey| [grey; 3]).collect(),
            _ => bytes
                .chunks_exact(3)
                .filter_map(|pixel| pixel.try_into().ok())
                .collect(),
        };
        Ok(Self {
            width: usize::try_from(info.width)?,
            height: usize::try_from(info.height)?,
            rgb,
        })
    }

    /// Draws the contours of a slice's labels over the whole picture, labels of the nearest voxel.
    fn draw_contours(&mut self, labels: ArrayView2<'_, u8>) {
        let (rows, columns) = labels.dim();
        let code_at = |x: usize, y: usize| {
            let (row, column) = (
                (2 * y + 1) * rows / (2 * self.height),
                (2 * x + 1) * columns / (2 * self.width),
            );
            labels.get((row, column)).copied().unwrap_or(0)
        };
        let mut drawn = Vec::new();
        for y in 0..self.height {
            for x in 0..self.width {
                let code = code_at(x, y);
                let Some((_, colour)) = COLOURS.iter().find(|(label, _)| label.code() == code)
                else {
                    continue;
                };
                let inner = x > 0
                    && y > 0
                    && x + 1 < self.width
                    && y + 1 < self.height
                    && [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)]
                        .into_iter()
                        .all(|(x, y)| code_at(x, y) == code);
                if !inner {
                    drawn.push((y * self.width + x, *colour));
                }
            }
        }
        for (at, colour) in drawn {
            if let Some(pixel) = self.rgb.get_mut(at) {
                *pixel = colour;
            }
        }
    }
}

/// Tiles beside and below each other, one byte a pixel: greys and the three colours make a palette, which keeps the file small.
struct Sheet {
    columns: usize,
    rows: usize,
    pixels: Vec<u8>,
}

/// Greys of the palette; the colours come after them.
const GREYS: usize = 253;

impl Sheet {
    fn new(columns: usize, rows: usize) -> Self {
        let mut sheet = Self {
            columns,
            rows,
            pixels: Vec::new(),
        };
        // White between the tiles.
        sheet.pixels = vec![252; sheet.width() * sheet.height()];
        sheet
    }

    fn width(&self) -> usize {
        self.columns * (TILE + GAP) - GAP
    }

    fn height(&self) -> usize {
        self.rows * (TILE + GAP) - GAP
    }

    /// Copies the shown part of a picture into a tile; beyond the picture it is black.
    fn put(&mut self, from: &Pixels, view: &View, column: usize, row: usize) {
        let width = self.width();
        for y in 0..TILE {
            for x in 0..TILE {
                let (from_x, from_y) = (view.left + x, view.top + y);
                let pixel = (from_x < from.width)
                    .then(|| from.rgb.get(from_y * from.width + from_x).copied())
                    .flatten()
                    .unwrap_or([0; 3]);
                let at = (row * (TILE + GAP) + y) * width + column * (TILE + GAP) + x;
                if let Some(slot) = self.pixels.get_mut(at) {
                    *slot = index_of(pixel);
                }
            }
        }
    }

    fn write(&self) -> Result<Vec<u8>> {
        let mut palette: Vec<u8> = (0..GREYS).flat_map(|index| [grey_of(index); 3]).collect();
        palette.extend(COLOURS.iter().flat_map(|(_, colour)| *colour));
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(
            &mut file,
            u32::try_from(self.width())?,
            u32::try_from(self.height())?,
        );
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

/// Grey of a palette's place, black to white.
fn grey_of(index: usize) -> u8 {
    u8::try_from((index * 255 + (GREYS - 1) / 2) / (GREYS - 1)).unwrap_or(u8::MAX)
}

/// Place of a pixel in the palette.
fn index_of(pixel: [u8; 3]) -> u8 {
    let place = match COLOURS.iter().position(|(_, colour)| *colour == pixel) {
        Some(colour) => GREYS + colour,
        None => (usize::from(pixel[1]) * (GREYS - 1) + 127) / 255,
    };
    u8::try_from(place).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cinecor_volume::Geometry;
    use ndarray::{Array2, Array4};

    fn mask() -> Mask {
        // A cavity of 4 × 4 voxels in slices 1 and 3 of five; pixels of 2 mm.
        let mut labels = Array4::zeros((1, 5, 60, 80));
        for slice in [1, 3] {
            labels
                .slice_mut(ndarray::s![0, slice, 20..24, 30..34])
                .fill(3);
        }
        Mask {
            labels,
            geometry: Geometry::axis_aligned(Spacing::new(2.0, 2.0, 8.0).unwrap(), None),
        }
    }

    #[test]
    fn the_heart_fills_the_tile_with_its_margin() {
        let view = View::of(&Reference {
            masks: [mask(), mask()],
        });
        // 8 mm and twice 18: 44 mm are 132 pixels, 3 a mm. The slice is 160 mm wide; the heart's middle is at 64, 44 mm.
        assert_eq!(
            (view.width, view.left, view.top),
            (480, 3 * (64 - 22), 3 * (44 - 22))
        );
        assert_eq!(shown_slices(&mask()), [1, 3, 3]);
    }

    #[test]
    fn a_contour_is_the_outermost_pixels_of_a_label() {
        let mut labels = Array2::zeros((6, 6));
        labels.slice_mut(ndarray::s![1..5, 1..5]).fill(3);
        let mut pixels = Pixels {
            width: 6,
            height: 6,
            rgb: vec![[9; 3]; 36],
        };
        pixels.draw_contours(labels.view());
        // 16 pixels of which 2 × 2 lie inside.
        let drawn = pixels
            .rgb
            .iter()
            .filter(|pixel| **pixel == [0xd5, 0x5e, 0x00])
            .count();
        assert_eq!(drawn, 12);
        assert_eq!(
            pixels.rgb.iter().filter(|pixel| **pixel == [9; 3]).count(),
            24
        );
    }

    #[test]
    fn a_sheet_is_a_picture_whose_colours_come_back() {
        let view = View {
            width: TILE,
            left: 0,
            top: 0,
        };
        let mut sheet = Sheet::new(2, 1);
        let colour = [0x56, 0xb4, 0xe9];
        let pixels = Pixels {
            width: TILE,
            height: TILE,
            rgb: vec![colour; TILE * TILE],
        };
        sheet.put(&pixels, &view, 1, 0);
        let file = sheet.write().unwrap();
        let mut decoder = png::Decoder::new(Cursor::new(&file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(
            (info.width as usize, info.height as usize),
            (2 * TILE + GAP, TILE)
        );
        assert_eq!(bytes[..3], [255; 3]);
        assert_eq!(bytes[bytes.len() - 3..], colour);
    }
}
