//! Volumes written as DICOM, the way scanners do: one file an image, or one enhanced file. Explicit VR Little Endian, without compression.
//! For fixtures: every attribute can be replaced or taken away, to make what goes wrong in the world.

use std::collections::BTreeMap;

/// Group and element.
pub type Tag = (u16, u16);

/// A data set, or an item of a sequence.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    elements: BTreeMap<Tag, (&'static str, Vec<u8>)>,
}

impl DataSet {
    /// Without elements.
    pub fn new() -> DataSet {
        DataSet::default()
    }

    /// With an attribute of text; `vr` is its value representation.
    #[must_use]
    pub fn text(self, tag: Tag, vr: &'static str, value: &str) -> DataSet {
        let mut bytes = value.as_bytes().to_vec();
        // Identifiers are filled up with a zero, all else with a space (PS3.5, 6.2).
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == "UI" { 0 } else { b' ' });
        }
        self.bytes(tag, vr, bytes)
    }

    /// With an attribute of decimal numbers.
    #[must_use]
    pub fn decimals(self, tag: Tag, values: &[f64]) -> DataSet {
        let texts: Vec<String> = values.iter().map(|value| format!("{value:.9}")).collect();
        self.text(tag, "DS", &texts.join("\\"))
    }

    /// With an attribute of one short number.
    #[must_use]
    pub fn short(self, tag: Tag, value: u16) -> DataSet {
        self.bytes(tag, "US", value.to_le_bytes().to_vec())
    }

    /// With an attribute of one double.
    #[must_use]
    pub fn double(self, tag: Tag, value: f64) -> DataSet {
        self.bytes(tag, "FD", value.to_le_bytes().to_vec())
    }

    /// With a sequence.
    #[must_use]
    pub fn sequence(self, tag: Tag, items: &[DataSet]) -> DataSet {
        let mut bytes = Vec::new();
        for item in items {
            let content = item.written();
            bytes.extend([0xfe, 0xff, 0x00, 0xe0]);
            bytes.extend((content.len() as u32).to_le_bytes());
            bytes.extend(content);
        }
        self.bytes(tag, "SQ", bytes)
    }

    /// With an attribute of these bytes.
    #[must_use]
    pub fn bytes(mut self, tag: Tag, vr: &'static str, bytes: Vec<u8>) -> DataSet {
        self.elements.insert(tag, (vr, bytes));
        self
    }

    /// Without an attribute.
    #[must_use]
    pub fn without(mut self, tag: Tag) -> DataSet {
        self.elements.remove(&tag);
        self
    }

    fn written(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for ((group, element), (vr, value)) in &self.elements {
            bytes.extend(group.to_le_bytes());
            bytes.extend(element.to_le_bytes());
            bytes.extend(vr.as_bytes());
            if ["OB", "OW", "SQ", "UN", "UT"].contains(vr) {
                bytes.extend([0, 0]);
                bytes.extend((value.len() as u32).to_le_bytes());
            } else {
                bytes.extend((value.len() as u16).to_le_bytes());
            }
            bytes.extend(value);
        }
        bytes
    }

    /// The file: preamble, mark, transfer syntax, data set.
    pub fn file(&self) -> Vec<u8> {
        let meta = DataSet::new().text((2, 0x10), "UI", "1.2.840.10008.1.2.1");
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        file.extend(meta.written());
        file.extend(self.written());
        file
    }
}

/// Where a stack of slices lies and how it beats.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Frames of each slice.
    pub frames: usize,
    /// Slices, from base to apex.
    pub slices: usize,
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// From row to row and from column to column, mm.
    pub spacing_mm: [f64; 2],
    /// From column to column, and from row to row, in patient coordinates; unit vectors at right angles.
    pub directions: [[f64; 3]; 2],
    /// Centre of the first voxel, mm.
    pub origin_mm: [f64; 3],
    /// From slice to slice, mm.
    pub step_mm: f64,
    /// From R wave to R wave.
    pub rr_ms: f64,
    /// At the end of identifiers of series and instances, so that stacks differ.
    pub series: u32,
}

impl Stack {
    /// A short axis: 0.6 to the left, 0.64 to the front and 0.48 down is where its slices go.
    pub fn short_axis(frames: usize, slices: usize, rows: usize, columns: usize) -> Stack {
        Stack {
            frames,
            slices,
            rows,
            columns,
            spacing_mm: [1.5, 1.25],
            // Their cross product is (-0.6, 0.64, 0.48) exactly.
            directions: [[0.8, 0.48, 0.36], [0.0, 0.6, -0.8]],
            origin_mm: [-90.0, -150.0, 120.0],
            step_mm: 8.0,
            rr_ms: 800.0,
            series: 1,
        }
    }

