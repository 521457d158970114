//! Corrections and reviews of kept segmentations: masks that a person draws, phases and rules that a person tells, and what stays.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use cinecor_formats::{Header, Limits, decode_mask};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::host::{Host, Options};
use cinecor_tests::traces::traces_in;
use cinecor_tests::volumes;
use ndarray::Array4;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const STUDIES: &str = "/api/v1/studies";
const LEFT: u8 = 3;

/// A host with a study and its segmentation.
struct Kept {
    host: Host,
    client: Client,
    study: String,
    /// Path of the segmentation.
    path: String,
    header: Header,
    labels: Array4<u8>,
}

impl Kept {
    fn start(options: &Options, volume: &[u8]) -> Result<Kept> {
        let host = options.start()?;
        let client = Client::new(&host);
        Kept::with(host, client, volume)
    }

    fn with(host: Host, client: Client, volume: &[u8]) -> Result<Kept> {
        let made = client.post(STUDIES, volume)?.expect(201)?;
        let study = made.header("location").context("no Location")?.to_owned();
        let made = send(
            &client,
            "POST",
            &format!("{study}/segmentations"),
            &json!({}),
        )?;
        let made = made.expect(201)?;
        let path = made.header("location").context("no Location")?.to_owned();
        let mask = client.get(&format!("{path}/mask.nii.gz"))?.expect(200)?;
        let (header, mask) = decode_mask(&mask.body, Limits::default())?;
        Ok(Kept {
            host,
            client,
            study,
            path,
            header,
            labels: mask.labels,
        })
    }

    fn get(&self, part: &str) -> Result<Answer> {
        self.client
            .get(&format!("{}{part}", self.path))?
            .expect(200)
    }

    fn put(&self, query: &str, mask: &[u8], headers: &[(&str, &str)]) -> Result<Answer> {
        let path = format!("{}/mask.nii.gz{query}", self.path);
        self.client.send("PUT", &path, headers, Some(mask))
    }

    fn patch(&self, body: &Value) -> Result<Answer> {
        send(&self.client, "PATCH", &self.path, body)
    }

    fn review(&self, body: &Value) -> Result<Answer> {
        send(&self.client, "POST", &format!("{}/review", self.path), body)
    }

    /// A mask of so many frames whose left ventricle has these voxels, the first of each frame.
    fn mask(&self, voxels: &[usize]) -> Vec<u8> {
        let (_, slices, rows, columns) = self.labels.dim();
        let frame = |left: &usize| {
            let codes =
                (0..slices * rows * columns).map(move |at| if at < *left { LEFT } else { 0 });
            codes.collect::<Vec<u8>>()
        };
        let labels: Vec<u8> = voxels.iter().flat_map(frame).collect();
        [self.header.source.mask_header(voxels.len()), labels].concat()
    }
}

fn send(client: &Client, method: &str, path: &str, body: &Value) -> Result<Answer> {
    let kind = [("content-type", "application/json")];
    client.send(method, path, &kind, Some(body.to_string().as_bytes()))
}

fn number(value: &Value, pointer: &str) -> Result<f64> {
    let found = value.pointer(pointer).and_then(Value::as_f64);
    found.with_context(|| format!("{pointer} is no number in {value}"))
}

