//! The numbers as comma-separated values: one row a number, so that a spreadsheet or a data frame takes it without knowing the tree; and
//! what has to be known of them, in words, so that the file may leave the service.

use crate::{INTENDED_USE, MetricsJson, QualityJson, SegmentationJson};

/// The numbers of `metrics` as CSV (RFC 4180, UTF-8): `quantity` is the path of the number in the JSON, with its unit in its name;
/// `frame` and `time_ms` say which frame it is of, where it is of one. An unknown number is an empty field. `value` holds numbers only;
/// what is said in words, verdict, checks and rules, stands in `text`. A check goes by its code.
pub fn metrics_csv(metrics: &MetricsJson) -> String {
    let mut table = Table::new();
    table.metrics(metrics);
    table.text
}

/// The same of a kept segmentation, with what it is of: the revision, the model and the review, by their paths in the JSON of a report.
pub fn kept_csv(metrics: &MetricsJson, of: &SegmentationJson, what_if: bool) -> String {
    let mut table = Table::new();
    table.words("intended_use", Some(INTENDED_USE));
    table.words("what_if", Some(said(what_if)));
    table.segmentation(of);
    table.metrics(metrics);
    table.text
}

fn said(holds: bool) -> &'static str {
    if holds { "true" } else { "false" }
}

/// Slices or frames as a query takes them.
fn listed(values: &[usize]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let values: Vec<String> = values.iter().map(usize::to_string).collect();
    values.join(",")
}

