//! One slice, with or without the outline of its labels, to PNG. No HTTP, no volume, no colour map of the page.
//!
//! Grid. Pixel (c, r) shows voxel x = c, y = r: nothing is flipped or turned. At the default width, which is the number of
//! columns, every column of voxels is one column of pixels; rows are as high as the physical aspect asks, so that a circle in
//! the body is a circle in the picture: `height = round(rows * row_mm / column_mm * width / columns)`, at least 1. With square
//! voxels that is one pixel a voxel. Otherwise grey values are interpolated linearly between voxel centres, in either
//! direction, and labels are those of the nearest voxel.
//!
//! Grey. A [`Window`] maps `center - width / 2` to black and `center + width / 2` to white; without one it is
//! [`Window::of`] the slice. The same slice gives the same bytes.
//!
//! ```
//! use cinecor_render::{Overlay, Picture, Style, render};
//! use cinecor_volume::Spacing;
//! use ndarray::Array2;
//!
//! let slice = Array2::from_shape_fn((4, 6), |(row, column)| (row * column) as f32);
//! let mut labels = Array2::zeros((4, 6));
//! labels[[1, 2]] = 3;
//! let spacing = Spacing::new(1.5, 1.5, 8.0)?;
//! let overlay = Overlay::new(labels.view(), Style::Contour);
//! let png = render(slice.view(), &spacing, &Picture::default(), Some(&overlay))?;
//! assert_eq!(&png[1..4], b"PNG");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use cinecor_volume::{Frame, Label, Spacing};
use ndarray::ArrayView2;

/// The largest width and height of a picture in pixels: eight times the usual matrix.
pub const MAX_PIXELS: u32 = 2048;

/// How much of a filled label hides the grey below it, unless said otherwise.
pub const FILL_OPACITY: f32 = 0.4;

/// How much of a contour hides the grey below it, unless said otherwise.
pub const CONTOUR_OPACITY: f32 = 1.0;

/// Of a slice without a window, this part of its voxels is black, and as much is white. A bright vessel or a coil's hot spot
/// covers about one voxel in a hundred.
const CLIPPED: f64 = 0.01;

/// The colour of a structure, red, green, blue: from the palette of Okabe and Ito (2008), which people with any of the usual
/// colour blindnesses tell apart. `None` for the background.
pub fn colour(label: Label) -> Option<[u8; 3]> {
    match label {
        Label::Background => None,
        Label::RightVentricle => Some([0x56, 0xb4, 0xe9]),
        Label::Myocardium => Some([0xe6, 0x9f, 0x00]),
        Label::LeftVentricle => Some([0xd5, 0x5e, 0x00]),
    }
}

/// Under which keyword a picture with labels tells the verdict on them (PNG, 11.3.3.2 tEXt).
pub const VERDICT_KEYWORD: &str = "Cinecor-Verdict";

/// Colour of the mark for review: the yellow of the same palette, which no structure has.
const REVIEW_COLOUR: [u8; 3] = [0xf0, 0xe4, 0x42];
/// Colour of the mark for reject: its reddish purple.
const REJECT_COLOUR: [u8; 3] = [0xcc, 0x79, 0xa7];

/// The verdict on labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may be trusted.
    Pass,
    /// A person has to look at them.
    Review,
    /// They are not to be used.
    Reject,
}

impl Verdict {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Review => "review",
            Verdict::Reject => "reject",
        }
    }

    /// The verdict of this name.
    pub fn from_name(name: &str) -> Option<Verdict> {
        [Verdict::Pass, Verdict::Review, Verdict::Reject]
            .into_iter()
            .find(|verdict| verdict.name() == name)
    }
}

