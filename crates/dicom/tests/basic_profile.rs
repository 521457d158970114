//! PS3.15, annex E, element by element: files that bear every attribute which the basic profile has removed, emptied or replaced, as far as
//! it can stand in an image of an examination. The list is that of table E.1-1 (edition 2024b) without the groups of radiotherapy,
//! cameras, measurements, hanging protocols and annotations; names and value representations are those of pydicom 3.0.2's dictionary.

use bytes::Bytes;
use cinecor_dicom::{Candidate, Limits, Study};
use cinecor_phantom::dicom::{DataSet, Stack};

/// One attribute a line: group, element, value representation, keyword.
const PROFILE: &str = include_str!("data/basic_profile.csv");

/// What stands in texts; dates, times, ages, numbers and identifiers have words of their own form.
const WORD: &str = "ZZYXW";

/// The profile's option to retain patient characteristics.
const CHARACTERISTICS: [&str; 4] = ["PatientSex", "PatientAge", "PatientSize", "PatientWeight"];

/// What the stack writes itself, so that images are of one series and not one object.
const OF_THE_STACK: [&str; 3] = ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"];

struct Attribute {
    tag: (u16, u16),
    vr: &'static str,
    keyword: &'static str,
}

impl Attribute {
    fn shown(&self) -> String {
        format!("({:04x},{:04x})", self.tag.0, self.tag.1)
    }

    /// The data set with this attribute.
    fn put(&self, data: DataSet) -> DataSet {
        let Attribute { tag, vr, keyword } = *self;
        match vr {
            _ if OF_THE_STACK.contains(&keyword) => data,
            "SQ" => {
                let item = DataSet::new().text((0x10, 0x10), "PN", WORD);
                data.sequence(tag, &[item])
            }
            "US" => data.short(tag, 0x5a5a),
            "OB" | "OW" | "UN" => data.bytes(tag, vr, format!("{WORD}!").into_bytes()),
            _ => data.text(tag, vr, &self.value()),
        }
    }

    fn value(&self) -> String {
        let value = match (self.vr, self.keyword) {
            ("CS", "PatientSex") => "F",
            ("AS", _) => "061Y",
            ("DS", "PatientSize") => "1.68",
            ("DS", _) => "71.5",
            ("DA", _) => "19331122",
            ("TM", _) => "113355.998877",
            ("DT", _) => "19331122113355",
            ("UI", _) => "2.25.998877665544",
            _ => WORD,
        };
        value.to_owned()
    }
}

fn profile() -> Vec<Attribute> {
    // The first line names the columns.
    let lines = PROFILE.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let [group, element, vr, keyword] = fields[..] else {
            panic!("four fields: {line}");
        };
        let number = |text| u16::from_str_radix(text, 16).expect("a hexadecimal number");
        Attribute {
            tag: (number(group), number(element)),
            vr,
            keyword,
        }
    });
    // Of repeating groups and private ones there is no list: one of each kind.
    let further = [
        (0x5000, 0x2500, "LO", "CurveLabel"),
        (0x5000, 0x3000, "OW", "CurveData"),
        (0x501e, 0x3000, "OW", "CurveData"),
        (0x6000, 0x3000, "OW", "OverlayData"),
        (0x6000, 0x4000, "LT", "OverlayComments"),
        (0x601e, 0x3000, "OW", "OverlayData"),
        (0x0009, 0x0010, "LO", "PrivateCreator"),
        (0x0009, 0x1027, "UN", "private"),
        (0x0029, 0x1010, "OB", "private"),
        (0x7fe1, 0x1001, "LO", "private"),
    ];
    let further = further
        .into_iter()
        .map(|(group, element, vr, keyword)| Attribute {
            tag: (group, element),
            vr,
            keyword,
        });
    lines.chain(further).collect()
}

/// A short axis of which every image bears all of it.
fn study() -> Study {
    let images = Stack::short_axis(2, 3, 3, 5).images(|frame, slice| {
        let first = 1000 + 200 * frame + 40 * slice;
        (0..15).map(|at| (first + at) as u16).collect()
    });
    let limits = Limits::default();
    let candidates = images.into_iter().map(|image| {
        let image = profile()
            .iter()
            .fold(image, |image, attribute| attribute.put(image));
        Candidate::read(Bytes::from(image.file()), &limits)
    });
    Study::find(candidates.collect(), 0, &limits).expect("a study")
}

#[test]
fn every_attribute_of_the_basic_profile_is_listed_as_removed() {
    let study = study();
    let removed: Vec<String> = study
        .removed()
        .tags
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut profile = profile();
    profile.retain(|attribute| !CHARACTERISTICS.contains(&attribute.keyword));
    // What stands behind the pixels is not read, and so neither kept nor listed.
    profile.retain(|attribute| attribute.tag.0 < 0x7fe0);
    assert!(profile.len() > 390, "{}", profile.len());
    for attribute in &profile {
        assert!(
            removed.contains(&attribute.shown()),
            "{} {} is not listed",
            attribute.shown(),
            attribute.keyword
        );
    }
    assert_eq!(study.removed().further, 0);
}

#[test]
fn nothing_of_the_values_is_in_what_a_study_gives() {
    let mut study = study();
    let facts = study.facts();
    assert_eq!(
        (facts.height_cm, facts.weight_kg, facts.age_years),
        (Some(168.0), Some(71.5), Some(61.0))
    );
    let frames: Vec<String> = (0..2)
        .map(|frame| format!("{:?}", study.frame(frame).expect("a frame")))
        .collect();
    let told = format!(
        "{study:?} {:?} {:?} {:?} {:?} {frames:?}",
        study.header(),
        study.removed(),
        study.facts(),
        study.equipment(),
    );
    for word in [WORD, "19331122", "113355", "998877"] {
        assert!(!told.contains(word), "{word} is told");
    }
    // Sizes and warnings are told, so that the words are looked for in something.
    assert!(told.contains("Cinecor phantom"), "{told}");
}
