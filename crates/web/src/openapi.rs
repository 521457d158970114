//! The OpenAPI 3.1 document, made from the table of operations, the catalogue of problems and the schemas.

use http::Method;
use serde_json::{Map, Value, json};

use crate::operations::{Body, OPERATIONS, Operation, Parameter, Place, Success, ValueKind};
use crate::{JSON, PROBLEM_JSON, ProblemKind, SSE, ZIP, schemas};

/// The whole document for the service of this version.
pub fn openapi(version: &str) -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(
                operation.method.as_str().to_ascii_lowercase(),
                describe(operation),
            );
            if operation.method == Method::GET {
                methods.insert("head".to_owned(), head(operation));
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cinecor",
            "version": version,
            "summary": "Cardiac cine MRI in; contours, volumes and ejection fractions out.",
            "description": "Research software, not a certified medical device: every contour and number must be checked by a physician.\n\nUnknown is null or absent, never 0. Frames and slices count from 0. Times are RFC 3339 in UTC. Units stand in the names of fields. Every answer carries `X-Request-Id`. Every error is `application/problem+json` (RFC 9457), and its `type` is a path of this service that explains it. GET operations answer HEAD, every address answers OPTIONS. Unknown query parameters are refused. Bodies may carry `Content-Encoding: gzip`.\n\nBeside these, the host answers `GET /.well-known/spin/health`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "key": [] }],
        "tags": [
            { "name": "one shot", "description": "Nothing is stored." },
            { "name": "studies", "description": "Volumes that are kept." },
            { "name": "segmentations", "description": "Masks, numbers and pictures of kept studies." },
            { "name": "models", "description": "What segments." },
            { "name": "service", "description": "Health, audit, this document and what problems mean." },
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key. Without configured keys the service answers only its own machine, and needs none." },
            },
            "headers": {
                "Verdict": { "description": "The verdict of the segmentation's checks.", "required": true, "schema": { "type": "string", "enum": ["pass", "review", "reject"] } },
                "VerdictIfAny": { "description": "The verdict of the segmentation's checks; not with events, whose result tells it, nor with a picture without labels.", "required": false, "schema": { "type": "string", "enum": ["pass", "review", "reject"] } },
                "RequestId": { "description": "The id of the request: the caller's where it was sane.", "schema": { "type": "string" } },
            },
            "responses": problem_responses(),
            "schemas": schemas::all(),
        },
    })
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation)],
        "responses": responses(operation, true),
    });
    if let Some(members) = described.as_object_mut() {
        if !operation.about.is_empty() {
            members.insert("description".to_owned(), operation.about.into());
        }
        let parameters: Vec<Value> = operation.parameters.iter().map(parameter).collect();
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = request_body(operation) {
            members.insert("requestBody".to_owned(), body);
        }
        match operation.role {
            Some(role) => members.insert("x-role".to_owned(), role.name().into()),
            None => members.insert("security".to_owned(), json!([])),
        };
    }
    described
}

/// HEAD is GET without its body.
fn head(operation: &Operation) -> Value {
    let mut described = describe(operation);
    if let Some(members) = described.as_object_mut() {
        members.insert(
            "operationId".to_owned(),
            format!("{}_head", operation.id).into(),
        );
        members.insert(
            "summary".to_owned(),
            format!("{}: only the headers", operation.summary).into(),
        );
        members.insert("responses".to_owned(), responses(operation, false));
    }
    described
}

fn tag(operation: &Operation) -> &'static str {
    match operation.path {
        path if path.contains("/segmentations") => "segmentations",
        path if path.contains("/studies") => "studies",
        path if path.contains("/models") => "models",
        path if operation.method == Method::POST && !path.contains("studies") => "one shot",
        _ => "service",
    }
}