/// Why a picture cannot be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A slice without a voxel.
    #[error("the slice has {rows} rows and {columns} columns, expected at least one of each")]
    Empty {
        /// Rows of the slice.
        rows: usize,
        /// Columns of the slice.
        columns: usize,
    },
    /// A width that is zero or beyond the limit, or one that makes the height so.
    #[error(
        "a picture of {width} x {height} pixels was asked for, expected 1 to {MAX_PIXELS} each; ask for another width"
    )]
    BadSize {
        /// Width asked for.
        width: u64,
        /// Height that the aspect gives.
        height: u64,
    },
    /// A window that is none.
    #[error(
        "the window has center {center} and width {width}, expected finite numbers and a width above 0"
    )]
    BadWindow {
        /// Center asked for.
        center: f32,
        /// Width asked for.
        width: f32,
    },
    /// An opacity that is none.
    #[error("the opacity is {found}, expected a number from 0 to 1")]
    BadOpacity {
        /// What was found.
        found: f32,
    },
    /// Labels of another slice.
    #[error(
        "the labels have {found_rows} rows and {found_columns} columns, expected the {rows} x {columns} of the slice"
    )]
    WrongGrid {
        /// Rows of the labels.
        found_rows: usize,
        /// Columns of the labels.
        found_columns: usize,
        /// Rows of the slice.
        rows: usize,
        /// Columns of the slice.
        columns: usize,
    },
    /// The PNG writer gave up, which it has no reason to when it writes into memory.
    #[error("the picture cannot be written as PNG ({reason}); ask for a smaller width")]
    Png {
        /// What it said.
        reason: String,
    },
}

/// The grey values from black to white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    center: f32,
    width: f32,
}

impl Window {
    /// A window with a finite center and a finite width above 0.
    ///
    /// # Errors
    /// [`RenderError::BadWindow`].
    pub fn new(center: f32, width: f32) -> Result<Window, RenderError> {
        if center.is_finite() && width.is_finite() && width > 0.0 {
            Ok(Window { center, width })
        } else {
            Err(RenderError::BadWindow { center, width })
        }
    }

    /// The window of a whole frame, from every nth of its voxels: percentiles of so many are those of all, and sorting all would take longer than
    /// drawing.
    pub fn of_frame(frame: &Frame) -> Window {
        const VOXELS: usize = 1 << 16;
        // Odd, so that it does not run along a column of an image whose width is a power of two.
        let step = (frame.len() / VOXELS) | 1;
        Window::of(frame.iter().step_by(step))
    }

    /// The window from the 1st to the 99th percentile of these values (nearest rank; values that are no numbers left out).
    /// Values that are all the same are shown mid-grey.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a f32>) -> Window {
        let mut values: Vec<f32> = values
            .into_iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect();
        let Some(last) = values.len().checked_sub(1) else {
            return Window {
                center: 0.0,
                width: 1.0,
            };
        };
        // A part of a length is below it: the casts neither wrap nor lose anything that matters.
        let low_rank = (last as f64 * CLIPPED).floor() as usize;
        let high_rank = last - low_rank;
        let (_, low, above) = values.select_nth_unstable_by(low_rank, f32::total_cmp);
        let low = *low;
        let high = match (high_rank - low_rank).checked_sub(1) {
            Some(rank) if rank < above.len() => {
                *above.select_nth_unstable_by(rank, f32::total_cmp).1
            }
            _ => low,
        };
        // Halves first: the sum and the difference of two finite numbers need not be finite.
        let width = 2.0 * (high / 2.0 - low / 2.0);
        let width = if width.is_finite() && width > 0.0 {
            width
        } else {
            1.0
        };
        Window {
            center: low / 2.0 + high / 2.0,
            width,
        }
    }

    /// The grey value in the middle.
    pub fn center(&self) -> f32 {
        self.center
    }

    /// The distance from black to white.
    pub fn width(&self) -> f32 {
        self.width
    }

    fn black(&self) -> f32 {
        self.center - self.width / 2.0
    }
}

/// How labels are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Every pixel of a label.
    Fill,
    /// The outermost pixels of a label: those with a neighbour above, below, left or right that is not of it. One pixel wide
    /// at the size of the picture, inside the label.
    Contour,
}

