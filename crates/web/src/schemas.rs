//! JSON Schemas of what goes over the wire, for the OpenAPI document.

use crate::operations::{PRECISIONS, REVIEW_NOTE_CHARS};
use serde_json::{Value, json};

/// What an event stream of this name carries, in words.
pub(crate) fn events(name: &str) -> String {
    let result = match name {
        "OneShotEvents" => "OneShot",
        _ => "Segmentation",
    };
    format!(
        "Events `progress` with data {{stage, done, total}}, then one `result` with the JSON of {result}, or one `problem` with a problem document."
    )
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A number that is null where it is not known.
fn number_or_null(about: &str) -> Value {
    json!({ "type": ["number", "null"], "description": about })
}

fn frame_or_null(about: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0, "description": about })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn digest() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
}

fn changed_field() -> Value {
    json!({ "type": "string", "enum": ["mask", "ed_frame", "es_frame", "excluded_slices", "bsa_formula", "basal_rule"] })
}

fn review_state() -> Value {
    json!({ "type": "string", "enum": ["approved", "rejected"] })
}

fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

fn curve(about: &str) -> Value {
    json!({ "type": "array", "items": { "type": ["number", "null"] }, "description": about })
}

fn page_of(item: &str) -> Value {
    object(
        &["items", "next_cursor"],
        json!({
            "items": list_of(item),
            "next_cursor": { "type": ["string", "null"], "description": "For the next page; null on the last." },
        }),
    )
}

/// What belongs to corrections and reviews.
fn revisions() -> Value {
    json!({
        "SegmentationPatch": { "type": "object", "additionalProperties": false, "minProperties": 1, "properties": {
            "ed_frame": frame_or_null("End-diastole: a frame of the segmentation, or null to take it back."),
            "es_frame": frame_or_null("End-systole, likewise."),
            "excluded_slices": { "type": ["array", "null"], "items": { "type": "integer", "minimum": 0 }, "uniqueItems": true, "description": "Slices that count to no volume, wall thickness or diameter." },
            "bsa_formula": { "type": ["string", "null"], "enum": ["mosteller", "dubois", null] },
            "basal_rule": { "type": ["string", "null"], "enum": ["as_segmented", "mostly_enclosed", null] },
        } },
        "Corrected": object(&["author", "created_at", "changed", "frames"], json!({
            "author": { "type": "string", "description": "Name of the key that made this revision." },
            "created_at": time(),
            "changed": { "type": "array", "items": changed_field(), "description": "What this revision changed." },
            "frames": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": "The frames whose mask a person drew, in this revision or before." },
        })),
        "ReviewRequest": { "type": "object", "additionalProperties": false, "required": ["state"], "properties": {
            "state": review_state(),
            "note": { "type": ["string", "null"], "maxLength": REVIEW_NOTE_CHARS, "description": "No names of patients. It is kept with the segmentation and goes with it." },
        } },
        "Review": object(&["revision", "state", "note", "author", "created_at", "stale"], json!({
            "revision": { "type": "integer", "minimum": 1 },
            "state": review_state(),
            "note": { "type": ["string", "null"], "maxLength": REVIEW_NOTE_CHARS },
            "author": { "type": "string", "description": "Name of the key that reviewed." },
            "created_at": time(),
            "stale": { "type": "boolean", "description": "Facts of the study, on which numbers rest, were changed since: what was reviewed may be other numbers." },
        })),
        "Revision": object(&["revision", "created_at", "author", "changed", "frames", "review", "reviews", "links"], json!({
            "revision": { "type": "integer", "minimum": 1 },
            "created_at": time(),
            "author": { "type": ["string", "null"], "description": "Name of the key that made it; null where that was not kept." },
            "changed": { "type": "array", "items": changed_field(), "description": "Empty in the first." },
            "frames": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": "The frames whose mask is another than in the revision before." },
            "review": { "description": "The one that holds; null until there is one.", "oneOf": [reference("Review"), { "type": "null" }] },
            "reviews": list_of("Review"),
            "links": { "type": "object", "additionalProperties": { "type": "string", "format": "uri-reference" } },
        })),
        "RevisionList": page_of("Revision"),
    })
}

/// Every schema by its name.
pub(crate) fn all() -> Value {
    let mut all = most();
    if let (Some(members), Value::Object(more)) = (all.as_object_mut(), revisions()) {
        members.extend(more);
    }
    all
}