#[test]
fn a_drawn_mask_is_a_new_revision_with_numbers_of_its_own() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::phantom(11, 2)?)?;
    let (first, first_metrics) = (kept.get("")?.json()?, kept.get("/metrics")?.json()?);
    let first_mask = kept.get("/mask.nii.gz")?;
    assert_eq!(
        (&first["revision"], &first["corrected"]),
        (&json!(1), &Value::Null)
    );
    ensure!(first["quality"]["score"].is_f64(), "{first}");

    // A voxel is 1.4 x 1.4 x 8 mm = 15.68 mm³: 1000 of them are 15.68 ml, 500 are 7.84 ml, and half of the blood is ejected.
    let answer = kept.put("", &kept.mask(&[1000, 500]), &[])?.expect(200)?;
    let second = answer.json()?;
    assert_eq!(second["revision"], 2);
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["created_at"], first["created_at"]);
    assert_eq!(second["corrected"]["changed"], json!(["mask"]));
    assert_eq!(second["corrected"]["frames"], json!([0, 1]));
    assert_eq!(second["quality"]["score"], Value::Null);
    ensure!(second["quality"]["score_reason"].is_string(), "{second}");
    assert_eq!(
        answer.header("x-cinecor-verdict"),
        second["quality"]["verdict"].as_str()
    );
    let metrics = kept.get("/metrics")?.json()?;
    for (pointer, expected) in [
        ("/left_ventricle/edv_ml", 15.68),
        ("/left_ventricle/esv_ml", 7.84),
        ("/left_ventricle/ef_percent", 50.0),
    ] {
        let found = number(&metrics, pointer)?;
        ensure!((found - expected).abs() < 1e-4, "{pointer}: {found}");
    }
    assert_eq!(metrics["intervals"], json!([]));
    ensure!(metrics["intervals_reason"].is_string(), "{metrics}");

    // One frame: 1250 voxels are 19.6 ml, and 11.76 of 19.6 ml are 60 %.
    let third = kept
        .put("?frame=0", &kept.mask(&[1250]), &[])?
        .expect(200)?;
    assert_eq!(third.json()?["revision"], 3);
    let metrics = kept.get("/metrics")?.json()?;
    for (pointer, expected) in [
        ("/left_ventricle/edv_ml", 19.6),
        ("/left_ventricle/esv_ml", 7.84),
        ("/left_ventricle/ef_percent", 60.0),
    ] {
        let found = number(&metrics, pointer)?;
        ensure!((found - expected).abs() < 1e-4, "{pointer}: {found}");
    }
    // What is kept is what was sent, voxel for voxel.
    let mask = decode_mask(&kept.get("/mask.nii.gz")?.body, Limits::default())?.1;
    let counts = mask.labels.outer_iter().map(|frame| {
        let left = frame.iter().take_while(|code| **code == LEFT).count();
        (left, frame.iter().skip(left).all(|code| *code == 0))
    });
    assert_eq!(counts.collect::<Vec<_>>(), [(1250, true), (500, true)]);

    // Every revision stays as it was.
    let of_first = kept.get("/mask.nii.gz?revision=1")?;
    assert_eq!(of_first.body, first_mask.body);
    assert_eq!(of_first.header("etag"), first_mask.header("etag"));
    assert_eq!(kept.get("/metrics?revision=1")?.json()?, first_metrics);
    assert_eq!(
        kept.get("?revision=1")?.json()?["quality"],
        first["quality"]
    );
    let second_mask = decode_mask(
        &kept.get("/mask.nii.gz?revision=2&frame=0")?.body,
        Limits::default(),
    )?
    .1;
    assert_eq!(
        second_mask
            .labels
            .iter()
            .filter(|code| **code == LEFT)
            .count(),
        1000
    );
    for part in ["?", "/metrics?", "/mask.nii.gz?", "/slices/0.png?"] {
        let mut tags = Vec::new();
        for revision in ["revision=1", "revision=2", "revision=3"] {
            let answer = kept.get(&format!("{part}{revision}"))?;
            tags.push(answer.header("etag").context("no ETag")?.to_owned());
        }
        tags.dedup();
        assert_eq!(tags.len(), 3, "{part}");
        let absent = kept.client.get(&format!("{}{part}revision=4", kept.path))?;
        assert_eq!(absent.expect(404)?.problem()?, "not-found", "{part}");
    }

    // The same request as before finds it, corrected as it is.
    let again = send(
        &kept.client,
        "POST",
        &format!("{}/segmentations", kept.study),
        &json!({}),
    )?;
    let again = again.expect(200)?.json()?;
    assert_eq!(
        (&again["id"], &again["revision"]),
        (&first["id"], &json!(3))
    );

    // A frame that is sent as it is stays whosever it was.
    let same = kept.put("?frame=1", &kept.mask(&[500]), &[])?.expect(200)?;
    assert_eq!(same.json()?["revision"], 4);
    let history = kept.get("/revisions")?.json()?;
    let entries: Vec<Value> = history["items"]
        .as_array()
        .context("items")?
        .iter()
        .map(|entry| json!([entry["revision"], entry["changed"], entry["frames"]]))
        .collect();
    assert_eq!(
        entries,
        [
            json!([4, ["mask"], []]),
            json!([3, ["mask"], [0]]),
            json!([2, ["mask"], [0, 1]]),
            json!([1, [], []]),
        ]
    );
    let page = kept.get("/revisions?limit=3")?.json()?;
    let cursor = page["next_cursor"].as_str().context("no next page")?;
    let rest = kept
        .get(&format!("/revisions?limit=3&cursor={cursor}"))?
        .json()?;
    assert_eq!(
        (&rest["items"][0]["revision"], &rest["next_cursor"]),
        (&json!(1), &Value::Null)
    );
    Ok(())
}

