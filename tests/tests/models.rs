//! Model packages over HTTP: what is uploaded answers, what is refused changes nothing, and every answer names one digest.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cinecor_formats::{Limits, decode_mask};
use cinecor_tests::client::{Answer, Client};
use cinecor_tests::host::Options;
use cinecor_tests::packages::{NAME, Package, address, zip};
use cinecor_tests::swapping::Application;
use cinecor_tests::volumes;
use cinecor_volume::{Geometry, Shape, Spacing};
use ndarray::Array4;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a shadow may take once the answer was sent.
const PATIENCE: Duration = Duration::from_secs(60);

const ZIP: &str = "application/zip";

fn put(client: &Client, address: &str, archive: &[u8]) -> Result<Answer> {
    client.send("PUT", address, &[("content-type", ZIP)], Some(archive))
}

fn post(client: &Client, address: &str) -> Result<Answer> {
    client.send("POST", address, &[], None)
}

/// The digest of the graph that answers.
fn segmented_by(client: &Client, volume: &[u8], query: &str) -> Result<String> {
    let answer = client
        .post(&format!("/api/v1/segment{query}"), volume)?
        .expect(200)?
        .json()?;
    let model = &answer["segmentation"]["model"];
    Ok(model["digest"].as_str().context("no digest")?.to_owned())
}

fn model(client: &Client) -> Result<Value> {
    let list = client
        .get(&format!("/api/v1/models/{NAME}"))?
        .expect(200)?
        .json()?;
    Ok(list["items"][0].clone())
}

/// The list without what the engine holds in memory, which is what was asked for last.
fn without_loaded(mut model: Value) -> Value {
    fn forget(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("loaded");
                members.values_mut().for_each(forget);
            }
            Value::Array(items) => items.iter_mut().for_each(forget),
            _ => {}
        }
    }
    forget(&mut model);
    model
}

fn versions(model: &Value) -> Vec<&str> {
    let versions = model["versions"].as_array().into_iter().flatten();
    versions.filter_map(|v| v["version"].as_str()).collect()
}