fn responses(operation: &Operation, with_bodies: bool) -> Value {
    let mut responses = Map::new();
    for success in operation.success {
        // A HEAD has no ranges: 206 is not among its answers.
        if with_bodies || success.status != 206 {
            responses.insert(
                success.status.to_string(),
                good_answer(operation, success, with_bodies),
            );
        }
    }
    let mut by_status: Vec<(u16, Vec<ProblemKind>)> = Vec::new();
    for kind in operation.refusals() {
        if !with_bodies && kind == ProblemKind::RangeNotSatisfiable {
            continue;
        }
        let status = kind.status().as_u16();
        match by_status.iter_mut().find(|(found, _)| *found == status) {
            Some((_, kinds)) => kinds.push(kind),
            None => by_status.push((status, vec![kind])),
        }
    }
    for (status, kinds) in by_status {
        let answer = match kinds.as_slice() {
            [kind] => json!({ "$ref": format!("#/components/responses/{}", kind.slug()) }),
            kinds => problem_response(kinds),
        };
        responses.insert(status.to_string(), answer);
    }
    responses.insert(
        "default".to_owned(),
        json!({
            "description": "Any other problem: 403 from another machine where no keys are configured, 409, 414, 431, 500, 502, 503 with Retry-After when too much is at work, 504.",
            "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
            "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        }),
    );
    Value::Object(responses)
}

fn good_answer(operation: &Operation, success: &Success, with_bodies: bool) -> Value {
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
    if let Some(headers) = headers.as_object_mut() {
        let text = json!({ "type": "string" });
        if success.status == 201 {
            headers.insert(
                "Location".to_owned(),
                json!({ "description": "Where it is.", "schema": text, "required": true }),
            );
        }
        if success.status == 206 {
            headers.insert(
                "Content-Range".to_owned(),
                json!({ "description": "Which part it is.", "schema": text, "required": true }),
            );
        }
        let changes = matches!(operation.id, "update_segmentation" | "review_segmentation");
        if changes
            || operation
                .success
                .iter()
                .any(|success| success.status == 304)
        {
            headers.insert(
                "ETag".to_owned(),
                json!({ "description": "A strong tag of the content.", "schema": text }),
            );
        }
    }
    if let (Some(always), Some(headers)) = (tells_verdict(operation), headers.as_object_mut()) {
        headers.insert(
            "X-Cinecor-Verdict".to_owned(),
            json!({ "$ref": if always { "#/components/headers/Verdict" } else { "#/components/headers/VerdictIfAny" } }),
        );
    }
    let mut answer = json!({ "description": success.about, "headers": headers });
    if with_bodies && !success.forms.is_empty() {
        let content: Map<String, Value> = success
            .forms
            .iter()
            .map(|(media, schema)| ((*media).to_owned(), form(media, schema)))
            .collect();
        if let Some(members) = answer.as_object_mut() {
            members.insert("content".to_owned(), content.into());
        }
    }
    answer
}

/// Whether good answers tell the verdict of a segmentation in a header: every one of them (`true`), or not those that are events, whose
/// result tells it, or pictures without labels (`false`).
fn tells_verdict(operation: &Operation) -> Option<bool> {
    match operation.id {
        "get_segmentation"
        | "update_segmentation"
        | "review_segmentation"
        | "get_mask"
        | "put_mask"
        | "get_metrics" => Some(true),
        "segment" | "create_segmentation" | "get_segmentation_slice" => Some(false),
        _ => None,
    }
}

fn form(media: &str, schema: &str) -> Value {
    match schema {
        // OpenAPI 3.1 describes raw bytes by leaving the type out.
        "binary" => json!({ "schema": {} }),
        "text" => json!({ "schema": { "type": "string" } }),
        "object" => json!({ "schema": { "type": "object" } }),
        _ if media == SSE => {
            json!({ "schema": { "type": "string", "description": schemas::events(schema) } })
        }
        name => json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } }),
    }
}

fn problem_response(kinds: &[ProblemKind]) -> Value {
    let said: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} (`{}`).", kind.title(), kind.type_path()))
        .collect();
    let types: Vec<String> = kinds.iter().map(|kind| kind.type_path()).collect();
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
    let extra = match kinds {
        [ProblemKind::Unauthenticated] => Some("WWW-Authenticate"),
        [ProblemKind::MethodNotAllowed] => Some("Allow"),
        [ProblemKind::NotReady | ProblemKind::Overloaded] => Some("Retry-After"),
        [ProblemKind::RangeNotSatisfiable] => Some("Content-Range"),
        _ => None,
    };
    if let (Some(name), Some(headers)) = (extra, headers.as_object_mut()) {
        headers.insert(name.to_owned(), json!({ "schema": { "type": "string" } }));
    }
    json!({
        "description": said.join(" "),
        "headers": headers,
        "content": { PROBLEM_JSON: { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "properties": { "type": { "enum": types } } },
        ] } } },
    })
}

fn problem_responses() -> Value {
    let responses: Map<String, Value> = ProblemKind::ALL
        .iter()
        .map(|kind| (kind.slug().to_owned(), problem_response(&[*kind])))
        .collect();
    Value::Object(responses)
}

fn parameter(parameter: &Parameter) -> Value {
    let mut described = json!({
        "name": parameter.name,
        "in": match parameter.place {
            Place::Path => "path",
            Place::Header => "header",
            Place::Query | Place::Fact => "query",
        },
        "required": parameter.place == Place::Path,
        "description": parameter.about,
        "schema": value_schema(&parameter.kind),
    });
    if let (ValueKind::Integers { .. }, Some(members)) = (parameter.kind, described.as_object_mut())
    {
        members.insert("example".to_owned(), "1,2".into());
    }
    described
}