fn numbers(table: &mut Table, metrics: &MetricsJson) {
    let time_of = |frame: Option<usize>| -> Option<f64> {
        let at = metrics
            .curve
            .frames
            .iter()
            .position(|&measured| Some(measured) == frame)?;
        metrics.curve.time_ms.as_ref()?.get(at).copied()
    };
    let phases = &metrics.phases;
    for (name, frame) in [
        ("phases.ed_frame", phases.ed_frame),
        ("phases.es_frame", phases.es_frame),
        (
            "phases.right_ventricle.ed_frame",
            phases.right_ventricle.ed_frame,
        ),
        (
            "phases.right_ventricle.es_frame",
            phases.right_ventricle.es_frame,
        ),
    ] {
        table.row(name, frame, time_of(frame), frame);
    }
    let runner_up = phases.runner_up.as_ref();
    for (name, frame) in [
        (
            "phases.runner_up.ed_frame",
            runner_up.map(|found| found.ed_frame),
        ),
        (
            "phases.runner_up.es_frame",
            runner_up.map(|found| found.es_frame),
        ),
    ] {
        table.row(name, frame, time_of(frame), frame);
    }
    table.row(
        "phases.runner_up.ef_percent",
        None,
        None,
        runner_up.map(|found| found.ef_percent),
    );
    for (structure, ventricle, ed, es) in [
        (
            "left_ventricle",
            &metrics.left_ventricle,
            phases.ed_frame,
            phases.es_frame,
        ),
        (
            "right_ventricle",
            &metrics.right_ventricle,
            phases.right_ventricle.ed_frame,
            phases.right_ventricle.es_frame,
        ),
    ] {
        for (name, frame, value) in [
            ("edv_ml", ed, ventricle.edv_ml),
            ("esv_ml", es, ventricle.esv_ml),
            ("sv_ml", None, ventricle.sv_ml),
            ("ef_percent", None, ventricle.ef_percent),
            ("co_l_min", None, ventricle.co_l_min),
            ("edv_ml_per_m2", ed, ventricle.edv_ml_per_m2),
            ("esv_ml_per_m2", es, ventricle.esv_ml_per_m2),
            ("sv_ml_per_m2", None, ventricle.sv_ml_per_m2),
            ("co_l_min_per_m2", None, ventricle.co_l_min_per_m2),
        ] {
            table.row(&format!("{structure}.{name}"), frame, time_of(frame), value);
        }
    }
    let left = &metrics.left_ventricle;
    for (name, frame, value) in [
        ("ed_diameter_mm", phases.ed_frame, left.ed_diameter_mm),
        ("es_diameter_mm", phases.es_frame, left.es_diameter_mm),
    ] {
        table.row(
            &format!("left_ventricle.{name}"),
            frame,
            time_of(frame),
            value,
        );
    }
    let wall = &metrics.myocardium;
    // One frame alone has no phases, and yet a mass.
    let lone = |mass: Option<f64>| match metrics.curve.frames[..] {
        [only] => mass.map(|_| only),
        _ => None,
    };
    let ed = phases.ed_frame.or_else(|| lone(wall.ed_mass_g));
    let es = phases.es_frame.or_else(|| lone(wall.es_mass_g));
    for (name, frame, value) in [
        ("myocardium.ed_mass_g", ed, wall.ed_mass_g),
        ("myocardium.es_mass_g", es, wall.es_mass_g),
        ("myocardium.ed_mass_g_per_m2", ed, wall.ed_mass_g_per_m2),
        ("myocardium.es_mass_g_per_m2", es, wall.es_mass_g_per_m2),
    ] {
        table.row(name, frame, time_of(frame), value);
    }
    let fewer = metrics.without_basal_slice.as_ref();
    let fewer_ed = fewer.and_then(|fewer| fewer.ed_frame);
    let fewer_es = fewer.and_then(|fewer| fewer.es_frame);
    for (name, frame, value) in [
        ("edv_ml", fewer_ed, fewer.and_then(|fewer| fewer.edv_ml)),
        ("esv_ml", fewer_es, fewer.and_then(|fewer| fewer.esv_ml)),
        ("sv_ml", None, fewer.and_then(|fewer| fewer.sv_ml)),
        ("ef_percent", None, fewer.and_then(|fewer| fewer.ef_percent)),
        (
            "ed_mass_g",
            fewer_ed,
            fewer.and_then(|fewer| fewer.ed_mass_g),
        ),
        (
            "es_mass_g",
            fewer_es,
            fewer.and_then(|fewer| fewer.es_mass_g),
        ),
    ] {
        let name = format!("without_basal_slice.{name}");
        table.row(&name, frame, time_of(frame), value);
    }
    let right = fewer.map(|fewer| fewer.right_ventricle).unwrap_or_default();
    for (name, frame, value) in [
        ("edv_ml", right.ed_frame, right.edv_ml),
        ("esv_ml", right.es_frame, right.esv_ml),
        ("sv_ml", None, right.sv_ml),
        ("ef_percent", None, right.ef_percent),
    ] {
        let name = format!("without_basal_slice.right_ventricle.{name}");
        table.row(&name, frame, time_of(frame), value);
    }
    let slice = fewer.map(|fewer| fewer.slice);
    table.row("without_basal_slice.slice", None, None, slice);
    for (name, frame, segments) in [
        ("wall_thickness_mm", ed, wall.wall_thickness_mm),
        ("es_wall_thickness_mm", es, wall.es_wall_thickness_mm),
        (
            "wall_thickening_percent",
            None,
            wall.wall_thickening_percent,
        ),
    ] {
        for (index, &value) in segments
            .iter()
            .flat_map(|of| of.segments.iter().enumerate())
        {
            let name = format!("myocardium.{name}.segments.{index}");
            // A path counts from 0, the segments of the American Heart Association from 1: which one it is stands beside it.
            let segment = wall.segments.get(index);
            let text = segment.map(|segment| format!("AHA {} {}", segment.number, segment.name));
            table.row_of(&name, frame, time_of(frame), value, text.as_deref());
        }
    }
    for interval in &metrics.intervals {
        for (end, value) in [
            ("low", interval.low),
            ("high", interval.high),
            ("level", interval.level),
        ] {
            let name = format!("intervals.{}.{end}", interval.quantity);
            table.row(&name, None, None, Some(value));
        }
    }
    table.row("body.bsa_m2", None, None, metrics.body.bsa_m2);
    table.row(
        "conventions.myocardial_density_g_per_ml",
        None,
        None,
        Some(metrics.conventions.myocardial_density_g_per_ml),
    );
    let curve = &metrics.curve;
    for (name, values) in [
        ("curve.left_ventricle_ml", &curve.left_ventricle_ml),
        ("curve.right_ventricle_ml", &curve.right_ventricle_ml),
        ("curve.myocardium_ml", &curve.myocardium_ml),
    ] {
        for (&frame, &value) in curve.frames.iter().zip(values) {
            table.row(name, Some(frame), time_of(Some(frame)), value);
        }
    }
    if let Some(smoothed) = &curve.smoothed {
        for (name, values) in [
            ("left_ventricle_ml", &smoothed.left_ventricle_ml),
            ("right_ventricle_ml", &smoothed.right_ventricle_ml),
            ("myocardium_ml", &smoothed.myocardium_ml),
        ] {
            for (&frame, &value) in curve.frames.iter().zip(values.iter().flatten()) {
                let name = format!("curve.smoothed.{name}");
                table.row(&name, Some(frame), time_of(Some(frame)), Some(value));
            }
        }
    }
    let rates = curve.rates.unwrap_or_default();
    for (name, rates) in [
        ("left_ventricle", rates.left_ventricle),
        ("right_ventricle", rates.right_ventricle),
    ] {
        for (rate, value) in [
            ("peak_ejection_ml_per_s", rates.peak_ejection_ml_per_s),
            ("time_to_peak_ejection_ms", rates.time_to_peak_ejection_ms),
            ("peak_filling_ml_per_s", rates.peak_filling_ml_per_s),
            ("time_to_peak_filling_ms", rates.time_to_peak_filling_ms),
        ] {
            table.row(&format!("curve.rates.{name}.{rate}"), None, None, value);
        }
    }
    table.row(
        "curve.peak_ejection_ml_per_s",
        None,
        None,
        curve.peak_ejection_ml_per_s,
    );
    table.row(
        "curve.peak_filling_ml_per_s",
        None,
        None,
        curve.peak_filling_ml_per_s,
    );
}