#[test]
fn a_frame_of_the_models_own_keeps_what_the_model_said() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::small(3, 4, 11)?)?;
    let before = kept.get("/metrics")?.json()?;
    ensure!(before["intervals"] != json!([]), "{before}");
    let phases = [
        before["phases"]["ed_frame"].clone(),
        before["phases"]["es_frame"].clone(),
    ];
    // The model's own mask again: nothing was drawn.
    let mask = kept.get("/mask.nii.gz")?.body;
    let same = kept.put("", &mask, &[])?.expect(200)?.json()?;
    assert_eq!(same["revision"], 2);
    assert_eq!(same["corrected"]["frames"], json!([]));
    let after = kept.get("/metrics")?.json()?;
    assert_eq!(after, before);
    ensure!(same["quality"]["score"].is_f64(), "{same}");
    // Phases and rules need no drawing either.
    let told = json!({"ed_frame": phases[1], "es_frame": phases[0], "bsa_formula": "dubois"});
    let told = kept.patch(&told)?.expect(200)?.json()?;
    assert_eq!(
        (&told["ed_frame"], &told["es_frame"]),
        (&phases[1], &phases[0])
    );
    assert_eq!(
        told["told"],
        json!({"ed_frame": phases[1], "es_frame": phases[0]})
    );
    let swapped = kept.get("/metrics")?.json()?;
    assert_eq!(swapped["phases"]["method"], "told");
    assert_eq!(
        swapped["left_ventricle"]["edv_ml"],
        before["left_ventricle"]["esv_ml"]
    );
    ensure!(swapped["intervals"] != json!([]), "{swapped}");
    // One is taken back, the other holds on.
    let taken = json!({"ed_frame": null, "bsa_formula": null});
    let taken = kept.patch(&taken)?.expect(200)?.json()?;
    assert_eq!(
        taken["told"],
        json!({"ed_frame": null, "es_frame": phases[0]})
    );
    assert_eq!(taken["bsa_formula"], "mosteller");
    let free = kept.patch(&json!({"es_frame": null}))?.expect(200)?;
    assert_eq!(kept.get("/metrics")?.json()?, before);
    // Where nothing becomes another there is no revision, and what was said of the last one stays.
    kept.review(&json!({"state": "approved"}))?.expect(200)?;
    let again = json!({"es_frame": null, "excluded_slices": null, "bsa_formula": null});
    let again = kept.patch(&again)?.expect(200)?.json()?;
    assert_eq!(again["revision"], free.json()?["revision"]);
    assert_eq!(again["review"]["state"], "approved");
    // What somebody drew goes when the model's mask is put back.
    let drawn = kept.put("?frame=1", &kept.mask(&[40]), &[])?.expect(200)?;
    assert_eq!(drawn.json()?["corrected"]["frames"], json!([1]));
    ensure!(kept.get("/metrics")?.json()? != before);
    let put_back = kept.put("", &mask, &[])?.expect(200)?.json()?;
    assert_eq!(put_back["corrected"]["frames"], json!([]));
    ensure!(put_back["quality"]["score"].is_f64(), "{put_back}");
    assert_eq!(kept.get("/metrics")?.json()?, before);
    assert!(kept.get("/mask.nii.gz")?.body == mask);
    // A rule that is told with the segmentation is that of a rule told with the question.
    let asked = kept
        .get("/metrics?excluded_slices=1&basal_rule=mostly_enclosed")?
        .json()?;
    let rules = json!({"excluded_slices": [1], "basal_rule": "mostly_enclosed"});
    let ruled = kept.patch(&rules)?.expect(200)?.json()?;
    assert_eq!(ruled["excluded_slices"], json!([1]));
    assert_eq!(kept.get("/metrics")?.json()?, asked);
    assert_eq!(
        ruled["corrected"]["changed"],
        json!(["excluded_slices", "basal_rule"])
    );

    let revision = ruled["revision"].clone();
    for (body, field) in [
        (json!({"ed_frame": 4}), "ed_frame"),
        (json!({"ed_frame": 1.5}), "ed_frame"),
        (json!({"ed_frame": 2, "es_frame": 2}), "es_frame"),
        (json!({"excluded_slices": [3]}), "excluded_slices"),
        (json!({"excluded_slices": [0, 1, 2]}), "excluded_slices"),
        (json!({"excluded_slices": [0, 0]}), "excluded_slices"),
        (json!({"basal_rule": "all"}), "basal_rule"),
        (json!({"bsa_formula": 1}), "bsa_formula"),
        (json!({"model": "x"}), "model"),
        (json!({}), "body"),
        // A part that is right does not go through with one that is not.
        (
            json!({"es_frame": 2, "excluded_slices": "1"}),
            "excluded_slices",
        ),
    ] {
        let refused = kept.patch(&body)?.expect(422)?.json()?;
        assert_eq!(refused["field"], field, "{body}");
    }
    assert_eq!(kept.get("")?.json()?["revision"], revision);
    // What the study tells gives way to what the segmentation tells, also where both would be one frame.
    kept.patch(&json!({"ed_frame": 2}))?.expect(200)?;
    let facts = json!({"subject": {"es_frame": 2}});
    send(&kept.client, "PATCH", &kept.study, &facts)?.expect(200)?;
    assert_eq!(kept.get("")?.json()?["ed_frame"], 2);
    Ok(())
}

