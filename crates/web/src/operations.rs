//! The table of operations: every method and path of the service with its role, what it takes and what it gives. Routing, `Allow`, role
//! checks, query checks and the OpenAPI document are made from it; nothing else lists routes.

use http::Method;

use crate::ProblemKind::{self, *};
use crate::Role::{self, *};

/// Where the API starts.
pub const API: &str = "/api/v1";
/// JSON.
pub const JSON: &str = "application/json";
/// A NIfTI file in gzip, as masks and volumes are sent.
pub const NIFTI: &str = "application/x-nifti";
/// The same bytes by their outer layer.
pub const GZIP: &str = "application/gzip";
/// Server-sent events.
pub const SSE: &str = "text/event-stream";
/// Comma-separated values.
pub const CSV: &str = "text/csv";
/// PNG.
pub const PNG: &str = "image/png";
/// HTML.
pub const HTML: &str = "text/html";
/// Zip archive.
pub const ZIP: &str = "application/zip";

/// The header in which answers about a segmentation tell its verdict: `pass`, `review` or `reject`.
pub const VERDICT: &str = "x-cinecor-verdict";
/// The longest note of a review, in characters.
pub const REVIEW_NOTE_CHARS: usize = 2000;
/// The header by which a change is made only to what the caller saw.
const IF_MATCH: Parameter = Parameter {
    name: "If-Match",
    place: Place::Header,
    kind: ValueKind::Text { max_chars: 1000 },
    about: "The `ETag` of the segmentation or of its mask, as they are now: where either has changed, nothing is done (412). Left out: the change is made to whatever is there.",
};

/// The same of a study.
const STUDY_IF_MATCH: Parameter = Parameter {
    about: "The `ETag` of the study as it is now: where it has changed, nothing is done (412). Left out: it is done to whatever is there.",
    ..IF_MATCH
};

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path; a value of another form means that nothing is there (404).
    Path,
    /// In the query; a wrong value is a 400.
    Query,
    /// A fact of the study, in the query or as a form field; a wrong value is a 422.
    Fact,
    /// In a header, which the HTTP standard defines.
    Header,
}

/// What a parameter's value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueKind {
    /// 32 lower-case hexadecimal digits.
    Id,
    /// A name of a model or problem: lower-case letters, digits, `-`, `_`, `.`; at most 64.
    Name,
    /// A version of a model: letters, digits, `-`, `+`, `.`; at most 64.
    Version,
    /// `name` or `name@version`.
    ModelReference,
    /// A whole number in a range, digits only.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A finite number in a range.
    Number {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Different whole numbers of a range, separated by commas.
    Integers {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// A word that may stand in their place.
        or_word: Option<&'static str>,
    },
    /// A text of at most so many characters.
    Text {
        /// Most characters.
        max_chars: usize,
    },
}

impl ValueKind {
    /// Whether a text is a value of this kind.
    pub fn takes(&self, text: &str) -> bool {
        let name_like = |text: &str, extra: &str, upper: bool| {
            let letter = |byte: u8| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || (upper && byte.is_ascii_uppercase())
            };
            (1..=64).contains(&text.len())
                && text.bytes().next().is_some_and(letter)
                && text
                    .bytes()
                    .all(|byte| letter(byte) || extra.as_bytes().contains(&byte))
        };
        match *self {
            ValueKind::Id => {
                text.len() == 32
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            }
            ValueKind::Name => name_like(text, "-_.", false),
            ValueKind::Version => name_like(text, "-+.", true),
            ValueKind::ModelReference => match text.split_once('@') {
                Some((name, version)) => {
                    ValueKind::Name.takes(name) && ValueKind::Version.takes(version)
                }
                None => ValueKind::Name.takes(text),
            },
            ValueKind::Integer { min, max } => {
                whole(text).is_some_and(|value| (min..=max).contains(&value))
            }
            ValueKind::Number { min, max } => text
                .parse::<f64>()
                .is_ok_and(|value| (min..=max).contains(&value)),
            ValueKind::Choice(words) => words.contains(&text),
            ValueKind::Integers { min, max, or_word } => {
                if or_word == Some(text) {
                    return true;
                }
                let values: Option<Vec<u64>> = text.split(',').map(whole).collect();
                values.is_some_and(|values| {
                    values.iter().enumerate().all(|(at, value)| {
                        (min..=max).contains(value)
                            && !values.iter().take(at).any(|before| before == value)
                    })
                })
            }
            ValueKind::Text { max_chars } => {
                text.chars().count() <= max_chars && !text.chars().any(char::is_control)
            }
        }
    }

    /// What it takes, in words for a refusal.
    pub fn in_words(&self) -> String {
        match self {
            ValueKind::Id => "32 lower-case hexadecimal digits".to_owned(),
            ValueKind::Name => {
                "1 to 64 lower-case letters, digits, dashes, underscores or dots".to_owned()
            }
            ValueKind::Version => "1 to 64 letters, digits, dashes, pluses or dots".to_owned(),
            ValueKind::ModelReference => "the name of a model, or name@version".to_owned(),
            ValueKind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            ValueKind::Number { min, max } => format!("a number from {min} to {max}"),
            ValueKind::Choice(words) => words.join(" or "),
            ValueKind::Integers { min, max, or_word } => {
                let word = or_word.map_or_else(String::new, |word| format!("{word}, or "));
                format!("{word}different whole numbers from {min} to {max}, separated by commas")
            }
            ValueKind::Text { max_chars } => format!("at most {max_chars} characters"),
        }
    }
}