/// The text with an apostrophe before every sign that a formula may begin with where a cell may begin: at the start, and after what separates
/// cells or rows for a spreadsheet of any country, which need not heed our quotes.
fn guarded(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    if text.starts_with(['\t', '\r']) {
        guarded.push('\'');
    }
    let mut begins = true;
    for c in text.chars() {
        if begins && matches!(c, '=' | '+' | '-' | '@') {
            guarded.push('\'');
        }
        begins = match c {
            ';' | '\t' | '\r' | '\n' => true,
            _ => begins && (c.is_whitespace() || c == '"'),
        };
        guarded.push(c);
    }
    guarded
}

struct Table {
    text: String,
}

impl Table {
    fn new() -> Table {
        Table {
            text: String::from("quantity,frame,time_ms,value,text\r\n"),
        }
    }

    fn metrics(&mut self, metrics: &MetricsJson) {
        self.quality(&metrics.quality);
        let rules = &metrics.conventions;
        for (rule, name) in [
            ("papillary", &rules.papillary),
            ("basal_rule", &rules.basal_rule),
            ("volume_rule", &rules.volume_rule),
            ("wall_rule", &rules.wall_rule),
            ("apex_rule", &rules.apex_rule),
            ("diameter_rule", &rules.diameter_rule),
            ("excluded_slices", &listed(&rules.excluded_slices)),
        ] {
            self.words(&format!("conventions.{rule}"), Some(name));
        }
        self.words("body.formula", Some(&metrics.body.formula));
        self.words("phases.method", Some(&metrics.phases.method));
        self.words("intervals_reason", metrics.intervals_reason.as_deref());
        let note = metrics.myocardium.segments_note.as_deref();
        self.words("myocardium.segments_note", note);
        numbers(self, metrics);
    }