#[test]
fn a_package_answers_by_name_then_when_activated_and_goes_when_another_is_active() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(1, 1, 1)?;
    let before = model(&client)?;
    let shipped = segmented_by(&client, &volume, "")?;
    let package = Package::of_version("77.0.0")?;
    let archive = package.zip()?;

    let created = put(&client, &address("77.0.0"), &archive)?.expect(201)?;
    assert_eq!(created.header("location"), Some(address("77.0.0").as_str()));
    let version = created.json()?;
    assert_eq!(version["digest"], package.digest());
    assert_eq!(
        (&version["loaded"], &version["bundled"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(version["card"], package.card);
    // It is there, and nothing else is different: the highest version does not answer before somebody says so.
    let listed = model(&client)?;
    assert_eq!(listed["active_version"], before["active_version"]);
    ensure!(versions(&listed).contains(&"77.0.0"), "{listed}");
    assert_eq!(segmented_by(&client, &volume, "")?, shipped);
    assert_eq!(
        segmented_by(&client, &volume, &format!("?model={NAME}@77.0.0"))?,
        package.digest()
    );

    // A version never changes.
    put(&client, &address("77.0.0"), &archive)?.expect(200)?;
    let mut other = package.clone();
    other.remark("another")?;
    let conflict = put(&client, &address("77.0.0"), &other.zip()?)?.expect(409)?;
    assert_eq!(conflict.problem()?, "conflict");

    let activated = post(&client, &format!("{}/activate", address("77.0.0")))?.expect(200)?;
    assert_eq!(activated.json()?["active_version"], "77.0.0");
    assert_eq!(segmented_by(&client, &volume, "")?, package.digest());
    let ready = client.get("/api/v1/health/ready")?.expect(200)?.json()?;
    assert_eq!(ready["model"]["digest"], package.digest());
    client.delete(&address("77.0.0"))?.expect(409)?;

    // What comes out can be sent in again.
    let fetched = client.get_as(&address("77.0.0"), ZIP)?.expect(200)?;
    put(&client, &address("77.0.0"), &fetched.body)?.expect(200)?;

    let rolled = post(&client, &format!("/api/v1/models/{NAME}/rollback"))?.expect(200)?;
    assert_eq!(rolled.json()?["active_version"], before["active_version"]);
    assert_eq!(segmented_by(&client, &volume, "")?, shipped);
    let nothing = post(&client, &format!("/api/v1/models/{NAME}/rollback"))?.expect(409)?;
    assert_eq!(nothing.problem()?, "conflict");

    client.delete(&address("77.0.0"))?.expect(204)?;
    client.delete(&address("77.0.0"))?.expect(404)?;
    client.get(&address("77.0.0"))?.expect(404)?;
    let gone = client.post(&format!("/api/v1/segment?model={NAME}@77.0.0"), &volume)?;
    assert_eq!(gone.expect(422)?.problem()?, "model-unusable");
    assert_eq!(
        without_loaded(model(&client)?),
        without_loaded(before.clone())
    );

    let audit = client.get("/api/v1/audit")?.expect(200)?.json()?;
    let told: Vec<_> = audit["items"]
        .as_array()
        .context("no items")?
        .iter()
        .map(|entry| (entry["action"].as_str(), entry["model"].as_str()))
        .collect();
    let uploaded = format!("{NAME}@77.0.0");
    let shipped = format!(
        "{NAME}@{}",
        before["active_version"].as_str().context("no version")?
    );
    assert_eq!(
        told,
        [
            (Some("model.delete"), Some(uploaded.as_str())),
            (Some("model.rollback"), Some(shipped.as_str())),
            (Some("model.activate"), Some(uploaded.as_str())),
            (Some("model.create"), Some(uploaded.as_str())),
        ]
    );
    Ok(())
}

#[test]
fn what_ships_stays_and_what_is_not_there_is_told() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let shipped = model(&client)?;
    for version in versions(&shipped) {
        let refused = client.delete(&address(version))?.expect(409)?;
        assert_eq!(refused.problem()?, "conflict");
    }
    let mut package = Package::of_version("1.0.0")?;
    package.remark("not the one that ships")?;
    put(&client, &address("1.0.0"), &package.zip()?)?.expect(409)?;
    client.delete(&address("9.9.9"))?.expect(404)?;
    post(&client, &format!("{}/activate", address("9.9.9")))?.expect(404)?;
    post(&client, "/api/v1/models/nobody/rollback")?.expect(404)?;
    assert_eq!(model(&client)?, shipped);
    Ok(())
}

#[test]
fn a_model_of_another_name_answers_by_its_name_once_it_is_activated() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let volume = volumes::small(1, 1, 1)?;
    let mut package = Package::of_version("1.0.0")?;
    package.card["name"] = "other-net".into();
    package.remark("of another name")?;
    let at = "/api/v1/models/other-net/versions/1.0.0";
    put(&client, at, &package.zip()?)?.expect(201)?;
    let list = client
        .get("/api/v1/models/other-net")?
        .expect(200)?
        .json()?;
    assert_eq!(list["items"][0]["active_version"], Value::Null);
    client
        .post("/api/v1/segment?model=other-net", &volume)?
        .expect(422)?;
    post(&client, &format!("{at}/activate"))?.expect(200)?;
    assert_eq!(
        segmented_by(&client, &volume, "?model=other-net")?,
        package.digest()
    );
    Ok(())
}

/// Something that is sent as 66.0.0, the status of its refusal and its kind.
struct Bad(&'static str, Vec<u8>, u16, &'static str);