/// A whole number written in at most nine digits: no sign, no point, and it fits every integer type that it is later put into.
fn whole(text: &str) -> Option<u64> {
    ((1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// A parameter of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it takes.
    pub kind: ValueKind,
    /// What it is, in a sentence.
    pub about: &'static str,
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// JSON of the schema with this name; may be left out where `required` is false.
    Json {
        /// Name of the schema.
        schema: &'static str,
        /// Whether it has to be there.
        required: bool,
    },
    /// A volume or mask: raw, or a form with a file and the operation's facts.
    Volume,
    /// A form of two masks, `reference` and `prediction`.
    MaskPair,
    /// A model package as a zip archive.
    Package,
}

/// A good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Success {
    /// Its status.
    pub status: u16,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// The forms in which it exists, with the names of their schemas. `binary` and `text` are no JSON.
    pub forms: &'static [(&'static str, &'static str)],
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// A stable name.
    pub id: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with names in braces.
    pub path: &'static str,
    /// The role that it needs; `None` needs no key.
    pub role: Option<Role>,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else a caller should know.
    pub about: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Its body.
    pub body: Body,
    /// Its good answers.
    pub success: &'static [Success],
    /// The refusals that a caller can bring about, besides those that follow from the role, the parameters and the body.
    pub problems: &'static [ProblemKind],
}

impl Operation {
    /// The operation with this id.
    pub fn with_id(id: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.id == id)
    }

    /// The media types of its good answers, in the order in which they are preferred.
    pub fn offers(&self) -> Vec<&'static str> {
        let mut offers = Vec::new();
        for (media, _) in self.success.iter().flat_map(|success| success.forms) {
            if !offers.contains(media) {
                offers.push(*media);
            }
        }
        offers
    }

    /// Every refusal that a caller can bring about.
    pub fn refusals(&self) -> Vec<ProblemKind> {
        let mut kinds = self.problems.to_vec();
        match self.role {
            None => {}
            // Every key may read.
            Some(Reader) => kinds.push(Unauthenticated),
            Some(_) => kinds.extend([Unauthenticated, Forbidden]),
        }
        // Every query is checked, also where no parameter is known.
        kinds.push(InvalidParameter);
        if self
            .parameters
            .iter()
            .any(|parameter| parameter.place == Place::Path)
        {
            kinds.push(NotFound);
        }
        if self
            .parameters
            .iter()
            .any(|parameter| parameter.place == Place::Fact)
        {
            kinds.push(InvalidField);
        }
        if !self.offers().is_empty() {
            kinds.push(NotAcceptable);
        }
        match self.body {
            Body::None => {}
            Body::Json { .. } => kinds.extend([
                MalformedRequest,
                BodyStalled,
                BodyTooLarge,
                UnsupportedMediaType,
                InvalidField,
            ]),
            Body::Package => kinds.extend([
                MalformedRequest,
                BodyStalled,
                BodyTooLarge,
                UnsupportedMediaType,
                InvalidPackage,
            ]),
            Body::Volume | Body::MaskPair => {
                kinds.extend([
                    MalformedRequest,
                    BodyStalled,
                    BodyTooLarge,
                    VolumeTooLarge,
                    UnsupportedMediaType,
                    InvalidVolume,
                ]);
            }
        }
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

const fn path(name: &'static str, kind: ValueKind, about: &'static str) -> Parameter {
    Parameter {
        name,
        place: Place::Path,
        kind,
        about,
    }
}

const fn query(name: &'static str, kind: ValueKind, about: &'static str) -> Parameter {
    Parameter {
        name,
        place: Place::Query,
        kind,
        about,
    }
}

const fn fact(name: &'static str, kind: ValueKind, about: &'static str) -> Parameter {
    Parameter {
        name,
        place: Place::Fact,
        kind,
        about,
    }
}

const STUDY: Parameter = path("id", ValueKind::Id, "The study.");
const SEGMENTATION: Parameter = path("sid", ValueKind::Id, "The segmentation.");
const SLICE: Parameter = path(
    "slice",
    ValueKind::Integer {
        min: 0,
        max: 999_999,
    },
    "The slice, from 0.",
);
const MODEL_NAME: Parameter = path("name", ValueKind::Name, "The model.");
const MODEL_VERSION: Parameter = path("version", ValueKind::Version, "The version.");
const FRAME: Parameter = query(
    "frame",
    ValueKind::Integer {
        min: 0,
        max: 999_999,
    },
    "The frame, from 0. Left out: the first.",
);
const WINDOW_CENTER: Parameter = query(
    "window_center",
    ValueKind::Number {
        min: -1e9,
        max: 1e9,
    },
    "Grey value that is drawn as middle grey. Left out together with window_width: chosen from the frame.",
);
const WINDOW_WIDTH: Parameter = query(
    "window_width",
    ValueKind::Number {
        min: 1e-6,
        max: 1e9,
    },
    "Range of grey values from black to white.",
);
const WIDTH: Parameter = query(
    "width",
    ValueKind::Integer { min: 1, max: 2048 },
    "Width of the picture in pixels. Left out: one pixel a column.",
);
const MODEL: Parameter = query(
    "model",
    ValueKind::ModelReference,
    "The model, or name@version. Left out: the active version of the default model.",
);
/// The precisions that a graph may be computed in, as cards, settings and answers name them.
pub const PRECISIONS: &[&str] = &["fp32", "bf16", "int8"];

const PRECISION: Parameter = query(
    "precision",
    ValueKind::Choice(PRECISIONS),
    "The precision that the model is to be computed in; /api/v1/models says which run here. Left out: the one of the configuration. In a form it comes before the file.",
);
const REVISION: Parameter = query(
    "revision",
    ValueKind::Integer {
        min: 1,
        max: 999_999,
    },
    "The revision, from 1. Left out: the last.",
);
const MARK: Parameter = query(
    "verdict",
    ValueKind::Choice(&["mark", "none"]),
    "Whether a picture with labels is marked in its upper left corner where the verdict is not pass: a yellow triangle for review, a purple cross for reject. Left out: mark.",
);
const FRAMES: Parameter = query(
    "frames",
    ValueKind::Integers {
        min: 0,
        max: 999_999,
        or_word: Some("all"),
    },
    "The frames to segment, from 0. Left out: all.",
);

const BSA_FORMULA: Parameter = query(
    "bsa_formula",
    ValueKind::Choice(&["mosteller", "dubois"]),
    "How body surface area is worked out. Left out: mosteller.",
);
const BASAL_RULE: Parameter = query(
    "basal_rule",
    ValueKind::Choice(&["as_segmented", "mostly_enclosed"]),
    "Which slices count to the left ventricle at the base: all that are labelled, or those whose cavity the wall borders over half of its outline. Left out: as_segmented.",
);
const EXCLUDED_SLICES: Parameter = query(
    "excluded_slices",
    ValueKind::Integers {
        min: 0,
        max: 999_999,
        or_word: Some("none"),
    },
    "Slices that count to no volume, wall thickness or diameter, from 0. Left out: those that are kept, where there are any.",
);

const HEIGHT: Parameter = fact(
    "height_cm",
    ValueKind::Number {
        min: 20.0,
        max: 280.0,
    },
    "Height in cm.",
);
const WEIGHT: Parameter = fact(
    "weight_kg",
    ValueKind::Number {
        min: 0.3,
        max: 700.0,
    },
    "Weight in kg.",
);
const SEX: Parameter = fact(
    "sex",
    ValueKind::Choice(&["female", "male"]),
    "Sex, for reference values.",
);
const AGE: Parameter = fact(
    "age_years",
    ValueKind::Number {
        min: 0.0,
        max: 130.0,
    },
    "Age in years.",
);
const HEART_RATE: Parameter = fact(
    "heart_rate_bpm",
    ValueKind::Number {
        min: 10.0,
        max: 400.0,
    },
    "Heart beats per minute.",
);
const FRAME_MS: Parameter = fact(
    "frame_ms",
    ValueKind::Number {
        min: 1.0,
        max: 2000.0,
    },
    "Time from frame to frame in ms. Left out: that of the file.",
);
const ED_FRAME: Parameter = fact(
    "ed_frame",
    ValueKind::Integer {
        min: 0,
        max: 999_999,
    },
    "The end-diastolic frame, from 0, of both ventricles. Left out: found, of each.",
);
const ES_FRAME: Parameter = fact(
    "es_frame",
    ValueKind::Integer {
        min: 0,
        max: 999_999,
    },
    "The end-systolic frame, from 0, of both ventricles. Left out: found, of each.",
);
const LABEL: Parameter = fact(
    "label",
    ValueKind::Text { max_chars: 200 },
    "A name for the study that is no patient's name.",
);
const CONSENT: Parameter = fact(
    "consent",
    ValueKind::Choice(&["none", "research"]),
    "What the study may be used for beyond care. Left out: none.",
);

const fn ok(forms: &'static [(&'static str, &'static str)], about: &'static str) -> Success {
    Success {
        status: 200,
        about,
        forms,
    }
}

/// What every answer to a GET that has a tag can be.
const UNCHANGED: Success = Success {
    status: 304,
    about: "The caller has it already.",
    forms: &[],
};

/// Every operation.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        id: "segment",
        method: Method::POST,
        path: "/api/v1/segment",
        role: Some(Clinician),
        summary: "Segment and measure a volume without keeping it",
        about: "Nothing is stored. Accept decides the form: JSON with the mask inside, the mask file alone, or progress events that end with one `result` (the JSON) or one `problem`.",
        parameters: &[
            MODEL,
            PRECISION,
            FRAMES,
            query(
                "previews",
                ValueKind::Choice(&["true", "false"]),
                "Whether pictures of the middle slice come with the JSON. Left out: false.",
            ),
            MARK,
            BSA_FORMULA,
            BASAL_RULE,
            EXCLUDED_SLICES,
            HEIGHT,
            WEIGHT,
            SEX,
            AGE,
            HEART_RATE,
            FRAME_MS,
            ED_FRAME,
            ES_FRAME,
        ],
        body: Body::Volume,
        success: &[Success {
            status: 200,
            about: "The segmentation, its numbers and its mask.",
            forms: &[
                (JSON, "OneShot"),
                (NIFTI, "binary"),
                (GZIP, "binary"),
                (SSE, "OneShotEvents"),
            ],
        }],
        problems: &[NotMeasurable, ModelUnusable],
    },
    Operation {
        id: "create_study",
        method: Method::POST,
        path: "/api/v1/studies",
        role: Some(Clinician),
        summary: "Keep a volume as a study",
        about: "The volume is kept without what its header says beside what measuring needs; `deidentification` lists what was left out. The study exists from the 201 on, and before it nothing does.",
        parameters: &[
            LABEL, CONSENT, HEIGHT, WEIGHT, SEX, AGE, HEART_RATE, FRAME_MS, ED_FRAME, ES_FRAME,
        ],
        body: Body::Volume,
        success: &[Success {
            status: 201,
            about: "The study; `Location` says where it is.",
            forms: &[(JSON, "Study")],
        }],
        problems: &[Conflict],
    },
    Operation {
        id: "list_studies",
        method: Method::GET,
        path: "/api/v1/studies",
        role: Some(Reader),
        summary: "List studies, newest first",
        about: "",
        parameters: &[
            query(
                "limit",
                ValueKind::Integer { min: 1, max: 100 },
                "How many at most. Left out: 20.",
            ),
            query(
                "cursor",
                ValueKind::Text { max_chars: 128 },
                "`next_cursor` of the page before.",
            ),
        ],
        body: Body::None,
        success: &[ok(&[(JSON, "StudyList")], "A page of studies."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "get_study",
        method: Method::GET,
        path: "/api/v1/studies/{id}",
        role: Some(Reader),
        summary: "One study",
        about: "",
        parameters: &[STUDY],
        body: Body::None,
        success: &[ok(&[(JSON, "Study")], "The study."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "update_study",
        method: Method::PATCH,
        path: "/api/v1/studies/{id}",
        role: Some(Clinician),
        summary: "Change the subject facts, label or consent of a study",
        about: "Fields that are left out stay, `null` takes a fact away. Facts are told one by one or in `subject`, as the study shows them. Metrics asked for later use the new facts.",
        parameters: &[STUDY, STUDY_IF_MATCH],
        body: Body::Json {
            schema: "StudyPatch",
            required: true,
        },
        success: &[ok(&[(JSON, "Study")], "The study as it is now.")],
        problems: &[PreconditionFailed, Conflict],
    },
    Operation {
        id: "delete_study",
        method: Method::DELETE,
        path: "/api/v1/studies/{id}",
        role: Some(Steward),
        summary: "Delete a study and all that was derived from it",
        about: "The volume, its segmentations and its numbers are gone from the files on disk too when the answer comes. That it was deleted, by whom and when, stays in the audit.",
        parameters: &[STUDY, STUDY_IF_MATCH],
        body: Body::None,
        success: &[Success {
            status: 204,
            about: "It is gone.",
            forms: &[],
        }],
        problems: &[PreconditionFailed, Conflict],
    },
    Operation {
        id: "get_study_volume",
        method: Method::GET,
        path: "/api/v1/studies/{id}/volume.nii.gz",
        role: Some(Reader),
        summary: "The volume of a study, without what could identify a patient",
        about: "Takes `Range` and `If-None-Match`.",
        parameters: &[STUDY],
        body: Body::None,
        success: &[
            ok(
                &[(NIFTI, "binary"), (GZIP, "binary")],
                "The volume, in the number type that it came in.",
            ),
            Success {
                status: 206,
                about: "The part that `Range` asks for.",
                forms: &[(NIFTI, "binary"), (GZIP, "binary")],
            },
            UNCHANGED,
        ],
        problems: &[RangeNotSatisfiable],
    },
    Operation {
        id: "get_study_slice",
        method: Method::GET,
        path: "/api/v1/studies/{id}/slices/{slice}.png",
        role: Some(Reader),
        summary: "A slice as a greyscale picture",
        about: "Pixel (c, r) is voxel x = c, y = r at the native width, unless the study has the warning `axes_exchanged`, which says along which axes of the file columns and rows lie.",
        parameters: &[STUDY, SLICE, FRAME, WINDOW_CENTER, WINDOW_WIDTH, WIDTH],
        body: Body::None,
        success: &[ok(&[(PNG, "binary")], "The picture."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "create_segmentation",
        method: Method::POST,
        path: "/api/v1/studies/{id}/segmentations",
        role: Some(Clinician),
        summary: "Segment a study",
        about: "The same study, frames, model, component, engine, device and precision again give the segmentation that exists (200). As events: `progress`, then one `result` or one `problem`.",
        parameters: &[STUDY],
        body: Body::Json {
            schema: "SegmentationRequest",
            required: false,
        },
        success: &[
            Success {
                status: 201,
                about: "The segmentation; `Location` says where it is.",
                forms: &[(JSON, "Segmentation")],
            },
            Success {
                status: 200,
                about: "It existed already, or events follow.",
                forms: &[(JSON, "Segmentation"), (SSE, "SegmentationEvents")],
            },
        ],
        problems: &[Conflict, NotMeasurable, ModelUnusable],
    },
    Operation {
        id: "list_segmentations",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations",
        role: Some(Reader),
        summary: "List the segmentations of a study, newest first",
        about: "",
        parameters: &[
            STUDY,
            query(
                "limit",
                ValueKind::Integer { min: 1, max: 100 },
                "How many at most. Left out: 20.",
            ),
            query(
                "cursor",
                ValueKind::Text { max_chars: 128 },
                "`next_cursor` of the page before.",
            ),
        ],
        body: Body::None,
        success: &[
            ok(&[(JSON, "SegmentationList")], "A page of segmentations."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "get_segmentation",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations/{sid}",
        role: Some(Reader),
        summary: "One segmentation",
        about: "In its last revision, or in the one that is asked for.",
        parameters: &[STUDY, SEGMENTATION, REVISION],
        body: Body::None,
        success: &[
            ok(&[(JSON, "Segmentation")], "The segmentation."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "update_segmentation",
        method: Method::PATCH,
        path: "/api/v1/studies/{id}/segmentations/{sid}",
        role: Some(Clinician),
        summary: "Tell phases and rules of a segmentation",
        about: "Makes a new revision, whose numbers are worked out under them. What is left out stays. `null` takes a told phase back, or goes back to the usual rule. Where all is as it was there is no new revision, and a review stays. Wrong values are refused before anything changes.",
        parameters: &[STUDY, SEGMENTATION, IF_MATCH],
        body: Body::Json {
            schema: "SegmentationPatch",
            required: true,
        },
        success: &[ok(
            &[(JSON, "Segmentation")],
            "The segmentation in its new revision.",
        )],
        problems: &[PreconditionFailed, Conflict],
    },
    Operation {
        id: "list_revisions",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations/{sid}/revisions",
        role: Some(Reader),
        summary: "The history of a segmentation, the last revision first",
        about: "Who changed what and when, and every review.",
        parameters: &[
            STUDY,
            SEGMENTATION,
            query(
                "limit",
                ValueKind::Integer { min: 1, max: 100 },
                "How many at most. Left out: 20.",
            ),
            query(
                "cursor",
                ValueKind::Text { max_chars: 128 },
                "`next_cursor` of the page before.",
            ),
        ],
        body: Body::None,
        success: &[
            ok(&[(JSON, "RevisionList")], "A page of revisions."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "review_segmentation",
        method: Method::POST,
        path: "/api/v1/studies/{id}/segmentations/{sid}/review",
        role: Some(Clinician),
        summary: "Approve or reject a segmentation",
        about: "The review is of the last revision; a later correction is reviewed anew. Of several of one revision the last holds, and all are kept.",
        parameters: &[STUDY, SEGMENTATION, IF_MATCH],
        body: Body::Json {
            schema: "ReviewRequest",
            required: true,
        },
        success: &[ok(
            &[(JSON, "Segmentation")],
            "The segmentation with its review.",
        )],
        problems: &[PreconditionFailed, Conflict],
    },
    Operation {
        id: "delete_segmentation",
        method: Method::DELETE,
        path: "/api/v1/studies/{id}/segmentations/{sid}",
        role: Some(Clinician),
        summary: "Delete a segmentation",
        about: "With every revision and review of it.",
        parameters: &[STUDY, SEGMENTATION, IF_MATCH],
        body: Body::None,
        success: &[Success {
            status: 204,
            about: "It is gone.",
            forms: &[],
        }],
        problems: &[PreconditionFailed, Conflict],
    },
    Operation {
        id: "get_mask",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz",
        role: Some(Reader),
        summary: "The mask of a segmentation",
        about: "uint8 on the grid, spacing and affine of the input: 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle. Takes `Range` and `If-None-Match`.",
        parameters: &[
            STUDY,
            SEGMENTATION,
            query(
                "frame",
                ValueKind::Integer {
                    min: 0,
                    max: 999_999,
                },
                "One frame of the study alone, as a 3-D file.",
            ),
            REVISION,
        ],
        body: Body::None,
        success: &[
            ok(&[(NIFTI, "binary"), (GZIP, "binary")], "The mask."),
            Success {
                status: 206,
                about: "The part that `Range` asks for.",
                forms: &[(NIFTI, "binary"), (GZIP, "binary")],
            },
            UNCHANGED,
        ],
        problems: &[RangeNotSatisfiable],
    },
    Operation {
        id: "put_mask",
        method: Method::PUT,
        path: "/api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz",
        role: Some(Clinician),
        summary: "Correct the mask of a segmentation",
        about: "A NIfTI file on the study's grid with the labels of the mask, of every frame of the segmentation in their order or of the one frame that is asked for. Makes a new revision with numbers and checks of its own; the ones before stay. Frames that are as the model made them count as the model's, also where somebody drew them before. A frame that a person drew has no intervals, and a revision with one no score: what the model said is of its own masks.",
        parameters: &[
            STUDY,
            SEGMENTATION,
            query(
                "frame",
                ValueKind::Integer {
                    min: 0,
                    max: 999_999,
                },
                "The one frame of the study that the file holds. Left out: all of the segmentation's frames.",
            ),
            IF_MATCH,
        ],
        body: Body::Volume,
        success: &[ok(
            &[(JSON, "Segmentation")],
            "The segmentation in its new revision.",
        )],
        problems: &[PreconditionFailed, Conflict, InvalidField, NotMeasurable],
    },
    Operation {
        id: "get_metrics",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations/{sid}/metrics",
        role: Some(Reader),
        summary: "The numbers of a segmentation",
        about: "Uses the subject facts that the study has now. Rules and phases that are given hold for this answer.",
        parameters: &[
            STUDY,
            SEGMENTATION,
            REVISION,
            BSA_FORMULA,
            BASAL_RULE,
            EXCLUDED_SLICES,
            ED_FRAME,
            ES_FRAME,
        ],
        body: Body::None,
        success: &[
            ok(&[(JSON, "Metrics"), (CSV, "text")], "The numbers."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "get_report",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations/{sid}/report",
        role: Some(Reader),
        summary: "The report of a segmentation",
        about: "One HTML file to read, print and sign: no scripts, nothing outside it. Its fields stand in the order of tables 1 and 2 of the SCMR guidelines for reporting of 2022; what is missing or not assessed is said to be. As JSON the same report; as CSV its numbers with verdict, checks, rules, revision, review and model, as the metrics have them. Rules and phases that are given hold for this answer.",
        parameters: &[
            STUDY,
            SEGMENTATION,
            REVISION,
            BSA_FORMULA,
            BASAL_RULE,
            EXCLUDED_SLICES,
            ED_FRAME,
            ES_FRAME,
        ],
        body: Body::None,
        success: &[
            ok(
                &[(HTML, "text"), (JSON, "Report"), (CSV, "text")],
                "The report.",
            ),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "get_segmentation_slice",
        method: Method::GET,
        path: "/api/v1/studies/{id}/segmentations/{sid}/slices/{slice}.png",
        role: Some(Reader),
        summary: "A slice with its labels",
        about: "Pixel (c, r) is voxel x = c, y = r at the native width, unless the study has the warning `axes_exchanged`, which says along which axes of the file columns and rows lie. With labels, the file tells the verdict in a text chunk `Cinecor-Verdict` and is marked where it is not pass.",
        parameters: &[
            STUDY,
            SEGMENTATION,
            SLICE,
            FRAME,
            REVISION,
            MARK,
            query(
                "overlay",
                ValueKind::Choice(&["fill", "contour", "none"]),
                "How labels are drawn. Left out: contour.",
            ),
            query(
                "opacity",
                ValueKind::Number { min: 0.0, max: 1.0 },
                "Opacity of filled labels. Left out: 0.4.",
            ),
            query(
                "labels",
                ValueKind::Integers {
                    min: 1,
                    max: 3,
                    or_word: None,
                },
                "Which labels are drawn. Left out: all three.",
            ),
            WINDOW_CENTER,
            WINDOW_WIDTH,
            WIDTH,
        ],
        body: Body::None,
        success: &[ok(&[(PNG, "binary")], "The picture."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "measure",
        method: Method::POST,
        path: "/api/v1/measure",
        role: Some(Clinician),
        summary: "Measure a mask without keeping it",
        about: "The mask holds 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle.",
        parameters: &[
            BSA_FORMULA,
            BASAL_RULE,
            EXCLUDED_SLICES,
            HEIGHT,
            WEIGHT,
            SEX,
            AGE,
            HEART_RATE,
            FRAME_MS,
            ED_FRAME,
            ES_FRAME,
        ],
        body: Body::Volume,
        success: &[ok(&[(JSON, "Metrics"), (CSV, "text")], "The numbers.")],
        problems: &[],
    },
    Operation {
        id: "compare",
        method: Method::POST,
        path: "/api/v1/compare",
        role: Some(Clinician),
        summary: "Compare two masks",
        about: "Dice, Hausdorff distance, its 95th percentile, mean surface distance and volume error of each structure and frame. Both empty is null, one empty is Dice 0.",
        parameters: &[],
        body: Body::MaskPair,
        success: &[ok(&[(JSON, "Comparison")], "The agreement.")],
        problems: &[InvalidField, NotMeasurable],
    },
    Operation {
        id: "list_models",
        method: Method::GET,
        path: "/api/v1/models",
        role: Some(Reader),
        summary: "The models and their versions",
        about: "",
        parameters: &[],
        body: Body::None,
        success: &[ok(&[(JSON, "ModelList")], "The models."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "get_model",
        method: Method::GET,
        path: "/api/v1/models/{name}",
        role: Some(Reader),
        summary: "One model and its versions",
        about: "",
        parameters: &[MODEL_NAME],
        body: Body::None,
        success: &[
            ok(&[(JSON, "ModelList")], "A list of this one model."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "get_model_version",
        method: Method::GET,
        path: "/api/v1/models/{name}/versions/{version}",
        role: Some(Reader),
        summary: "A version of a model, or its package",
        about: "As application/zip the package itself: its card and its graphs.",
        parameters: &[MODEL_NAME, MODEL_VERSION],
        body: Body::None,
        success: &[
            ok(&[(JSON, "ModelVersion"), (ZIP, "binary")], "The version."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "put_model_version",
        method: Method::PUT,
        path: "/api/v1/models/{name}/versions/{version}",
        role: Some(Steward),
        summary: "Keep a model package as a version",
        about: "A zip archive of model.json and the files that it names, and nothing else. Before it is kept its card is read, its digests are checked, and its graph has to answer a warm-up inference in the shapes that the card declares. A refused package changes nothing. A version never changes: the same package again is a 200, another one a 409. It is not active until it is activated.",
        parameters: &[MODEL_NAME, MODEL_VERSION],
        body: Body::Package,
        success: &[
            Success {
                status: 201,
                about: "The version; `Location` says where it is.",
                forms: &[(JSON, "ModelVersion")],
            },
            ok(&[(JSON, "ModelVersion")], "It was there already."),
        ],
        problems: &[Conflict, Overloaded],
    },
    Operation {
        id: "delete_model_version",
        method: Method::DELETE,
        path: "/api/v1/models/{name}/versions/{version}",
        role: Some(Steward),
        summary: "Delete a version that was uploaded",
        about: "A 409 while it is active, and for versions that ship with the service. Requests under way that have begun with it finish with it.",
        parameters: &[MODEL_NAME, MODEL_VERSION],
        body: Body::None,
        success: &[Success {
            status: 204,
            about: "It is gone.",
            forms: &[],
        }],
        problems: &[Conflict],
    },
    Operation {
        id: "activate_model_version",
        method: Method::POST,
        path: "/api/v1/models/{name}/versions/{version}/activate",
        role: Some(Steward),
        summary: "Make a version the active one",
        about: "It has to answer a warm-up inference first. Requests under way finish on the version that they began with; every answer names exactly one digest.",
        parameters: &[MODEL_NAME, MODEL_VERSION],
        body: Body::None,
        success: &[ok(&[(JSON, "Model")], "The model as it is now.")],
        problems: &[Conflict, ModelUnusable, Overloaded],
    },
    Operation {
        id: "roll_back_model",
        method: Method::POST,
        path: "/api/v1/models/{name}/rollback",
        role: Some(Steward),
        summary: "Make the version active again that was active before",
        about: "It has to answer a warm-up inference first. Again and again, as far as versions are remembered and still there; a 409 when there is none to go back to.",
        parameters: &[MODEL_NAME],
        body: Body::None,
        success: &[ok(&[(JSON, "Model")], "The model as it is now.")],
        problems: &[Conflict, ModelUnusable, Overloaded],
    },
    Operation {
        id: "put_shadow",
        method: Method::PUT,
        path: "/api/v1/models/{name}/shadow",
        role: Some(Steward),
        summary: "Let a second version run beside the active one",
        about: "Each segmentation of a kept study that is made from now on is made by this version as well, at end-diastole and end-systole, once the answer has been sent. What it does, or fails at, touches no answer. It has to answer a warm-up inference first.",
        parameters: &[MODEL_NAME],
        body: Body::Json {
            schema: "ShadowRequest",
            required: true,
        },
        success: &[ok(
            &[(JSON, "Shadow")],
            "The shadow and what came of it so far.",
        )],
        problems: &[Conflict, InvalidField, ModelUnusable, Overloaded],
    },
    Operation {
        id: "get_shadow",
        method: Method::GET,
        path: "/api/v1/models/{name}/shadow",
        role: Some(Reader),
        summary: "The version beside the active one, and how the two agree",
        about: "For each study the Dice of each structure and the difference of the left ejection fraction, the latest first, 1,000 at most; `state` says whether the comparison is under way, done or failed. Without a shadow its version is null.",
        parameters: &[MODEL_NAME],
        body: Body::None,
        success: &[
            ok(&[(JSON, "Shadow")], "The shadow and what came of it."),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "delete_shadow",
        method: Method::DELETE,
        path: "/api/v1/models/{name}/shadow",
        role: Some(Steward),
        summary: "Let no second version run any more",
        about: "What came of it goes with it. Without a shadow nothing changes.",
        parameters: &[MODEL_NAME],
        body: Body::None,
        success: &[Success {
            status: 204,
            about: "There is none any more.",
            forms: &[],
        }],
        problems: &[Conflict],
    },
    Operation {
        id: "get_audit",
        method: Method::GET,
        path: "/api/v1/audit",
        role: Some(Steward),
        summary: "Who did what to which study, newest first",
        about: "Every entry holds the hash of the one before it. No pixels, no names of patients.",
        parameters: &[
            query(
                "limit",
                ValueKind::Integer { min: 1, max: 1000 },
                "How many at most. Left out: 100.",
            ),
            query(
                "cursor",
                ValueKind::Text { max_chars: 128 },
                "`next_cursor` of the page before.",
            ),
        ],
        body: Body::None,
        success: &[ok(&[(JSON, "AuditList")], "A page of entries."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "live",
        method: Method::GET,
        path: "/api/v1/health/live",
        role: None,
        summary: "Whether the service runs",
        about: "",
        parameters: &[],
        body: Body::None,
        success: &[ok(&[(JSON, "Health")], "It runs.")],
        problems: &[],
    },
    Operation {
        id: "ready",
        method: Method::GET,
        path: "/api/v1/health/ready",
        role: None,
        summary: "Whether the active model answers",
        about: "200 only after one inference on the active model.",
        parameters: &[],
        body: Body::None,
        success: &[ok(&[(JSON, "Health")], "The active model has answered.")],
        problems: &[NotReady],
    },
    Operation {
        id: "get_openapi",
        method: Method::GET,
        path: "/api/v1/openapi.json",
        role: None,
        summary: "This document",
        about: "",
        parameters: &[],
        body: Body::None,
        success: &[ok(&[(JSON, "object")], "OpenAPI 3.1."), UNCHANGED],
        problems: &[],
    },
    Operation {
        id: "list_problems",
        method: Method::GET,
        path: "/problems/",
        role: None,
        summary: "Every kind of problem",
        about: "",
        parameters: &[],
        body: Body::None,
        success: &[
            ok(
                &[(HTML, "text"), (JSON, "ProblemKindList")],
                "The catalogue.",
            ),
            UNCHANGED,
        ],
        problems: &[],
    },
    Operation {
        id: "get_problem",
        method: Method::GET,
        path: "/problems/{slug}",
        role: None,
        summary: "What a kind of problem means",
        about: "The `type` of every problem document leads here.",
        parameters: &[path(
            "slug",
            ValueKind::Name,
            "The end of the problem's type.",
        )],
        body: Body::None,
        success: &[
            ok(
                &[(HTML, "text"), (JSON, "ProblemKind")],
                "What it means and what to do.",
            ),
            UNCHANGED,
        ],
        problems: &[],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_and_addresses_are_there_once() {
        let ids: HashSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        let addresses: HashSet<_> = OPERATIONS
            .iter()
            .map(|operation| (operation.method.as_str(), operation.path))
            .collect();
        assert_eq!(
            (ids.len(), addresses.len()),
            (OPERATIONS.len(), OPERATIONS.len())
        );
    }

    #[test]
    fn whatever_changes_what_is_kept_can_lose_against_another_who_does() {
        let keeps_nothing = ["segment", "measure", "compare"];
        for operation in OPERATIONS {
            let changes = ![Method::GET, Method::HEAD].contains(&operation.method)
                && !keeps_nothing.contains(&operation.id);
            let told = operation.refusals().contains(&Conflict);
            assert_eq!(told, changes, "{}", operation.id);
        }
    }

    #[test]
    fn every_name_in_a_path_is_a_parameter_and_no_other() {
        for operation in OPERATIONS {
            let names: Vec<_> = operation
                .path
                .split('{')
                .skip(1)
                .filter_map(|part| part.split('}').next())
                .collect();
            let told: Vec<_> = operation
                .parameters
                .iter()
                .filter(|p| p.place == Place::Path)
                .map(|p| p.name)
                .collect();
            assert_eq!(names, told, "{}", operation.id);
        }
    }

    #[test]
    fn what_changes_something_needs_more_than_a_reader() {
        for operation in OPERATIONS {
            let reads = operation.method == Method::GET;
            assert!(
                reads || matches!(operation.role, Some(Clinician | Steward)),
                "{}",
                operation.id
            );
        }
    }

    #[test]
    fn numbers_are_taken_as_they_are_written_and_no_other_way() {
        let number = ValueKind::Number {
            min: 0.0,
            max: 10.0,
        };
        for (text, taken) in [
            ("1.5", true),
            ("1e1", true),
            ("NaN", false),
            ("inf", false),
            ("-0.1", false),
            ("", false),
            (" 1", false),
            ("1,5", false),
        ] {
            assert_eq!(number.takes(text), taken, "{text}");
        }
        let integer = ValueKind::Integer {
            min: 0,
            max: 999_999,
        };
        for (text, taken) in [
            ("0", true),
            ("007", true),
            ("+1", false),
            ("1.0", false),
            ("1000000", false),
            ("0000000001", false),
            ("٣", false),
        ] {
            assert_eq!(integer.takes(text), taken, "{text}");
        }
    }
}