#[test]
fn checks_are_of_the_slices_that_are_not_left_out() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::small(4, 2, 11)?)?;
    // Voxels of cavity, wall and right ventricle in each slice, in either frame: the third slice alone has the right ventricle, and the
    // ventricle ends in 60 of 240 voxels.
    let (_, _, rows, columns) = kept.labels.dim();
    let slice = |[left, wall, right]: [usize; 3]| {
        let mut codes = vec![0; rows * columns];
        codes[200..200 + left].fill(LEFT);
        codes[200 + left..][..wall].fill(2);
        codes[200 + left + wall..][..right].fill(1);
        codes
    };
    let frame = |part: usize| {
        let slices = [[160, 80, 0], [140, 60, 0], [100, 80, 90], [40, 20, 0]];
        slices
            .map(|[left, wall, right]| slice([left / part, wall, right / part]))
            .concat()
    };
    let mask = [kept.header.source.mask_header(2), frame(1), frame(2)].concat();
    kept.put("", &mask, &[])?.expect(200)?;
    let checks = |query: &str| -> Result<Value> {
        let quality = kept.get(&format!("/metrics{query}"))?.json()?["quality"].clone();
        let of = |code: &str| {
            let mut checks = quality["checks"].as_array().into_iter().flatten();
            checks
                .find(|check| check["code"] == code)
                .map(|check| check["value"].clone())
        };
        Ok(json!([
            of("structures_present"),
            of("slices_contiguous"),
            of("apex_covered"),
            of("stroke_volumes"),
        ]))
    };
    // 440 and 220 voxels of the left, 90 and 45 of the right: 220 and 45 are ejected.
    let apart = |left: f64, right: f64| 100.0 * (left - right).abs() / left;
    let near = |found: &Value, expected: &Value| {
        let pairs = found
            .as_array()
            .into_iter()
            .flatten()
            .zip(expected.as_array().into_iter().flatten());
        pairs.fold(true, |all, (one, other)| {
            all && match (one.as_f64(), other.as_f64()) {
                (Some(one), Some(other)) => (one - other).abs() < 1e-9,
                _ => one == other,
            }
        })
    };
    for (query, expected) in [
        ("", json!([0.0, 0.0, 60.0 / 240.0, apart(220.0, 45.0)])),
        // The last slice: the one before ends in 180 of 240 voxels, and 200 of the left are ejected.
        (
            "?excluded_slices=3",
            json!([0.0, 0.0, 180.0 / 240.0, apart(200.0, 45.0)]),
        ),
        // A slice between base and apex is missing, the same in both frames; 150 are ejected.
        (
            "?excluded_slices=1",
            json!([0.0, 1.0, 60.0 / 240.0, apart(150.0, 45.0)]),
        ),
        // The right ventricle is missing in both frames, and so is the slice.
        ("?excluded_slices=2", json!([2.0, 1.0, 60.0 / 240.0, null])),
    ] {
        let found = checks(query)?;
        ensure!(near(&found, &expected), "{query}: {found}, not {expected}");
    }
    // What is told with the segmentation is judged likewise, and the verdict goes with it.
    let asked = kept.get("/metrics?excluded_slices=2")?.json()?;
    let told = kept.patch(&json!({"excluded_slices": [2]}))?.expect(200)?;
    assert_eq!(told.header("x-cinecor-verdict"), Some("reject"));
    assert_eq!(told.json()?["quality"], asked["quality"]);
    assert_eq!(kept.get("/metrics")?.json()?, asked);
    Ok(())
}