fn bad_packages() -> Result<Vec<Bad>> {
    let good = Package::of_version("66.0.0")?;
    let text = good.card.to_string();
    let text = text.as_bytes();
    let graph = good.graph.as_slice();
    let with_card = |change: &dyn Fn(&mut Value)| -> Result<Vec<u8>> {
        let mut package = good.clone();
        change(&mut package.card);
        package.zip()
    };
    let with_graph = |bytes: Vec<u8>| -> Result<Vec<u8>> {
        let mut package = good.clone();
        package.graph = bytes;
        package.sign();
        package.zip()
    };
    let zeros = vec![0; 64 << 20];
    let cut = graph.len() / 2;
    let canvas = |card: &mut Value, rows: u32| {
        card["preprocessing"]["canvas"]["rows"] = rows.into();
        for tensors in ["inputs", "outputs"] {
            card[tensors][0]["shape"][2] = rows.into();
        }
    };
    const KIND: &str = "invalid-package";
    Ok(vec![
        Bad("no zip", b"nothing".to_vec(), 415, "unsupported-media-type"),
        Bad("an empty body", Vec::new(), 415, "unsupported-media-type"),
        Bad("a zip that is cut", good.zip()?[..cut].to_vec(), 422, KIND),
        Bad("no graph", zip(&[("model.json", text)])?, 422, KIND),
        Bad("no card", zip(&[("model.onnx", graph)])?, 422, KIND),
        Bad(
            "two graphs",
            zip(&[
                ("model.json", text),
                ("model.onnx", graph),
                ("b.onnx", graph),
            ])?,
            422,
            KIND,
        ),
        Bad(
            "a name that leads elsewhere",
            zip(&[("model.json", text), ("../../model.onnx", graph)])?,
            422,
            KIND,
        ),
        Bad(
            "a digest of other bytes",
            zip(&[("model.json", text), ("model.onnx", &graph[..cut])])?,
            422,
            KIND,
        ),
        Bad(
            "a bomb",
            zip(&[("model.json", text), ("model.onnx", &zeros)])?,
            413,
            "body-too-large",
        ),
        Bad(
            "no labels",
            with_card(&|card| {
                card.as_object_mut().map(|card| card.remove("labels"));
            })?,
            422,
            KIND,
        ),
        Bad(
            "another version's card",
            with_card(&|card| card["version"] = "66.0.1".into())?,
            422,
            KIND,
        ),
        Bad("no graph at all", with_graph(b"graph".to_vec())?, 422, KIND),
        Bad(
            "half a graph",
            with_graph(graph[..cut].to_vec())?,
            422,
            KIND,
        ),
        Bad(
            "an input that the graph has not",
            with_card(&|card| card["inputs"][0]["name"] = "nobody".into())?,
            422,
            KIND,
        ),
        Bad(
            "an output that the graph has not",
            with_card(&|card| card["outputs"][0]["name"] = "nobody".into())?,
            422,
            KIND,
        ),
        Bad(
            "neighbours that the graph does not take",
            with_card(&|card| {
                card["preprocessing"]["neighbours"] = 2.into();
                card["inputs"][0]["shape"][1] = 5.into();
            })?,
            422,
            KIND,
        ),
        Bad(
            "a canvas that the graph cannot halve so often",
            with_card(&|card| {
                card["preprocessing"]["canvas"]["multiple"] = 1.into();
                canvas(card, 45);
            })?,
            422,
            KIND,
        ),
        Bad(
            "a region that the graph cannot halve so often",
            with_card(&|card| {
                card["preprocessing"]["canvas"]["multiple"] = 1.into();
                card["preprocessing"]["region"] = json!({"margin": 22, "step": 1});
            })?,
            422,
            KIND,
        ),
    ])
}

#[test]
fn a_refused_package_changes_nothing() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let before = client.get("/api/v1/models")?.expect(200)?.json()?;
    for Bad(what, body, status, kind) in bad_packages()? {
        let answer = put(&client, &address("66.0.0"), &body)?;
        if answer.status != status || answer.problem()? != kind {
            bail!("{what}: {} {}", answer.status, answer.text());
        }
        client.get(&address("66.0.0"))?.expect(404)?;
    }
    assert_eq!(client.get("/api/v1/models")?.expect(200)?.json()?, before);
    assert_eq!(
        client.get("/api/v1/audit")?.expect(200)?.json()?["items"],
        json!([])
    );
    // The name is as free as before.
    let good = Package::of_version("66.0.0")?;
    put(&client, &address("66.0.0"), &good.zip()?)?.expect(201)?;
    Ok(())
}