/// Labels over a slice.
#[derive(Clone, Debug)]
pub struct Overlay<'a> {
    labels: ArrayView2<'a, u8>,
    style: Style,
    opacity: f32,
    shown: [bool; 4],
    verdict: Option<Verdict>,
    marked: bool,
}

impl<'a> Overlay<'a> {
    /// All structures with the style's usual opacity. `labels` holds label codes on the slice's grid, shape `[Y, X]`; codes
    /// without a meaning are not drawn.
    pub fn new(labels: ArrayView2<'a, u8>, style: Style) -> Overlay<'a> {
        let opacity = match style {
            Style::Fill => FILL_OPACITY,
            Style::Contour => CONTOUR_OPACITY,
        };
        Overlay {
            labels,
            style,
            opacity,
            shown: [true; 4],
            verdict: None,
            marked: false,
        }
    }

    /// With the verdict on the labels: the file tells it in a text chunk [`VERDICT_KEYWORD`], and where it is `marked` and not pass the
    /// picture shows it in its upper left corner, on a black square of a sixteenth of its shorter side, 7 to 24 pixels: a triangle for
    /// review, a cross for reject.
    pub fn with_verdict(self, verdict: Verdict, marked: bool) -> Overlay<'a> {
        Overlay {
            verdict: Some(verdict),
            marked,
            ..self
        }
    }

    /// With another opacity, 0 to 1.
    ///
    /// # Errors
    /// [`RenderError::BadOpacity`].
    pub fn with_opacity(self, opacity: f32) -> Result<Overlay<'a>, RenderError> {
        match (0.0..=1.0).contains(&opacity) {
            true => Ok(Overlay { opacity, ..self }),
            false => Err(RenderError::BadOpacity { found: opacity }),
        }
    }

    /// With these structures only.
    pub fn with_labels(self, labels: &[Label]) -> Overlay<'a> {
        let mut shown = [false; 4];
        for (slot, label) in shown.iter_mut().zip(Label::ALL) {
            *slot = labels.contains(&label);
        }
        Overlay { shown, ..self }
    }

    /// The colour of a code, when it is drawn.
    fn colour(&self, code: u8) -> Option<[u8; 3]> {
        let shown = self.shown.get(usize::from(code)).copied().unwrap_or(false);
        if shown {
            Label::from_code(code).and_then(colour)
        } else {
            None
        }
    }
}

/// How a slice is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Picture {
    /// Grey window; `None` is [`Window::of`] the slice.
    pub window: Option<Window>,
    /// Width in pixels; `None` is the number of columns.
    pub width: Option<u32>,
}

/// Draws a slice, shape `[Y, X]`, as PNG: 8-bit grey, or 8-bit RGB with an overlay.
///
/// # Errors
/// Every [`RenderError`].
pub fn render(
    slice: ArrayView2<'_, f32>,
    spacing: &Spacing,
    picture: &Picture,
    overlay: Option<&Overlay<'_>>,
) -> Result<Vec<u8>, RenderError> {
    let (rows, columns) = slice.dim();
    if rows == 0 || columns == 0 {
        return Err(RenderError::Empty { rows, columns });
    }
    let (width, height) = size(rows, columns, spacing, picture.width)?;
    let window = picture.window.unwrap_or_else(|| Window::of(slice));
    let across = Steps::new(columns, width);
    let down = Steps::new(rows, height);
    let grey = grey(slice, &window, &across, &down);
    let Some(overlay) = overlay else {
        return write(&grey, &across, &down, png::ColorType::Grayscale, None);
    };
    if overlay.labels.dim() != (rows, columns) {
        let (found_rows, found_columns) = overlay.labels.dim();
        return Err(RenderError::WrongGrid {
            found_rows,
            found_columns,
            rows,
            columns,
        });
    }
    let mut rgb = paint(&grey, overlay, &across, &down);
    if let (Some(verdict), true) = (overlay.verdict, overlay.marked) {
        mark(&mut rgb, across.pixels as usize, verdict);
    }
    let kind = png::ColorType::Rgb;
    write(&rgb, &across, &down, kind, overlay.verdict)
}