#[test]
fn an_approval_is_of_the_numbers_that_were_seen() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::small(4, 3, 5)?)?;
    let made = kept
        .review(&json!({"state": "approved"}))?
        .expect(200)?
        .json()?;
    assert_eq!(made["review"]["stale"], false);

    // A report under other rules is none of what was approved, unless they are the ones that are kept.
    let report = |query: &str| {
        let path = format!("{}/report{query}", kept.path);
        let json = [("Accept", "application/json")];
        let answer = kept.client.send("GET", &path, &json, None)?;
        answer.expect(200)?.json()
    };
    let plain = report("")?;
    assert_eq!(plain["what_if"], false);
    assert_eq!(plain["segmentation"]["review"]["state"], "approved");
    assert_eq!(report("?basal_rule=as_segmented")?, plain);
    let (ed, es) = (&plain["segmentation"]["ed_frame"], 2);
    assert_ne!(*ed, es);
    for query in [
        "?excluded_slices=1",
        "?bsa_formula=dubois",
        "?ed_frame=2&es_frame=1",
    ] {
        let supposed = report(query)?;
        assert_eq!(supposed["what_if"], true, "{query}");
        assert_eq!(supposed["segmentation"]["review"], Value::Null, "{query}");
    }
    let supposed = report("?excluded_slices=1&ed_frame=2&es_frame=1")?;
    let segmentation = &supposed["segmentation"];
    assert_eq!(segmentation["excluded_slices"], json!([1]));
    assert_eq!(segmentation["told"], json!({"ed_frame": 2, "es_frame": 1}));

    // Facts of the study are told anew: the numbers of the revision follow, the approval is of those before.
    let facts = json!({"subject": {"ed_frame": 2, "es_frame": 1}});
    send(&kept.client, "PATCH", &kept.study, &facts)?.expect(200)?;
    for review in [
        &kept.get("")?.json()?["review"],
        &kept.get("?revision=1")?.json()?["review"],
        &kept.get("/revisions")?.json()?["items"][0]["review"],
        &report("")?["segmentation"]["review"],
    ] {
        assert_eq!(review["state"], "approved");
        assert_eq!(review["stale"], true);
    }
    let again = kept.review(&json!({"state": "approved"}))?;
    assert_eq!(again.expect(200)?.json()?["review"]["stale"], false);

    // That no slice is left out is another rule than the one that is kept, and the order of those that are left out is none.
    let whole = kept.get("/metrics")?.json()?;
    kept.patch(&json!({"excluded_slices": [0, 2]}))?
        .expect(200)?;
    kept.review(&json!({"state": "approved"}))?.expect(200)?;
    let counted = kept.get("/metrics?excluded_slices=none")?.json()?;
    assert_eq!(counted["left_ventricle"], whole["left_ventricle"]);
    assert_eq!(report("?excluded_slices=none")?["what_if"], true);
    assert_eq!(report("?excluded_slices=2,0")?, report("")?);
    Ok(())
}

#[test]
fn a_mask_that_is_not_on_the_studys_grid_changes_nothing() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::small(2, 3, 5)?)?;
    let good = kept.mask(&[10, 20, 30]);
    // Where the header tells its shape, its spacing, its sform's offset and its first voxels.
    let (dim, pixdim, offset, voxels) = (40, 76, 280 + 12, 352);
    let changed = |at: usize, bytes: &[u8]| {
        let mut mask = good.clone();
        mask.splice(at..at + bytes.len(), bytes.iter().copied());
        mask
    };
    let flat = [&good[..voxels], &good[voxels..voxels + 2 * 3 * 72 * 60 / 2]].concat();
    let narrow = {
        let mut mask = flat;
        mask.splice(dim + 2..dim + 4, 36i16.to_le_bytes());
        mask
    };
    for (mask, query, slug, word) in [
        (narrow, "", "not-measurable", "shapes differ"),
        (kept.mask(&[10, 20]), "", "not-measurable", "2 frames"),
        (good.clone(), "?frame=1", "not-measurable", "3 frames"),
        (
            changed(pixdim + 12, &9.0f32.to_le_bytes()),
            "",
            "not-measurable",
            "grid",
        ),
        (
            changed(offset, &500.0f32.to_le_bytes()),
            "",
            "not-measurable",
            "affines differ",
        ),
        (changed(voxels, &[4]), "", "invalid-volume", "label"),
    ] {
        let refused = kept.put(query, &mask, &[])?.expect(422)?;
        assert_eq!(refused.problem()?, slug, "{word}");
        ensure!(refused.text().contains(word), "{word}: {}", refused.text());
        cinecor_tests::wording::check(refused.json()?["detail"].as_str().unwrap_or_default())?;
    }
    let absent = kept.put("?frame=3", &kept.mask(&[10]), &[])?.expect(404)?;
    assert_eq!(absent.problem()?, "not-found");
    assert_eq!(kept.get("")?.json()?["revision"], 1);
    kept.put("", &good, &[])?.expect(200)?;
    Ok(())
}