#[test]
fn a_card_that_cannot_be_read_is_named_and_hides_no_other_model() -> Result<()> {
    let application = Application::with_model("model-unet")?;
    let bad = application.models()?.join(NAME).join("9.9.9");
    std::fs::create_dir_all(&bad)?;
    std::fs::write(bad.join("model.json"), "no card")?;
    let host = application.options().start()?;
    let client = Client::new(&host);
    let listed = model(&client)?;
    ensure!(versions(&listed).contains(&"1.0.0"), "{listed}");
    let unreadable = listed["unreadable"].as_array().context("no list")?;
    let [one] = unreadable.as_slice() else {
        bail!("one was expected: {unreadable:?}")
    };
    assert_eq!(one["version"], "9.9.9");
    ensure!(
        one["reason"]
            .as_str()
            .is_some_and(|reason| reason.len() > 10)
    );
    client.get("/api/v1/models")?.expect(200)?;
    client.get(&address("9.9.9"))?.expect(500)?.problem()?;
    Ok(())
}

#[test]
fn a_second_version_runs_beside_the_active_one_and_touches_no_answer() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    let shadow = format!("/api/v1/models/{NAME}/shadow");
    let json = [("content-type", "application/json")];
    let set = |version: &str| {
        let body = json!({ "version": version }).to_string();
        client.send("PUT", &shadow, &json, Some(body.as_bytes()))
    };
    let told = || client.get(&shadow)?.expect(200)?.json();
    let none = told()?;
    ensure!(
        none["version"].is_null() && none["studies"] == json!([]),
        "{none}"
    );
    set("9.9.9")?.expect(422)?;
    let active = none["active_version"].as_str().context("no version")?;
    set(active)?.expect(409)?;
    assert_eq!(set("1.0.0")?.expect(200)?.json()?["version"], "1.0.0");

    let study = client
        .post("/api/v1/studies", &volumes::phantom(11, 3)?)?
        .expect(201)?;
    let segmentations = format!(
        "{}/segmentations",
        study.header("location").context("no Location")?
    );
    let made = client
        .send("POST", &segmentations, &json, Some(b"{}"))?
        .expect(201)?
        .json()?;
    ensure!(made["model"]["version"] == active, "{made}");
    // It runs once the answer is sent.
    let until = Instant::now() + PATIENCE;
    let compared = loop {
        let compared = told()?["studies"][0].clone();
        if !compared.is_null() && compared["state"] != "comparing" {
            break compared;
        }
        ensure!(compared["failed"].is_null(), "{compared}");
        ensure!(
            Instant::now() < until,
            "nothing was compared: {}",
            host.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    };
    ensure!(compared["study_id"] == made["study_id"], "{compared}");
    ensure!(compared["segmentation_id"] == made["id"], "{compared}");
    ensure!(
        compared["state"] == "done" && compared["failed"].is_null(),
        "{compared}"
    );
    ensure!(compared["compared_at"].is_string(), "{compared}");
    assert_eq!(compared["active"]["digest"], made["model"]["digest"]);
    assert_eq!(
        compared["frames"],
        json!([made["ed_frame"], made["es_frame"]])
    );
    for structure in ["right_ventricle", "myocardium", "left_ventricle"] {
        let dice = compared["dice"][structure].as_f64().context("no Dice")?;
        ensure!((0.6..1.0).contains(&dice), "{structure}: {dice}");
    }
    let ef = compared["ef_difference_points"].as_f64().context("no EF")?;
    ensure!(ef.abs() < 20.0, "{ef} points");

    client.delete(&shadow)?.expect(204)?;
    assert_eq!(told()?, none);
    let audit = client.get("/api/v1/audit")?.expect(200)?.json()?;
    let actions = audit["items"].as_array().context("no items")?.iter();
    let shadows = actions.filter(|entry| entry["action"] == "model.shadow");
    assert_eq!(shadows.count(), 2);
    Ok(())
}