/// The JSON Schema of a parameter's or form field's value.
pub(crate) fn value_schema(kind: &ValueKind) -> Value {
    match kind {
        ValueKind::Id => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
        ValueKind::Name => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" }),
        ValueKind::Version => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$" })
        }
        ValueKind::ModelReference => {
            json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9.+-]{0,63})?$" })
        }
        ValueKind::Integer { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        ValueKind::Number { min, max } => {
            json!({ "type": "number", "minimum": min, "maximum": max })
        }
        ValueKind::Choice(words) => json!({ "type": "string", "enum": words }),
        ValueKind::Integers { or_word, .. } => {
            let list = "[0-9]{1,9}(,[0-9]{1,9})*";
            let pattern = match or_word {
                Some(word) => format!("^({word}|{list})$"),
                None => format!("^{list}$"),
            };
            json!({ "type": "string", "pattern": pattern })
        }
        ValueKind::Text { max_chars } => json!({ "type": "string", "maxLength": max_chars }),
    }
}

fn request_body(operation: &Operation) -> Option<Value> {
    let file = json!({ "description": "A NIfTI-1 or NIfTI-2 file, .nii or .nii.gz.", "contentMediaType": "application/octet-stream" });
    match operation.body {
        Body::None => None,
        Body::Json { schema, required } => Some(
            json!({ "required": required, "content": { JSON: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } } }),
        ),
        Body::Volume => {
            let mut properties: Map<String, Value> = operation
                .parameters
                .iter()
                .filter(|parameter| parameter.place == Place::Fact || parameter.name == "precision")
                .map(|parameter| {
                    let mut schema = value_schema(&parameter.kind);
                    if let Some(members) = schema.as_object_mut() {
                        members.insert("description".to_owned(), parameter.about.into());
                    }
                    (parameter.name.to_owned(), schema)
                })
                .collect();
            properties.insert(
                "file".to_owned(),
                json!({ "oneOf": [file, { "type": "array", "items": file, "minItems": 1 }],
                    "description": "One NIfTI file, or the DICOM files of one study and zip archives of them, in any order and under any names." }),
            );
            Some(json!({
                "required": true,
                "description": "Recognised by its content, not by its name or declared type: a NIfTI-1 or NIfTI-2 file, plain or gzip; a DICOM file of several frames; a zip archive of DICOM files; a form of one of these or of many DICOM files. Of DICOM files the short-axis cine is taken, whatever else is among them; `warnings` of the study say which and why. Slices of a NIfTI file may lie along any of its axes, told by steps at least twice as long as along the others; shapes, spacings, slices and pictures are then those of slices, rows and columns as the warning `axes_exchanged` names them, and masks and volumes lie as the file does.",
                "content": {
                    "application/octet-stream": { "schema": {} },
                    "application/x-nifti": { "schema": {} },
                    "application/gzip": { "schema": {} },
                    "application/dicom": { "schema": {} },
                    "application/zip": { "schema": {} },
                    "multipart/form-data": { "schema": { "type": "object", "required": ["file"], "properties": properties } },
                },
            }))
        }
        Body::Package => Some(json!({
            "required": true,
            "description": "A zip archive of model.json and the files that it names. Recognised by its content.",
            "content": { ZIP: { "schema": {} } },
        })),
        Body::MaskPair => Some(json!({
            "required": true,
            "content": { "multipart/form-data": { "schema": {
                "type": "object",
                "required": ["reference", "prediction"],
                "properties": { "reference": file, "prediction": file },
            } } },
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str().filter(|_| name == "$ref") {
                        Some(reference) => found.push(reference.to_owned()),
                        None => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = openapi("0");
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            assert!(
                document
                    .pointer(reference.trim_start_matches('#'))
                    .is_some(),
                "{reference}"
            );
        }
        for name in document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
        {
            let reference = format!("#/components/schemas/{name}");
            assert!(found.contains(&reference), "{name} is not used");
        }
    }

    #[test]
    fn every_operation_is_there_with_its_refusals() {
        let document = openapi("0");
        for operation in OPERATIONS {
            let described =
                &document["paths"][operation.path][operation.method.as_str().to_ascii_lowercase()];
            assert_eq!(described["operationId"], operation.id);
            for kind in operation.refusals() {
                assert!(
                    !described["responses"][kind.status().as_str()].is_null(),
                    "{} {kind:?}",
                    operation.id
                );
            }
        }
    }

    #[test]
    fn routes_without_a_role_need_no_key() {
        let document = openapi("0");
        assert_eq!(
            document["paths"]["/api/v1/health/live"]["get"]["security"],
            json!([])
        );
        assert!(document["paths"]["/api/v1/studies"]["get"]["security"].is_null());
    }
}