fn most() -> Value {
    let subject = json!({
        "height_cm": { "type": ["number", "null"], "minimum": 20, "maximum": 280 },
        "weight_kg": { "type": ["number", "null"], "minimum": 0.3, "maximum": 700 },
        "sex": { "type": ["string", "null"], "enum": ["female", "male", null] },
        "age_years": { "type": ["number", "null"], "minimum": 0, "maximum": 130 },
        "heart_rate_bpm": { "type": ["number", "null"], "minimum": 10, "maximum": 400 },
        "frame_ms": { "type": ["number", "null"], "minimum": 1, "maximum": 2000, "description": "Told; replaces that of the file." },
        "ed_frame": { "type": ["integer", "null"], "minimum": 0, "description": "Told; replaces the one that is found." },
        "es_frame": { "type": ["integer", "null"], "minimum": 0, "description": "Told; replaces the one that is found." },
    });
    let mut patch = subject.clone();
    if let Some(members) = patch.as_object_mut() {
        members.insert(
            "label".to_owned(),
            json!({ "type": ["string", "null"], "maxLength": 200 }),
        );
        members.insert(
            "consent".to_owned(),
            json!({ "type": "string", "enum": ["none", "research"] }),
        );
        members.insert(
            "subject".to_owned(),
            json!({ "type": "object", "additionalProperties": false, "properties": subject.clone(),
                "description": "The same facts, grouped as a study shows them." }),
        );
    }
    let mut known = subject.clone();
    if let Some(members) = known.as_object_mut() {
        members.insert(
            "sources".to_owned(),
            json!({ "type": "object", "additionalProperties": { "type": "string", "enum": ["told", "header"] },
                "description": "Where each fact comes from that is known. What was told goes before what the header says." }),
        );
    }
    let ventricle = json!({
        "edv_ml": number_or_null("End-diastolic volume."),
        "esv_ml": number_or_null("End-systolic volume."),
        "sv_ml": number_or_null("Stroke volume."),
        "ef_percent": number_or_null("Ejection fraction."),
        "co_l_min": number_or_null("Cardiac output; only when the heart rate is known."),
        "edv_ml_per_m2": number_or_null("End-diastolic volume per body surface area."),
        "esv_ml_per_m2": number_or_null("End-systolic volume per body surface area."),
        "sv_ml_per_m2": number_or_null("Stroke volume per body surface area."),
        "co_l_min_per_m2": number_or_null("Cardiac output per body surface area."),
        "ed_diameter_mm": number_or_null("Of the left cavity: from the septum's middle to the lateral wall, in the widest slice, at end-diastole."),
        "es_diameter_mm": number_or_null("The same at end-systole."),
    });
    let rates = object(
        &[
            "peak_ejection_ml_per_s",
            "time_to_peak_ejection_ms",
            "peak_filling_ml_per_s",
            "time_to_peak_filling_ms",
        ],
        json!({
            "peak_ejection_ml_per_s": number_or_null("Steepest fall from end-diastole to end-systole."),
            "time_to_peak_ejection_ms": number_or_null("From end-diastole to it."),
            "peak_filling_ml_per_s": number_or_null("Steepest rise from end-systole to end-diastole."),
            "time_to_peak_filling_ms": number_or_null("From end-systole to it."),
        }),
    );
    let segments = object(
        &["segments"],
        json!({
            "segments": {
                "type": "array",
                "items": { "type": ["number", "null"] },
                "minItems": 16,
                "maxItems": 16,
                "description": "The American Heart Association's segments 1 to 16; the apical cap, 17, is not measured.",
            },
        }),
    );
    let segment_place = object(
        &[
            "number",
            "name",
            "ring",
            "inner",
            "outer",
            "from_degrees",
            "to_degrees",
        ],
        json!({
            "number": { "type": "integer", "minimum": 1, "maximum": 16 },
            "name": { "type": "string", "description": "For instance basal anteroseptal." },
            "ring": { "type": "string", "enum": ["basal", "mid", "apical"] },
            "inner": { "type": "number", "description": "Where the ring begins, part of the plot's radius." },
            "outer": { "type": "number", "description": "Where the ring ends." },
            "from_degrees": { "type": "number", "description": "Where the sector begins, degrees against the clock from the right; the front is up and the septum left, as seen from the apex." },
            "to_degrees": { "type": "number", "description": "Where the sector ends." },
        }),
    );
    let interval = object(
        &["quantity", "low", "high", "level"],
        json!({
            "quantity": { "type": "string", "description": "Which number, as its path in the metrics." },
            "low": { "type": "number", "description": "Lower end, in the number's unit." },
            "high": { "type": "number", "description": "Upper end." },
            "level": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "description": "How often such an interval holds the truth." },
        }),
    );
    let health = object(
        &["status"],
        json!({
            "status": { "type": "string", "enum": ["live", "ready"] },
            "model": { "type": "object", "description": "The model that answered." },
        }),
    );
    let range = object(
        &[
            "quantity", "value", "low", "high", "verdict", "source", "cohort",
        ],
        json!({
            "quantity": { "type": "string", "description": "Path of the number in this document." },
            "value": number_or_null("The number."),
            "low": number_or_null("The lower limit, where there is one."),
            "high": number_or_null("The upper limit, where there is one."),
            "verdict": { "type": "string", "enum": ["below", "within", "above", "no range available"] },
            "source": { "type": ["string", "null"], "description": "Where the limits are published." },
            "cohort": { "type": ["string", "null"], "description": "Whom they were measured on." },
            "reason": { "type": "string", "description": "Why there is no range, or no place in it." },
        }),
    );
    let both_rates = object(
        &["left_ventricle", "right_ventricle"],
        json!({ "left_ventricle": rates, "right_ventricle": rates }),
    );
    let smooth = |about: &str| json!({ "type": "array", "items": { "type": "number" }, "description": about });
    let smoothed = object(
        &["method"],
        json!({
            "method": { "type": "string" },
            "left_ventricle_ml": smooth("Cavity of the left ventricle."),
            "right_ventricle_ml": smooth("Cavity of the right ventricle."),
            "myocardium_ml": smooth("Wall of the left ventricle."),
        }),
    );
    let volume_curve = object(
        &[
            "time_ms",
            "left_ventricle_ml",
            "right_ventricle_ml",
            "myocardium_ml",
        ],
        json!({
            "frames": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
            "time_ms": { "type": ["array", "null"], "items": { "type": "number" } },
            "left_ventricle_ml": curve("Cavity of the left ventricle."),
            "right_ventricle_ml": curve("Cavity of the right ventricle."),
            "myocardium_ml": curve("Wall of the left ventricle."),
            "peak_ejection_ml_per_s": number_or_null("Fastest fall of the left ventricle's volume from frame to frame as they were measured, which one outlying frame decides; `rates` are of the smoothed curve."),
            "peak_filling_ml_per_s": number_or_null("Fastest rise of the same."),
            "smoothed": smoothed,
            "rates": both_rates,
        }),
    );
    let conventions = object(
        &[
            "myocardial_density_g_per_ml",
            "papillary",
            "basal_rule",
            "volume_rule",
        ],
        json!({
            "myocardial_density_g_per_ml": { "type": "number" },
            "papillary": { "type": "string" },
            "basal_rule": { "type": "string" },
            "volume_rule": { "type": "string" },
            "wall_rule": { "type": "string" },
            "apex_rule": { "type": "string" },
            "diameter_rule": { "type": "string" },
            "excluded_slices": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
        }),
    );
    let audit_entry = object(
        &[
            "sequence",
            "at",
            "subject",
            "action",
            "study_id",
            "outcome",
            "request_id",
            "previous_hash",
            "hash",
        ],
        json!({
            "sequence": { "type": "integer", "minimum": 1 },
            "at": time(),
            "subject": { "type": "string", "description": "Name of the key that called." },
            "action": { "type": "string" },
            "study_id": { "type": ["string", "null"] },
            "segmentation_id": { "type": ["string", "null"] },
            "model": { "type": ["string", "null"], "description": "name@version of a model." },
            "revision": { "type": ["integer", "null"], "description": "Of the segmentation." },
            "outcome": { "type": "string" },
            "request_id": { "type": "string" },
            "previous_hash": digest(),
            "hash": digest(),
        }),
    );
    let dice = json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "Null where neither version has the structure." });
    let compared = object(
        &[
            "study_id",
            "segmentation_id",
            "state",
            "compared_at",
            "active",
            "shadow",
            "frames",
            "dice",
            "ef_difference_points",
            "failed",
        ],
        json!({
            "study_id": { "type": "string" },
            "segmentation_id": { "type": "string" },
            "state": { "enum": ["comparing", "done", "failed"], "description": "Figures are there once it is `done`; while it is `comparing` they are null." },
            "compared_at": { "type": ["string", "null"], "format": "date-time", "description": "When the comparison ended." },
            "active": object(&["version", "digest"], json!({
                "version": { "type": "string" },
                "digest": { "type": "string" },
            })),
            "shadow": object(&["version", "digest"], json!({
                "version": { "type": "string" },
                "digest": { "type": ["string", "null"] },
            })),
            "frames": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": "The frames that both saw." },
            "dice": object(&["right_ventricle", "myocardium", "left_ventricle"], json!({
                "right_ventricle": dice,
                "myocardium": dice,
                "left_ventricle": dice,
            })),
            "ef_difference_points": number_or_null("The shadow's left ejection fraction minus the answer's, both of these frames."),
            "failed": { "type": ["string", "null"], "description": "Why the shadow made nothing of this study, where that is so." },
        }),
    );
    let shadow = object(
        &["name", "active_version", "version", "since", "studies"],
        json!({
            "name": { "type": "string" },
            "active_version": { "type": ["string", "null"] },
            "version": { "type": ["string", "null"], "description": "The version beside the active one." },
            "since": { "type": ["string", "null"], "format": "date-time" },
            "studies": { "type": "array", "items": compared },
        }),
    );
    let unreadable = json!({
        "description": "Versions that are there and whose card cannot be used, with the reason. They answer nothing.",
        "type": "array",
        "items": object(&["version", "reason"], json!({
            "version": { "type": "string" },
            "reason": { "type": "string" },
        })),
    });
    let model_variant = object(
        &[
            "precision",
            "digest",
            "bytes",
            "runs",
            "engine",
            "device",
            "reason",
            "loaded",
            "accuracy",
        ],
        json!({
            "precision": { "type": "string", "enum": PRECISIONS },
            "digest": digest(),
            "bytes": { "type": ["integer", "null"], "minimum": 0, "description": "Length of the graph's file." },
            "runs": { "type": "boolean", "description": "Whether a request may ask for it here." },
            "engine": { "type": ["string", "null"], "description": "Null where it does not run." },
            "device": { "type": ["string", "null"] },
            "reason": { "type": "string", "description": "Why this engine and device, or why none." },
            "loaded": { "type": "boolean" },
            "accuracy": { "type": ["array", "null"], "items": { "type": "object" }, "description": "What the card says was measured of it." },
        }),
    );
    let model_version = object(
        &["version", "digest", "engine", "device", "loaded", "card"],
        json!({
            "version": { "type": "string" },
            "digest": digest(),
            "engine": { "type": ["string", "null"], "description": "Null while no engine can run it." },
            "engine_version": { "type": ["string", "null"] },
            "device": { "type": ["string", "null"] },
            "precision": { "type": ["string", "null"] },
            "reason": { "type": ["string", "null"], "description": "Why this engine and device, or why none." },
            "loaded": { "type": "boolean" },
            "bundled": { "type": "boolean", "description": "Whether it ships with the service; others were uploaded and can be deleted." },
            "variants": list_of("ModelVariant"),
            "card": { "type": "object", "description": "The package's model.json." },
        }),
    );
    let agreement = object(
        &[
            "dice",
            "hausdorff_mm",
            "hd95_mm",
            "assd_mm",
            "volume_error_ml",
            "volume_error_percent",
        ],
        json!({
            "dice": number_or_null("Overlap from 0 to 1 of the voxels of all frames together; null when both masks are empty, 0 when one is."),
            "hausdorff_mm": number_or_null("Largest distance of the surfaces, over all frames. Compare one frame at a time for the numbers of each."),
            "hd95_mm": number_or_null("95th percentile of the distances of all frames together."),
            "assd_mm": number_or_null("Mean distance of the surfaces."),
            "volume_error_ml": number_or_null("Prediction less reference, the mean over the frames."),
            "volume_error_percent": number_or_null("The same in percent of the reference."),
        }),
    );
    let right_without = object(
        &[
            "ed_frame",
            "es_frame",
            "edv_ml",
            "esv_ml",
            "sv_ml",
            "ef_percent",
        ],
        json!({
            "ed_frame": frame_or_null("The right ventricle's end-diastole then."),
            "es_frame": frame_or_null("Its end-systole then."),
            "edv_ml": number_or_null("End-diastolic volume."),
            "esv_ml": number_or_null("End-systolic volume."),
            "sv_ml": number_or_null("Stroke volume."),
            "ef_percent": number_or_null("Ejection fraction."),
        }),
    );
    let mut without_basal_slice = object(
        &[
            "slice",
            "ed_frame",
            "es_frame",
            "edv_ml",
            "esv_ml",
            "sv_ml",
            "ef_percent",
            "ed_mass_g",
            "es_mass_g",
            "right_ventricle",
        ],
        json!({
            "slice": { "type": "integer", "minimum": 0, "description": "The most basal slice of the left cavity at end-diastole that counts." },
            "ed_frame": frame_or_null("End-diastole then: a phase that is found may be another frame."),
            "es_frame": frame_or_null("End-systole then."),
            "edv_ml": number_or_null("End-diastolic volume."),
            "esv_ml": number_or_null("End-systolic volume."),
            "sv_ml": number_or_null("Stroke volume."),
            "ef_percent": number_or_null("Ejection fraction."),
            "ed_mass_g": number_or_null("Mass of the wall at end-diastole."),
            "es_mass_g": number_or_null("Mass of the wall at end-systole."),
            "right_ventricle": right_without,
        }),
    );
    without_basal_slice["description"] = json!(
        "What `excluded_slices` with this slice would make of the numbers of both ventricles: how much hangs on whether the slice is ventricle. Absent where there are no phases or no other slice."
    );
    let myocardium = object(
        &["ed_mass_g", "es_mass_g"],
        json!({
            "ed_mass_g": number_or_null("At end-diastole."),
            "es_mass_g": number_or_null("At end-systole."),
            "ed_mass_g_per_m2": number_or_null("At end-diastole per body surface area."),
            "es_mass_g_per_m2": number_or_null("At end-systole per body surface area."),
            "wall_thickness_mm": reference("Segments"),
            "es_wall_thickness_mm": reference("Segments"),
            "wall_thickening_percent": reference("Segments"),
            "segments": { "type": "array", "items": segment_place, "description": "Which segments these are, in the order of the values, and where a bull's-eye shows them." },
            "segments_note": { "type": "string", "description": "What is doubtful about the segments, or why none is known." },
        }),
    );
    let report = object(
        &[
            "title",
            "intended_use",
            "guideline",
            "guideline_note",
            "what_if",
            "study",
            "segmentation",
            "metrics",
            "interval_note",
            "card",
            "fields",
            "pictures",
        ],
        json!({
            "title": { "type": "string" },
            "intended_use": { "type": "string" },
            "guideline": { "type": "string", "description": "Whose tables give the order of the fields." },
            "guideline_note": { "type": "string", "description": "What that order is, and what it is not." },
            "what_if": { "type": "boolean", "description": "Whether the request told phases or rules that are not those of the revision: then nobody has reviewed these numbers, and they are not kept." },
            "study": reference("Study"),
            "segmentation": reference("Segmentation"),
            "metrics": reference("Metrics"),
            "interval_note": { "type": "string", "description": "Why numbers have intervals, or have none." },
            "card": { "type": ["object", "null"], "description": "What the card of the model says of its use; null when the package is not there any more.", "properties": {
                "title": { "type": ["string", "null"] },
                "licence": { "type": "string", "description": "Of the weights." },
                "intended_use": { "type": "string" },
                "limits": { "type": "array", "items": { "type": "string" } },
                "has_intervals": { "type": "boolean" },
            } },
            "fields": list_of("ReportField"),
            "pictures": list_of("ReportPicture"),
        }),
    );
    let report_field = object(
        &[
            "table",
            "section",
            "field",
            "level",
            "state",
            "text",
            "quantities",
        ],
        json!({
            "table": { "type": ["integer", "null"], "enum": [1, 2, null], "description": "Of the guideline; null for what stands in neither." },
            "section": { "type": "string" },
            "field": { "type": "string" },
            "level": { "type": "string", "enum": ["recommended", "if_acquired", "optional"] },
            "state": { "type": "string", "enum": ["given", "missing", "not_assessed", "left_to_physician"] },
            "text": { "type": ["string", "null"] },
            "quantities": { "type": "array", "items": { "type": "string" }, "description": "The numbers that say it, as paths in the metrics." },
        }),
    );
    let report_picture = object(
        &[
            "phase",
            "level",
            "frame",
            "slice",
            "media_type",
            "encoding",
            "data",
        ],
        json!({
            "phase": { "type": "string", "enum": ["ed", "es", "frame"] },
            "level": { "type": "string", "enum": ["base", "mid", "apex"] },
            "frame": { "type": "integer", "minimum": 0 },
            "slice": { "type": "integer", "minimum": 0 },
            "media_type": { "type": "string", "enum": ["image/png"] },
            "encoding": { "type": "string", "enum": ["base64"] },
            "data": { "type": "string", "contentEncoding": "base64" },
        }),
    );
    json!({
        "Problem": {
            "type": "object",
            "description": "RFC 9457. Members beside the standard ones name the field, parameter, role or limit that is meant.",
            "required": ["type", "title", "status", "detail", "request_id"],
            "properties": {
                "type": { "type": "string", "format": "uri-reference" },
                "title": { "type": "string" },
                "status": { "type": "integer", "minimum": 400, "maximum": 599 },
                "detail": { "type": "string", "description": "What was found, what was expected, what to do." },
                "request_id": { "type": "string" },
                "field": { "type": "string" },
                "parameter": { "type": "string" },
                "role": { "type": "string" },
                "code": { "type": "string", "description": "A stable name of the reason, finer than the type." },
                "limit_bytes": { "type": "integer" },
            },
        },
        "ProblemKind": object(&["type", "title", "status", "meaning", "remedy"], json!({
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "meaning": { "type": "string" },
            "remedy": { "type": "string" },
        })),
        "ProblemKindList": object(&["items"], json!({ "items": list_of("ProblemKind") })),
        "Subject": { "type": "object", "description": "Facts that were told or that the header of DICOM files holds; absent or null where they are not known.", "properties": known },
        "Deidentification": object(&["profile", "removed"], json!({
            "profile": { "type": "string", "description": "By which rules: for DICOM the basic profile of PS3.15, annex E, with the option to retain patient characteristics." },
            "removed": { "type": "array", "items": { "type": "string" }, "description": "What was there and is not kept: tags of DICOM attributes such as (0010,0010), or names of fields of a NIfTI header such as descrip, and extensions. Never values." },
            "further": { "type": "integer", "minimum": 1, "description": "How many more values were removed than are listed." },
            "burned_in": { "type": "array", "items": { "type": "string" }, "description": "DICOM: tags of the attributes that say there may be text or a face in the pixels, which are kept as they are." },
        })),
        "Shape": object(&["frames", "slices", "rows", "columns"], json!({
            "frames": { "type": "integer", "minimum": 1 },
            "slices": { "type": "integer", "minimum": 1 },
            "rows": { "type": "integer", "minimum": 1 },
            "columns": { "type": "integer", "minimum": 1 },
        })),
        "Spacing": object(&["row", "column", "slice"], json!({
            "row": { "type": "number", "exclusiveMinimum": 0, "description": "From row to row." },
            "column": { "type": "number", "exclusiveMinimum": 0, "description": "From column to column (pixdim[1], where slices lie along the third axis of the file)." },
            "slice": { "type": "number", "exclusiveMinimum": 0, "description": "From slice to slice." },
        })),
        "Warning": object(&["code", "detail"], json!({
            "code": { "type": "string", "description": "Stable, for instance sform_unit_matrix, or series_chosen where several series of DICOM were sent." },
            "detail": { "type": "string", "description": "What was found, what was believed and why." },
        })),
        "Source": object(&["format", "sha256", "bytes"], json!({
            "format": { "type": "string", "description": "nifti-1 or nifti-2, with +gzip where it was compressed; dicom." },
            "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Of the file as it was sent. Of several DICOM files, however they were packed: of their digests in hexadecimal, sorted, one a line, as `sha256sum FILES | cut -c-64 | sort | sha256sum` makes it." },
            "bytes": { "type": "integer", "minimum": 1, "description": "Length of the file as it was sent; of several DICOM files, all together." },
            "sop_class": { "type": "string", "description": "DICOM: SOPClassUID (0008,0016)." },
            "modality": { "type": "string", "description": "DICOM: Modality (0008,0060)." },
            "manufacturer": { "type": "string", "description": "DICOM: Manufacturer (0008,0070)." },
            "magnetic_field_t": { "type": "number", "description": "DICOM: MagneticFieldStrength (0018,0087) in tesla." },
        })),
        "Study": object(
            &["id", "created_at", "label", "consent", "shape", "spacing_mm", "frame_ms", "source", "subject", "warnings", "links"],
            json!({
                "id": { "type": ["string", "null"], "description": "Null in a one shot, where nothing is kept." },
                "created_at": time(),
                "label": { "type": ["string", "null"] },
                "consent": { "type": "string", "enum": ["none", "research"] },
                "shape": reference("Shape"),
                "spacing_mm": reference("Spacing"),
                "frame_ms": number_or_null("Time from frame to frame. DICOM: the median over the slices of the length of the beat over the number of frames, or of the distance of trigger times where the two disagree."),
                "source": reference("Source"),
                "subject": reference("Subject"),
                "deidentification": reference("Deidentification"),
                "warnings": list_of("Warning"),
                "links": { "type": "object", "additionalProperties": { "type": "string", "format": "uri-reference" } },
            }),
        ),
        "StudyList": page_of("Study"),
        "StudyPatch": { "type": "object", "additionalProperties": false, "minProperties": 1, "properties": patch },
        "SegmentationRequest": { "type": "object", "additionalProperties": false, "properties": {
            "model": { "type": "string", "description": "name or name@version. Left out: the active version of the default model." },
            "precision": { "type": "string", "enum": PRECISIONS, "description": "The precision that the model is to be computed in; /api/v1/models says which run here. Left out: the one of the configuration." },
            "frames": { "description": "Left out: all.", "oneOf": [
                { "type": "string", "enum": ["all"] },
                { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 1, "uniqueItems": true },
            ] },
        } },
        "ModelUsed": object(&["name", "version", "digest", "component_digest", "engine", "device", "precision"], json!({
            "name": { "type": "string" },
            "version": { "type": "string" },
            "digest": digest(),
            "component_digest": { "type": ["string", "null"], "description": "Of the component that ran the model; null where the host cannot tell." },
            "engine": { "type": "string" },
            "device": { "type": "string" },
            "precision": { "type": "string", "description": "Of the arithmetic as it was: fp32, bf16 or int8." },
        })),
        "Check": object(&["code", "passed", "detail"], json!({
            "code": { "type": "string" },
            "passed": { "type": "boolean" },
            "value": number_or_null("What was found."),
            "limit": number_or_null("What was allowed."),
            "detail": { "type": "string" },
        })),
        "Quality": object(&["verdict", "checks"], json!({
            "verdict": { "type": "string", "enum": ["pass", "review", "reject"] },
            "checks": list_of("Check"),
            "score": number_or_null("From 0, useless, to 1: the mean Dice that the masks at end-diastole and end-systole are thought to have."),
            "score_reason": { "type": "string", "description": "Why there is no score, where the model would say." },
        })),
        "Timings": object(&["decode", "preprocess", "inference", "postprocess", "total"], json!({
            "decode": { "type": "number", "minimum": 0 },
            "preprocess": { "type": "number", "minimum": 0 },
            "inference": { "type": "number", "minimum": 0 },
            "postprocess": { "type": "number", "minimum": 0 },
            "total": { "type": "number", "minimum": 0 },
        })),
        "Segmentation": object(
            &["id", "study_id", "created_at", "revision", "model", "labels", "frames", "ed_frame", "es_frame", "warnings", "quality", "timings_ms"],
            json!({
                "id": { "type": ["string", "null"], "description": "Null in a one shot, where nothing is kept." },
                "study_id": { "type": ["string", "null"] },
                "created_at": time(),
                "revision": { "type": "integer", "minimum": 1 },
                "model": reference("ModelUsed"),
                "labels": { "description": "Code of each label in the mask." },
                "frames": { "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": "The frames of the study that were segmented." },
                "excluded_slices": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                "ed_frame": frame_or_null("End-diastole of the left ventricle."),
                "es_frame": frame_or_null("End-systole of the left ventricle."),
                "told": object(&["ed_frame", "es_frame"], json!({
                    "ed_frame": frame_or_null("Told for this segmentation."),
                    "es_frame": frame_or_null("Told for this segmentation."),
                })),
                "basal_rule": { "type": "string", "description": "Which basal slices count." },
                "bsa_formula": { "type": "string", "description": "How body surface area is worked out." },
                "corrected": { "description": "What a person changed; null in the first revision.", "oneOf": [reference("Corrected"), { "type": "null" }] },
                "warnings": { "type": "array", "items": reference("Warning"), "description": "shown_turned: slices were shown to the model turned or mirrored, and the detail says how; masks lie as the file does all the same." },
                "quality": reference("Quality"),
                "review": { "description": "Of this revision; null until there is one.", "oneOf": [reference("Review"), { "type": "null" }] },
                "timings_ms": reference("Timings"),
                "links": { "type": "object", "additionalProperties": { "type": "string", "format": "uri-reference" } },
            }),
        ),
        "SegmentationList": page_of("Segmentation"),
        "EncodedFile": object(&["media_type", "encoding", "data"], json!({
            "media_type": { "type": "string" },
            "encoding": { "type": "string", "enum": ["base64"] },
            "data": { "type": "string", "contentEncoding": "base64" },
        })),
        "Preview": object(&["frame", "slice", "media_type", "encoding", "data"], json!({
            "frame": { "type": "integer", "minimum": 0 },
            "slice": { "type": "integer", "minimum": 0 },
            "media_type": { "type": "string", "enum": ["image/png"] },
            "encoding": { "type": "string", "enum": ["base64"] },
            "data": { "type": "string", "contentEncoding": "base64" },
        })),
        "OneShot": object(&["study", "segmentation", "metrics", "mask", "previews"], json!({
            "study": reference("Study"),
            "segmentation": reference("Segmentation"),
            "metrics": reference("Metrics"),
            "mask": reference("EncodedFile"),
            "previews": list_of("Preview"),
        })),
        "Phases": object(&["ed_frame", "es_frame", "method"], json!({
            "ed_frame": frame_or_null("Largest cavity of the left ventricle, unless told."),
            "es_frame": frame_or_null("Smallest cavity of the left ventricle, unless told."),
            "method": { "type": "string" },
            "right_ventricle": object(&["ed_frame", "es_frame"], json!({
                "ed_frame": frame_or_null("Of the right ventricle."),
                "es_frame": frame_or_null("Of the right ventricle."),
            })),
            "runner_up": { "type": ["object", "null"] },
        })),
        "Segments": segments,
        "Reference": range,
        "Ventricle": object(&["edv_ml", "esv_ml", "sv_ml", "ef_percent"], ventricle),
        "Metrics": object(
            &["phases", "left_ventricle", "right_ventricle", "myocardium", "curve", "conventions", "quality"],
            json!({
                "phases": reference("Phases"),
                "left_ventricle": reference("Ventricle"),
                "right_ventricle": reference("Ventricle"),
                "myocardium": myocardium,
                "without_basal_slice": without_basal_slice,
                "curve": volume_curve,
                "body": { "type": ["object", "null"], "properties": {
                    "bsa_m2": number_or_null("Body surface area."),
                    "formula": { "type": ["string", "null"] },
                } },
                "conventions": conventions,
                "reference": list_of("Reference"),
                "intervals": list_of("Interval"),
                "intervals_reason": { "type": "string", "description": "Why some numbers have none, where the model would say." },
                "quality": reference("Quality"),
            }),
        ),
        "Interval": interval,
        "Report": report,
        "ReportField": report_field,
        "ReportPicture": report_picture,
        "Agreement": agreement,
        "Comparison": object(&["right_ventricle", "myocardium", "left_ventricle"], json!({
            "right_ventricle": reference("Agreement"),
            "myocardium": reference("Agreement"),
            "left_ventricle": reference("Agreement"),
        })),
        "ModelVersion": model_version,
        "ModelVariant": model_variant,
        "Model": object(&["name", "active_version", "versions", "unreadable"], json!({
            "name": { "type": "string" },
            "active_version": { "type": ["string", "null"] },
            "versions": list_of("ModelVersion"),
            "unreadable": unreadable,
        })),
        "Shadow": shadow,
        "ShadowRequest": { "type": "object", "additionalProperties": false, "required": ["version"], "properties": {
            "version": { "type": "string", "description": "A version of the model that is not the active one." },
        } },
        "ModelList": object(&["items"], json!({ "items": list_of("Model") })),
        "AuditEntry": audit_entry,
        "AuditList": page_of("AuditEntry"),
        "Health": health,
    })
}