#[test]
fn only_stewards_change_models() -> Result<()> {
    let digest = |key: &str| -> String {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(key);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let keys = format!(
        "reader:r:{},clinician:c:{},steward:s:{}",
        digest("r-key"),
        digest("c-key"),
        digest("s-key")
    );
    let host = Options::new().variable("api_keys", &keys).start()?;
    let archive = Package::of_version("55.0.0")?.zip()?;
    for (key, status) in [("r-key", 403), ("c-key", 403), ("s-key", 201)] {
        let client = Client::new(&host).with_header("authorization", &format!("Bearer {key}"));
        put(&client, &address("55.0.0"), &archive)?.expect(status)?;
        client.get(&address("1.0.0"))?.expect(200)?;
        if status == 403 {
            client.delete(&address("55.0.0"))?.expect(403)?;
            post(&client, &format!("{}/activate", address("1.0.0")))?.expect(403)?;
            post(&client, &format!("/api/v1/models/{NAME}/rollback"))?.expect(403)?;
        }
    }
    put(&Client::new(&host), &address("55.0.1"), &archive)?.expect(401)?;
    Ok(())
}

/// The mask `[T, Z, Y, X]` that a model gives.
fn mask_of(client: &Client, version: &str, volume: &[u8]) -> Result<Array4<u8>> {
    let answer = client
        .post(&format!("/api/v1/segment?model={NAME}@{version}"), volume)?
        .expect(200)?
        .json()?;
    let file = BASE64_STANDARD.decode(answer["mask"]["data"].as_str().context("no mask")?)?;
    Ok(decode_mask(&file, Limits::for_masks())?.1.labels)
}

#[test]
fn a_network_with_a_region_looks_about_the_heart() -> Result<()> {
    // A heart of 10 × 10 pixels in the middle of all five slices, but for the fourth, where it reaches to the edge of what is looked at: with 8
    // pixels about it that is 32 of 64 pixels, from 16 on. Far from it something as bright.
    let shape = Shape::new(1, 5, 64, 64)?;
    let far = |row: usize, column: usize| (58..62).contains(&row) && (58..62).contains(&column);
    let bright = |slice: usize, row: usize, column: usize| {
        let columns = if slice == 3 { 27..48 } else { 27..37 };
        let heart = (27..37).contains(&row) && columns.contains(&column);
        heart || ([0, 3].contains(&slice) && far(row, column))
    };
    let mut greys = Vec::new();
    for voxel in 0..shape.voxels() {
        let (slice, row, column) = (voxel / 4096, voxel / 64 % 64, voxel % 64);
        greys.push(if bright(slice, row, column) {
            1000.0
        } else {
            0.0
        });
    }
    let geometry = Geometry::axis_aligned(Spacing::new(1.4, 1.4, 8.0)?, None);
    let volume = volumes::file(&geometry, shape, &greys)?;

    let host = Options::new().start()?;
    let client = Client::new(&host);
    let mut package = Package::by_grey("77.5.1", [0.5, 1.0, 1.5])?;
    // Without a score no other way to show the picture is tried, and nothing is taken away.
    package.card["calibration"] = Value::Null;
    package.card["postprocessing"]["components"]["keep"] = "all".into();
    put(&client, &address("77.5.1"), &package.zip()?)?.expect(201)?;
    package.card["version"] = "77.5.2".into();
    package.card["preprocessing"]["region"] = json!({"margin": 8, "step": 16});
    put(&client, &address("77.5.2"), &package.zip()?)?.expect(201)?;

    let whole = mask_of(&client, "77.5.1", &volume)?;
    let about = mask_of(&client, "77.5.2", &volume)?;
    for ((_, slice, row, column), &label) in whole.indexed_iter() {
        assert_eq!(label, 3 * u8::from(bright(slice, row, column)));
        // In the first slice what lies far away is not looked at; the fourth is looked at again, whole.
        let seen = slice != 0 || !far(row, column);
        let expected = if seen { label } else { 0 };
        let found = about[[0, slice, row, column]];
        assert_eq!(found, expected, "slice {slice}, row {row}, column {column}");
    }
    Ok(())
}