#[test]
fn a_lost_race_is_told_to_whoever_asks_for_it() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::small(2, 3, 5)?)?;
    let tag_of = |part: &str| -> Result<String> {
        Ok(kept
            .get(part)?
            .header("etag")
            .context("no ETag")?
            .to_owned())
    };
    // All at once, each with the tag of what it has seen: one wins.
    let tag = tag_of("")?;
    let race = |held: &[(&str, &str)]| -> Result<Vec<u16>> {
        std::thread::scope(|scope| {
            let puts: Vec<_> = [100, 200, 300]
                .map(|voxels| {
                    let mask = kept.mask(&[voxels]);
                    let kept = &kept;
                    scope.spawn(move || {
                        kept.put("?frame=1", &mask, held)
                            .map(|answer| answer.status)
                    })
                })
                .into_iter()
                .collect();
            let mut statuses = Vec::new();
            for put in puts {
                statuses.push(
                    put.join()
                        .map_err(|_| anyhow::anyhow!("a request panicked"))??,
                );
            }
            statuses.sort_unstable();
            Ok(statuses)
        })
    };
    assert_eq!(race(&[("if-match", &tag)])?, [200, 412, 412]);
    assert_eq!(kept.get("")?.json()?["revision"], 2);
    // Nobody says what was seen: each is a revision of its own.
    assert_eq!(race(&[])?, [200, 200, 200]);
    assert_eq!(kept.get("")?.json()?["revision"], 5);

    let json = |tag: &str, method: &str, path: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        kept.client
            .send(method, path, &headers, Some(body.as_bytes()))
    };
    let review = format!("{}/review", kept.path);
    let approve = r#"{"state": "approved"}"#;
    for (method, path, body) in [
        ("PATCH", kept.path.as_str(), r#"{"ed_frame": 1}"#),
        ("POST", review.as_str(), approve),
    ] {
        assert_eq!(
            json(&tag, method, path, body)?.expect(412)?.problem()?,
            "precondition-failed"
        );
    }
    // The tag of the mask says as well what was seen, and so does that of a revision that was asked for.
    json(
        &tag_of("/mask.nii.gz")?,
        "PATCH",
        &kept.path,
        r#"{"ed_frame": 1}"#,
    )?
    .expect(200)?;
    let said = json(&tag_of("?revision=6")?, "POST", &review, approve)?.expect(200)?;
    // What was answered carries the tag of what is there now.
    assert_eq!(said.header("etag"), Some(tag_of("")?.as_str()));
    json(&tag, "POST", &review, approve)?.expect(412)?;
    Ok(())
}