    /// Perpendicular to the slices: from column to column x from row to row, turned so that it points as the slices go.
    fn normal(&self) -> [f64; 3] {
        let [[a0, a1, a2], [b0, b1, b2]] = self.directions;
        let cross = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0];
        // From the left front below to the right back above is the way from apex to base.
        let down = cross[0] - cross[1] - cross[2];
        cross.map(|value| if down < 0.0 { -value } else { value })
    }

    /// Centre of the first voxel of a slice.
    pub fn position_mm(&self, slice: usize) -> [f64; 3] {
        let normal = self.normal();
        std::array::from_fn(|axis| {
            self.origin_mm[axis] + normal[axis] * self.step_mm * slice as f64
        })
    }

    /// When a frame was taken after the R wave.
    pub fn trigger_ms(&self, frame: usize) -> f64 {
        (frame as f64 + 0.5) * self.rr_ms / self.frames as f64
    }

    /// What all images of the stack say.
    fn common(&self) -> DataSet {
        DataSet::new()
            .text((0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4")
            .text((0x08, 0x60), "CS", "MR")
            .text((0x08, 0x70), "LO", "Cinecor phantom")
            .text((0x10, 0x20), "LO", "phantom")
            .text((0x18, 0x1062), "IS", &format!("{:.0}", self.rr_ms))
            .text((0x20, 0x0d), "UI", "2.25.1")
            .text((0x20, 0x0e), "UI", &format!("2.25.1.{}", self.series))
            .decimals((0x18, 0x50), &[self.step_mm])
            .decimals((0x20, 0x37), self.directions.as_flattened())
            .decimals((0x28, 0x30), &self.spacing_mm)
            .short((0x28, 0x02), 1)
            .text((0x28, 0x04), "CS", "MONOCHROME2")
            .short((0x28, 0x10), self.rows as u16)
            .short((0x28, 0x11), self.columns as u16)
            .short((0x28, 0x100), 16)
            .short((0x28, 0x101), 12)
            .short((0x28, 0x102), 11)
            .short((0x28, 0x103), 0)
    }

    /// One image of `pixels`, row by row.
    pub fn image(&self, frame: usize, slice: usize, pixels: &[u16]) -> DataSet {
        let instance = format!("2.25.1.{}.{slice}.{frame}", self.series);
        self.common()
            .text((0x08, 0x18), "UI", &instance)
            .decimals((0x20, 0x32), &self.position_mm(slice))
            .decimals((0x18, 0x1060), &[self.trigger_ms(frame)])
            .bytes((0x7fe0, 0x10), "OW", words(pixels))
    }

    /// Every image, frame by frame and slice by slice; `pixels` gives those of a frame and slice.
    pub fn images(&self, pixels: impl Fn(usize, usize) -> Vec<u16>) -> Vec<DataSet> {
        let places =
            (0..self.frames).flat_map(|frame| (0..self.slices).map(move |slice| (frame, slice)));
        places
            .map(|(frame, slice)| self.image(frame, slice, &pixels(frame, slice)))
            .collect()
    }

    /// All of it as one enhanced file: what all images share in the shared groups, place and time in the groups of each. Its images come
    /// slice by slice and not frame by frame.
    pub fn enhanced(&self, pixels: impl Fn(usize, usize) -> Vec<u16>) -> DataSet {
        let mut groups = Vec::new();
        let mut all = Vec::new();
        for slice in 0..self.slices {
            for frame in 0..self.frames {
                let position = DataSet::new().decimals((0x20, 0x32), &self.position_mm(slice));
                let time = DataSet::new().double((0x20, 0x9153), self.trigger_ms(frame));
                groups.push(
                    DataSet::new()
                        .sequence((0x20, 0x9113), &[position])
                        .sequence((0x18, 0x9118), &[time]),
                );
                all.extend(words(&pixels(frame, slice)));
            }
        }
        let orientation = DataSet::new().decimals((0x20, 0x37), self.directions.as_flattened());
        let measures = DataSet::new()
            .decimals((0x28, 0x30), &self.spacing_mm)
            .decimals((0x18, 0x50), &[self.step_mm]);
        let shared = DataSet::new()
            .sequence((0x20, 0x9116), &[orientation])
            .sequence((0x28, 0x9110), &[measures]);
        self.common()
            .without((0x20, 0x37))
            .without((0x28, 0x30))
            .without((0x18, 0x50))
            .text((0x08, 0x16), "UI", "1.2.840.10008.5.1.4.1.1.4.1")
            .text((0x08, 0x18), "UI", &format!("2.25.1.{}.0", self.series))
            .text((0x28, 0x08), "IS", &groups.len().to_string())
            .sequence((0x5200, 0x9229), &[shared])
            .sequence((0x5200, 0x9230), &groups)
            .bytes((0x7fe0, 0x10), "OW", all)
    }
}

fn words(pixels: &[u16]) -> Vec<u8> {
    pixels
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