    fn quality(&mut self, quality: &QualityJson) {
        self.words("quality.verdict", Some(&quality.verdict));
        self.row("quality.score", None, None, quality.score);
        self.words("quality.score_reason", quality.score_reason.as_deref());
        for check in &quality.checks {
            let name = |part: &str| format!("quality.checks.{}.{part}", check.code);
            self.words(&name("passed"), Some(said(check.passed)));
            self.row(&name("value"), None, None, check.value);
            self.row(&name("limit"), None, None, check.limit);
            self.words(&name("detail"), Some(&check.detail));
        }
    }

    fn segmentation(&mut self, of: &SegmentationJson) {
        let mut words = |path: &str, text: Option<&str>| {
            self.words(&format!("segmentation.{path}"), text);
        };
        words("study_id", of.study_id.as_deref());
        words("id", of.id.as_deref());
        words("created_at", Some(&of.created_at));
        let by = of.corrected.as_ref();
        words("corrected.author", by.map(|by| by.author.as_str()));
        words("corrected.created_at", by.map(|by| by.created_at.as_str()));
        let changed = by.map(|by| by.changed.join(","));
        words("corrected.changed", changed.as_deref());
        let drawn = by.map(|by| listed(&by.frames));
        words("corrected.frames", drawn.as_deref());
        let review = of.review.as_ref();
        words("review.state", review.map(|review| review.state.as_str()));
        words("review.author", review.map(|review| review.author.as_str()));
        let at = review.map(|review| review.created_at.as_str());
        words("review.created_at", at);
        words("review.stale", review.map(|review| said(review.stale)));
        let note = review.and_then(|review| review.note.as_deref());
        words("review.note", note);
        let model = &of.model;
        for (name, text) in [
            ("name", Some(&model.name)),
            ("version", Some(&model.version)),
            ("digest", Some(&model.digest)),
            ("component_digest", model.component_digest.as_ref()),
            ("engine", Some(&model.engine)),
            ("device", Some(&model.device)),
            ("precision", Some(&model.precision)),
        ] {
            words(&format!("model.{name}"), text.map(String::as_str));
        }
        for warning in &of.warnings {
            words(&format!("warnings.{}", warning.code), Some(&warning.detail));
        }
        self.row("segmentation.revision", None, None, Some(of.revision));
    }

    /// A row of words. They may be a person's: quoted where that is needed, and never what a spreadsheet would take for a formula.
    fn words(&mut self, quantity: &str, text: Option<&str>) {
        let text = guarded(text.unwrap_or_default());
        let cell = if text.contains(['"', ',', '\r', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        };
        self.text.push_str(&format!("{quantity},,,,{cell}\r\n"));
    }

    /// A row of a number. Names hold letters, digits, dots and underscores only, and numbers no comma: nothing has to be quoted.
    fn row<V: ToString>(
        &mut self,
        quantity: &str,
        frame: Option<usize>,
        time_ms: Option<f64>,
        value: Option<V>,
    ) {
        self.row_of(quantity, frame, time_ms, value, None);
    }

    /// The same with a word of what the number is of, which holds no comma either.
    fn row_of<V: ToString>(
        &mut self,
        quantity: &str,
        frame: Option<usize>,
        time_ms: Option<f64>,
        value: Option<V>,
        text: Option<&str>,
    ) {
        let field = |text: Option<String>| text.unwrap_or_default();
        let fields = [
            quantity.to_owned(),
            field(frame.map(|frame| frame.to_string())),
            field(time_ms.map(|time| time.to_string())),
            field(value.map(|value| value.to_string())),
            field(text.map(str::to_owned)),
        ];
        self.text.push_str(&fields.join(","));
        self.text.push_str("\r\n");
    }
}