/// Width and height in pixels.
fn size(
    rows: usize,
    columns: usize,
    spacing: &Spacing,
    width: Option<u32>,
) -> Result<(u32, u32), RenderError> {
    let width = width.map_or(columns as u64, u64::from);
    let height =
        rows as f64 * (spacing.row_mm / spacing.column_mm) * (width as f64 / columns as f64);
    // A float cast saturates, so that a height beyond every limit stays beyond it.
    let height = height.round().max(1.0) as u64;
    let inside = |pixels: u64| {
        u32::try_from(pixels)
            .ok()
            .filter(|pixels| (1..=MAX_PIXELS).contains(pixels))
    };
    match (inside(width), inside(height)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(RenderError::BadSize { width, height }),
    }
}

/// Which voxels each pixel along one axis shows.
struct Steps {
    pixels: u32,
    /// Pixel by pixel: the voxel before, the voxel after, and how much of the latter.
    between: Vec<(usize, usize, f32)>,
    /// Pixel by pixel: the nearest voxel.
    nearest: Vec<usize>,
    /// Whether each pixel is one voxel.
    native: bool,
}

impl Steps {
    fn new(voxels: usize, pixels: u32) -> Steps {
        let last = voxels - 1;
        let step = voxels as f64 / f64::from(pixels);
        let mut between = Vec::with_capacity(pixels as usize);
        let mut nearest = Vec::with_capacity(pixels as usize);
        for pixel in 0..pixels {
            // The centre of the pixel, where voxel centres have whole numbers.
            let place = ((f64::from(pixel) + 0.5) * step - 0.5).clamp(0.0, last as f64);
            let before = (place.floor() as usize).min(last);
            between.push((
                before,
                (before + 1).min(last),
                (place - before as f64) as f32,
            ));
            nearest.push((((f64::from(pixel) + 0.5) * step) as usize).min(last));
        }
        Steps {
            pixels,
            between,
            nearest,
            native: u32::try_from(voxels) == Ok(pixels),
        }
    }
}

/// The slice in 8-bit grey at the size of the picture, row by row.
fn grey(slice: ArrayView2<'_, f32>, window: &Window, across: &Steps, down: &Steps) -> Vec<u8> {
    let black = window.black();
    let scale = 255.0 / window.width;
    // A float cast saturates and makes NaN 0. By way of 32 bits, which processors have instructions for, four values at a time.
    let shade = |value: f32| (((value - black) * scale + 0.5) as i32).clamp(0, 255) as u8;
    if across.native && down.native {
        return match slice.to_slice() {
            // Values that lie one behind the other are not pushed one by one, which takes longer than shading them.
            Some(values) => values.iter().copied().map(shade).collect(),
            None => slice.iter().copied().map(shade).collect(),
        };
    }
    let mut grey = Vec::with_capacity(across.pixels as usize * down.pixels as usize);
    let mut line = vec![0.0f32; slice.ncols()];
    for &(before, after, part) in &down.between {
        for ((mixed, above), below) in line.iter_mut().zip(slice.row(before)).zip(slice.row(after))
        {
            *mixed = above + (below - above) * part;
        }
        let at = |column: usize| line.get(column).copied().unwrap_or(0.0);
        grey.extend(
            across
                .between
                .iter()
                .map(|&(left, right, part)| shade(at(left) + (at(right) - at(left)) * part)),
        );
    }
    grey
}