fn entry(role: &str) -> String {
    let digest = Sha256::digest(format!("key of a {role}"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{role}:dr-{role}:{digest}")
}

#[test]
fn who_corrected_and_reviewed_is_kept_and_readers_may_not() -> Result<()> {
    let keys = ["reader", "clinician", "steward"].map(entry).join(",");
    let host = Options::new().variable("api_keys", &keys).start()?;
    let of = |host: &Host, role: &str| {
        Client::new(host).with_header("authorization", &format!("Bearer key of a {role}"))
    };
    let (reader, steward) = (of(&host, "reader"), of(&host, "steward"));
    let clinician = of(&host, "clinician");
    let kept = Kept::with(host, clinician, &volumes::small(2, 3, 5)?)?;
    let mask = kept.mask(&[100, 60, 80]);
    let note = "Apex of the fourth frame looked at again";

    let refused = [
        reader.send(
            "PUT",
            &format!("{}/mask.nii.gz", kept.path),
            &[],
            Some(&mask),
        )?,
        send(&reader, "PATCH", &kept.path, &json!({"ed_frame": 1}))?,
        send(
            &reader,
            "POST",
            &format!("{}/review", kept.path),
            &json!({"state": "approved"}),
        )?,
    ];
    for refused in refused {
        assert_eq!(refused.expect(403)?.problem()?, "forbidden");
    }
    assert_eq!(kept.get("")?.json()?["revision"], 1);

    let first = kept
        .review(&json!({"state": "rejected", "note": note}))?
        .expect(200)?
        .json()?;
    assert_eq!(first["review"]["state"], "rejected");
    assert_eq!(first["review"]["note"], note);
    assert_eq!(first["review"]["author"], "dr-clinician");
    let corrected = kept.put("", &mask, &[])?.expect(200)?.json()?;
    assert_eq!(
        corrected["review"],
        Value::Null,
        "a correction is reviewed anew"
    );
    assert_eq!(corrected["corrected"]["author"], "dr-clinician");
    let second = kept
        .review(&json!({"state": "approved"}))?
        .expect(200)?
        .json()?;
    assert_eq!(
        (&second["review"]["revision"], &second["review"]["note"]),
        (&json!(2), &Value::Null)
    );
    for body in [
        json!({"state": "perhaps"}),
        json!({"note": "x"}),
        json!({"state": "approved", "note": "x".repeat(2001)}),
        json!({"state": "approved", "note": "x\u{1b}[2J"}),
        json!({"state": "approved", "who": "x"}),
    ] {
        assert_eq!(
            kept.review(&body)?.expect(422)?.problem()?,
            "invalid-field",
            "{body}"
        );
    }

    let history = reader
        .get(&format!("{}/revisions", kept.path))?
        .expect(200)?
        .json()?;
    assert_eq!(history["items"][1]["author"], "dr-clinician");
    assert_eq!(history["items"][1]["review"]["state"], "rejected");
    assert_eq!(history["items"][0]["review"]["state"], "approved");
    let audit = steward.get("/api/v1/audit")?.expect(200)?.json()?;
    let told: Vec<Value> = audit["items"]
        .as_array()
        .context("items")?
        .iter()
        .take(4)
        .map(|entry| json!([entry["action"], entry["subject"], entry["revision"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["segmentation.review", "dr-clinician", 2]),
            json!(["segmentation.correct", "dr-clinician", 2]),
            json!(["segmentation.review", "dr-clinician", 1]),
            json!(["segmentation.create", "dr-clinician", null]),
        ]
    );
    for written in [audit.to_string(), kept.host.log()] {
        ensure!(
            !written.contains("Apex"),
            "a note was written down: {written}"
        );
    }
    Ok(())
}

#[test]
fn the_verdict_goes_with_every_form_of_a_segmentation() -> Result<()> {
    let kept = Kept::start(&Options::new(), &volumes::small(2, 3, 5)?)?;
    let verdict = kept.get("")?.json()?["quality"]["verdict"].clone();
    // Drawn rings are no heart.
    assert_eq!(verdict, "reject");
    for part in [
        "",
        "/metrics",
        "/mask.nii.gz",
        "/mask.nii.gz?frame=1",
        "/slices/0.png",
    ] {
        let answer = kept.get(part)?;
        assert_eq!(
            answer.header("x-cinecor-verdict"),
            verdict.as_str(),
            "{part}"
        );
        let tag = answer.header("etag").context("no ETag")?;
        let path = format!("{}{part}", kept.path);
        let unchanged = kept
            .client
            .send("GET", &path, &[("if-none-match", tag)], None)?;
        assert_eq!(
            unchanged.expect(304)?.header("x-cinecor-verdict"),
            verdict.as_str()
        );
    }
    let grey = kept.get("/slices/0.png?overlay=none")?;
    assert_eq!(grey.header("x-cinecor-verdict"), None);
    let picture = |query: &str| -> Result<(Option<String>, Vec<u8>)> {
        let png = kept.get(&format!("/slices/0.png?{query}"))?.body;
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info()?;
        let mut pixels = vec![0; reader.output_buffer_size().context("too large")?];
        reader.next_frame(&mut pixels)?;
        let texts = &reader.info().uncompressed_latin1_text;
        let found = texts.iter().find(|text| text.keyword == "Cinecor-Verdict");
        Ok((found.map(|text| text.text.clone()), pixels))
    };
    let (text, marked) = picture("overlay=fill")?;
    let (text_of_plain, plain) = picture("overlay=fill&verdict=none")?;
    assert_eq!(
        (text.as_deref(), text_of_plain.as_deref()),
        (Some("reject"), Some("reject"))
    );
    assert_eq!(picture("overlay=none")?.0, None);
    // The cross is in the corner, seven pixels wide, and nowhere else.
    ensure!(
        marked.get(3 * (72 + 1)..3 * (72 + 2)) == Some(&[0xcc, 0x79, 0xa7]),
        "no mark"
    );
    for (index, (before, after)) in plain.iter().zip(&marked).enumerate() {
        let (column, row) = (index / 3 % 72, index / 3 / 72);
        ensure!(before == after || (column < 7 && row < 7), "{column} {row}");
    }
    let segment = kept
        .client
        .post("/api/v1/segment", &volumes::small(2, 3, 5)?)?;
    assert_eq!(
        segment.expect(200)?.header("x-cinecor-verdict"),
        verdict.as_str()
    );
    Ok(())
}

#[test]
fn a_deleted_study_leaves_no_voxel_and_no_word_of_its_corrections() -> Result<()> {
    let mut kept = Kept::start(&Options::new(), &volumes::small(2, 3, 21)?)?;
    // Labels without a pattern, so that what is kept of them is long enough to be looked for.
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state % 4).unwrap_or_default()
    };
    let noise: Vec<u8> = (0..kept.labels.len()).map(|_| next()).collect();
    let mask = [kept.header.source.mask_header(3), noise].concat();
    let note = "a note that nobody is to find again";
    kept.put("", &mask, &[])?.expect(200)?;
    kept.review(&json!({"state": "approved", "note": note}))?
        .expect(200)?;
    kept.put("", &kept.mask(&[100, 60, 80]), &[])?.expect(200)?;
    let stored = kept.get("/mask.nii.gz?revision=2")?.body;
    let mut traces: Vec<Vec<u8>> = stored
        .chunks(stored.len() / 40)
        .filter_map(|chunk| chunk.get(16..48))
        .map(<[u8]>::to_vec)
        .collect();
    ensure!(
        traces_in(kept.host.state(), &traces)? > traces.len() / 2,
        "the search does not find what is there"
    );
    traces.push(note.as_bytes().to_vec());
    assert_eq!(
        traces_in(kept.host.state(), &traces[traces.len() - 1..])?,
        1
    );
    kept.client.delete(&kept.study)?.expect(204)?;
    assert_eq!(traces_in(kept.host.state(), &traces)?, 0);
    kept.host.kill()?;
    assert_eq!(traces_in(kept.host.state(), &traces)?, 0);
    Ok(())
}

#[test]
fn a_crash_in_the_middle_of_a_correction_leaves_the_old_revision() -> Result<()> {
    let state = tempfile::tempdir()?;
    let options = Options::new().state(state.path());
    let mut kept = Kept::start(&options, &volumes::small(2, 3, 5)?)?;
    let before = (kept.get("")?.json()?, kept.get("/mask.nii.gz")?.body);
    let mask = kept.mask(&[100, 60, 80]);
    for share in [0.1, 0.5, 0.9] {
        let mut connection = TcpStream::connect(kept.host.authority())?;
        write!(
            connection,
            "PUT {}/mask.nii.gz HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
            kept.path,
            kept.host.authority(),
            mask.len()
        )?;
        let sent = (mask.len() as f64 * share) as usize;
        connection.write_all(mask.get(..sent).unwrap_or_default())?;
        connection.flush()?;
        // An answer means that what was sent before has been read.
        kept.get("")?;
        kept.host.kill()?;
        kept.host = options.start()?;
        kept.client = Client::new(&kept.host);
        assert_eq!(kept.get("")?.json()?, before.0, "{share}");
        assert_eq!(kept.get("/mask.nii.gz")?.body, before.1, "{share}");
    }
    // A correction after the crashes is taken as any other.
    kept.put("", &mask, &[])?.expect(200)?;
    kept.host.kill()?;
    kept.host = options.start()?;
    kept.client = Client::new(&kept.host);
    assert_eq!(kept.get("")?.json()?["revision"], 2);
    Ok(())
}
