//! What the header tells about the subject and the scanner, as far as measuring needs it. Whether a number can be true of a human is
//! decided by whoever takes it; here it is only read.

use crate::header::{
    CARDIAC_SYNCHRONIZATION, FRAME_GROUPS, HEART_RATE, NOMINAL_INTERVAL, RR_NOMINAL, SHARED_GROUPS,
    SOP_CLASS,
};
use crate::item::Item;
use crate::series::median;
use crate::tag::Tag;

pub(crate) const STUDY_DATE: Tag = Tag(0x0008, 0x0020);
pub(crate) const MODALITY: Tag = Tag(0x0008, 0x0060);
pub(crate) const MANUFACTURER: Tag = Tag(0x0008, 0x0070);
pub(crate) const BIRTH_DATE: Tag = Tag(0x0010, 0x0030);
pub(crate) const SEX: Tag = Tag(0x0010, 0x0040);
pub(crate) const AGE: Tag = Tag(0x0010, 0x1010);
pub(crate) const SIZE: Tag = Tag(0x0010, 0x1020);
pub(crate) const WEIGHT: Tag = Tag(0x0010, 0x1030);
pub(crate) const FIELD_STRENGTH: Tag = Tag(0x0018, 0x0087);

/// The longest name of a manufacturer that is taken (PS3.5, 6.2: LO has at most 64 characters).
const NAME_CHARACTERS: usize = 64;

/// Sex, where the header says one of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sex {
    /// `F`.
    Female,
    /// `M`.
    Male,
}

/// What the files of a cine tell about the subject. Numbers are as they stand, in these units; none is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// PatientSize (0010,1020), which is in metres.
    pub height_cm: Option<f64>,
    /// PatientWeight (0010,1030).
    pub weight_kg: Option<f64>,
    /// PatientSex (0010,0040); `O` is neither and not told.
    pub sex: Option<Sex>,
    /// PatientAge (0010,1010), or else the time from the date of birth to that of the study.
    pub age_years: Option<f64>,
    /// The median of HeartRate (0018,1088), or else of the length of the beat.
    pub heart_rate_bpm: Option<f64>,
}

/// What the files of a cine tell about the scanner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Equipment {
    /// SOPClassUID (0008,0016).
    pub sop_class: Option<String>,
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// MagneticFieldStrength (0018,0087), tesla.
    pub magnetic_field_t: Option<f64>,
}

/// Gathers what several headers tell.
#[derive(Default)]
pub(crate) struct Told {
    heights_cm: Vec<f64>,
    weights_kg: Vec<f64>,
    ages: Vec<f64>,
    rates: Vec<f64>,
    females: usize,
    males: usize,
    scanners: Vec<Scanner>,
}

/// What one file tells of the scanner, in an order.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Scanner {
    sop_class: Option<String>,
    modality: Option<String>,
    manufacturer: Option<String>,
    /// The bits of a positive number, which are in its order.
    field_t: Option<u64>,
}

impl Told {
    pub(crate) fn read(&mut self, data: &Item<'_>) {
        // A zero is what scanners write where nobody typed a number.
        let number = |tag| data.number(tag).filter(|found| *found != 0.0);
        self.heights_cm.extend(number(SIZE).map(|metres| {
            // To a hundredth of a millimetre, so that 1.83 m is 183 cm.
            (metres * 1e5).round() / 1e3
        }));
        self.weights_kg.extend(number(WEIGHT));
        let age = data.text(AGE).and_then(|text| age_years(&text));
        self.ages
            .extend(age.or_else(|| age_between(&data.text(BIRTH_DATE)?, &data.text(STUDY_DATE)?)));
        self.rates.extend(number(HEART_RATE).or_else(|| {
            let groups = [SHARED_GROUPS, FRAME_GROUPS]
                .into_iter()
                .find_map(|groups| {
                    let items = data.items(groups);
                    items
                        .first()?
                        .items(CARDIAC_SYNCHRONIZATION)
                        .first()?
                        .number(RR_NOMINAL)
                });
            let rr_ms = number(NOMINAL_INTERVAL)
                .or(groups)
                .filter(|found| *found > 0.0)?;
            Some(60_000.0 / rr_ms)
        }));
        match data.text(SEX).as_deref() {
            Some("F" | "f") => self.females += 1,
            Some("M" | "m") => self.males += 1,
            _ => {}
        }
        let is_identifier =
            |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let is_code = |text: &str| {
            text.len() <= 16
                && text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_ ".contains(&b))
        };
        let is_name = |text: &str| {
            text.chars().count() <= NAME_CHARACTERS
                && text
                    .chars()
                    .all(|c| c.is_alphanumeric() || " .,-&/()".contains(c))
        };
        let text = |tag, taken: &dyn Fn(&str) -> bool| {
            data.text(tag)
                .filter(|text| taken(text))
                .map(std::borrow::Cow::into_owned)
        };
        self.scanners.push(Scanner {
            sop_class: text(SOP_CLASS, &is_identifier),
            modality: text(MODALITY, &is_code),
            manufacturer: text(MANUFACTURER, &is_name),
            // Hundredths of a tesla are what tells two scanners apart; some write gauss.
            field_t: data
                .number(FIELD_STRENGTH)
                .map(|field| {
                    if field >= 100.0 {
                        field / 10_000.0
                    } else {
                        field
                    }
                })
                .filter(|tesla| (0.01..=20.0).contains(tesla))
                .map(f64::to_bits),
        });
    }