/// Grey with labels over it, as RGB.
fn paint(grey: &[u8], overlay: &Overlay<'_>, across: &Steps, down: &Steps) -> Vec<u8> {
    let width = across.pixels as usize;
    let mut codes = Vec::with_capacity(grey.len());
    for &row in &down.nearest {
        let row = overlay.labels.row(row);
        codes.extend(
            across
                .nearest
                .iter()
                .map(|&column| row.get(column).copied().unwrap_or(0)),
        );
    }
    let part = (overlay.opacity * 256.0).round() as u16;
    let mix = |grey: u8, colour: u8| {
        let mixed = u16::from(grey) * (256 - part) + u16::from(colour) * part + 128;
        u8::try_from(mixed >> 8).unwrap_or(u8::MAX)
    };
    let mut rgb = Vec::with_capacity(grey.len() * 3);
    for (index, (&grey, &code)) in grey.iter().zip(&codes).enumerate() {
        let drawn = match overlay.colour(code) {
            Some(colour) if overlay.style == Style::Fill || is_edge(&codes, index, width, code) => {
                Some(colour)
            }
            _ => None,
        };
        rgb.extend(drawn.map_or([grey; 3], |colour| colour.map(|channel| mix(grey, channel))));
    }
    rgb
}

/// Draws the mark of a verdict over the upper left corner of an RGB picture. A picture smaller than the mark shows what fits.
fn mark(rgb: &mut [u8], width: usize, verdict: Verdict) {
    let colour = match verdict {
        Verdict::Pass => return,
        Verdict::Review => REVIEW_COLOUR,
        Verdict::Reject => REJECT_COLOUR,
    };
    let Some(height) = (rgb.len() / 3).checked_div(width) else {
        return;
    };
    // Odd, so that it has a middle column.
    let side = (width.min(height) / 16).clamp(7, 24) | 1;
    for row in 0..side.min(height) {
        for column in 0..side.min(width) {
            let pixel = match is_drawn(verdict, row, column, side) {
                true => colour,
                false => [0; 3],
            };
            let at = 3 * (row * width + column);
            if let Some(target) = rgb.get_mut(at..at + 3) {
                target.copy_from_slice(&pixel);
            }
        }
    }
}

/// Whether a pixel of the mark's square is of the figure in it, which leaves one pixel free all around.
fn is_drawn(verdict: Verdict, row: usize, column: usize, side: usize) -> bool {
    if row == 0 || column == 0 || row + 1 == side || column + 1 == side {
        return false;
    }
    match verdict {
        Verdict::Pass => false,
        // Twice as high as half of its base is wide, with its base below.
        Verdict::Review => 2 * column.abs_diff(side / 2) < row,
        Verdict::Reject => {
            let falling = row.abs_diff(column);
            let rising = (row + column).abs_diff(side - 1);
            falling.min(rising) <= side / 12
        }
    }
}

/// Whether a pixel of `code` has a neighbour of another; beyond the picture's border everything is another.
fn is_edge(codes: &[u8], index: usize, width: usize, code: u8) -> bool {
    let column = index % width;
    let same = |neighbour: Option<usize>| neighbour.and_then(|at| codes.get(at)) == Some(&code);
    let left = column > 0 && same(index.checked_sub(1));
    let right = column + 1 < width && same(index.checked_add(1));
    !(left && right && same(index.checked_sub(width)) && same(index.checked_add(width)))
}

fn write(
    pixels: &[u8],
    across: &Steps,
    down: &Steps,
    colour: png::ColorType,
    verdict: Option<Verdict>,
) -> Result<Vec<u8>, RenderError> {
    let mut file = Vec::with_capacity(pixels.len() / 2 + 1024);
    let failed = |error: png::EncodingError| RenderError::Png {
        reason: error.to_string(),
    };
    let mut encoder = png::Encoder::new(&mut file, across.pixels, down.pixels);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    // MR noise hardly compresses: the fast deflate with one fixed filter costs a tenth of the default and a few percent of size.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Up);
    if let Some(verdict) = verdict {
        encoder
            .add_text_chunk(VERDICT_KEYWORD.to_owned(), verdict.name().to_owned())
            .map_err(failed)?;
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}
