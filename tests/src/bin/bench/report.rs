//! What is measured, as Markdown: rows of two sides with their ratio, in parts, in one file. A part that is measured takes the place of what the
//! file says of it; what else the file says stays.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a ratio should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// It is told, and has no goal.
    None,
}

impl Goal {
    fn shown(self, value: f64) -> String {
        let (goal, met) = match self {
            Self::AtMost(most) => (format!("≤ {most}"), value <= most),
            Self::AtLeast(least) => (format!("≥ {least}"), value >= least),
            Self::None => return "–".to_owned(),
        };
        format!("{goal}{}", if met { "" } else { ", missed" })
    }
}

/// Two sides of one measurement, in the order they were taken: where both have as many values, those of one turn belong together.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
    pub(crate) goal: Goal,
}

impl Row {
    /// What we have over what they have: of each turn where turns can be told, or else of the medians.
    fn ratios(&self) -> Vec<f64> {
        if self.ours.len() == self.theirs.len() {
            let turns = self.ours.iter().zip(&self.theirs);
            sorted(turns.map(|(ours, theirs)| ours / theirs).collect())
        } else {
            vec![median(&self.ours) / median(&self.theirs)]
        }
    }

    fn line(&self) -> String {
        let ratios = self.ratios();
        format!(
            "| {}, {} | {} | {} | {} | {} |",
            self.what,
            self.unit,
            shown(&self.ours, 0),
            shown(&self.theirs, 0),
            shown(&ratios, 2),
            self.goal.shown(quantile(&ratios, 0.5))
        )
    }
}

/// A part of the report: rows against one peer.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What the two sides are.
    pub(crate) sides: [&'static str; 2],
    pub(crate) rows: Vec<Row>,
    /// Sentences below the table.
    pub(crate) notes: Vec<String>,
}

impl Part {
    pub(crate) fn text(&self) -> String {
        let [ours, theirs] = self.sides;
        let mut text =
            format!("| what | {ours} | {theirs} | ratio | goal |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            text.push_str(&row.line());
            text.push('\n');
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }
}

/// The file: what stands before the first section, and the sections by title.
pub(crate) struct Report {
    path: PathBuf,
    head: String,
    order: Vec<&'static str>,
    sections: Vec<(String, String)>,
}

impl Report {
    /// What the file says so far; nothing where there is none.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(crate) fn open(path: &Path, head: String, order: Vec<&'static str>) -> Result<Self> {
        let before = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let sections = before
            .split("\n## ")
            .skip(1)
            .filter_map(|section| section.split_once('\n'))
            .map(|(title, body)| (title.trim().to_owned(), body.trim().to_owned()))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            head,
            order,
            sections,
        })
    }

    /// Puts a section in place of the one of this title, and writes the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put(&mut self, title: &str, body: &str) -> Result<()> {
        self.sections.retain(|(known, _)| known != title);
        self.sections
            .push((title.to_owned(), body.trim().to_owned()));
        // What was written by hand comes last.
        let place = |title: &str| self.order.iter().position(|known| *known == title);
        self.sections
            .sort_by_key(|(title, _)| place(title).unwrap_or(usize::MAX));
        let mut text = format!("{}\n", self.head.trim());
        for (title, body) in &self.sections {
            let _ = write!(text, "\n## {title}\n\n{body}\n");
        }
        std::fs::write(&self.path, text).with_context(|| self.path.display().to_string())
    }
}

/// The median of values, and their middle half where there are several.
fn shown(values: &[f64], decimals: usize) -> String {
    let values = sorted(values.to_vec());
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|at| quantile(&values, at));
    // Three digits tell enough of what is small.
    let decimals = if decimals == 0 && middle < 10.0 {
        1
    } else {
        decimals
    };
    if values.len() > 1 {
        format!("{middle:.decimals$} ({low:.decimals$}–{high:.decimals$})")
    } else {
        format!("{middle:.decimals$}")
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(&sorted(values.to_vec()), 0.5)
}

/// The nearest entry of sorted values.
pub(crate) fn quantile(sorted: &[f64], at: f64) -> f64 {
    let index = (at * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_the_turns() {
        let row = Row {
            what: "a thing".to_owned(),
            unit: "ms",
            ours: vec![10.0, 40.0, 30.0],
            theirs: vec![10.0, 20.0, 10.0],
            goal: Goal::AtMost(1.5),
        };
        assert_eq!(row.ratios(), [1.0, 2.0, 3.0]);
        assert!(
            row.line().ends_with("| 2.00 (2.00–3.00) | ≤ 1.5, missed |"),
            "{}",
            row.line()
        );
    }

    #[test]
    fn a_part_takes_its_own_place_and_leaves_the_others() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("RESULTS.md");
        std::fs::write(&path, "# Old\n\n## by hand\n\nwhy\n\n## two\n\nold\n")?;
        let mut report = Report::open(&path, "# New".to_owned(), vec!["one", "two"])?;
        report.put("two", "new\n")?;
        report.put("one", "first")?;
        assert_eq!(
            std::fs::read_to_string(&path)?,
            "# New\n\n## one\n\nfirst\n\n## two\n\nnew\n\n## by hand\n\nwhy\n"
        );
        Ok(())
    }
}