    pub(crate) fn facts(&self) -> Facts {
        let sex = match self.females.cmp(&self.males) {
            std::cmp::Ordering::Greater => Some(Sex::Female),
            std::cmp::Ordering::Less => Some(Sex::Male),
            std::cmp::Ordering::Equal => None,
        };
        Facts {
            height_cm: median(self.heights_cm.clone()),
            weight_kg: median(self.weights_kg.clone()),
            sex,
            age_years: median(self.ages.clone()),
            heart_rate_bpm: median(self.rates.clone()).map(|rate| (rate * 100.0).round() / 100.0),
        }
    }

    /// The scanner of the last file in the order of what it is, so that the order of files does not matter.
    pub(crate) fn equipment(&self) -> Equipment {
        let Scanner {
            sop_class,
            modality,
            manufacturer,
            field_t,
        } = self.scanners.iter().max().cloned().unwrap_or_default();
        Equipment {
            sop_class,
            modality,
            manufacturer,
            magnetic_field_t: field_t.map(f64::from_bits),
        }
    }
}

/// An age such as `059Y`, `006M`, `003W` or `010D` (PS3.5, 6.2: AS), in years. A bare number is taken as years. No years
/// at all is what is written where the age is not known: newborns are told in months, weeks or days.
fn age_years(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    match unit.to_ascii_uppercase().as_str() {
        "Y" | "" => Some(number).filter(|years| *years > 0.0),
        "M" => Some(number / 12.0),
        "W" => Some(number * 7.0 / 365.25),
        "D" => Some(number / 365.25),
        _ => None,
    }
}

/// Whole years from one date to another, `YYYYMMDD` or `YYYY.MM.DD`; `None` where one of them is no date, as `00000000` and `20120000`.
fn age_between(birth: &str, study: &str) -> Option<f64> {
    let (born, studied) = (date(birth)?, date(study)?);
    let had_birthday = (studied.1, studied.2) >= (born.1, born.2);
    let years = i64::from(studied.0) - i64::from(born.0) - i64::from(!had_birthday);
    (years >= 0).then_some(years as f64)
}

fn date(text: &str) -> Option<(u16, u16, u16)> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| -> Option<u16> { digits.get(from..to)?.parse().ok() };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    (year >= 1850 && (1..=12).contains(&month) && (1..=31).contains(&day))
        .then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_in_every_unit() {
        for (text, years) in [
            ("059Y", Some(59.0)),
            ("006M", Some(0.5)),
            ("059y ", Some(59.0)),
            ("73", Some(73.0)),
            ("000D", Some(0.0)),
            ("000Y", None),
            ("0", None),
            ("", None),
            ("Y", None),
            ("12Q", None),
            ("-12Y", None),
        ] {
            assert_eq!(age_years(text), years, "{text}");
        }
        // 3 weeks are 21 of 365.25 days.
        assert!((age_years("003W").unwrap() - 21.0 / 365.25).abs() < 1e-12);
        assert!((age_years("010D").unwrap() - 10.0 / 365.25).abs() < 1e-12);
    }

    #[test]
    fn an_age_between_dates_counts_birthdays_and_needs_two_dates() {
        assert_eq!(age_between("19500615", "20120614"), Some(61.0));
        assert_eq!(age_between("19500615", "20120615"), Some(62.0));
        assert_eq!(age_between("1950.06.15", "20120615"), Some(62.0));
        for (birth, study) in [
            ("00000000", "20120101"),
            ("19500615", "20120000"),
            ("20130101", "20120101"),
            ("1950", "20120101"),
            ("1950-6-15", "20120101"),
        ] {
            assert_eq!(age_between(birth, study), None, "{birth} {study}");
        }
    }
}
