//! Requests as tritonclient frames them, answers as it reads them (tests/make_data.py), and answers that lie.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cinecor_kserve::{
    Binding, Datatype, Error, Form, Limits, ModelMetadata, Request, ServerMetadata, TensorMetadata,
    answer, refusal, request,
};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Named {
    name: String,
    datatype: Datatype,
    shape: Vec<u64>,
    data: Vec<u8>,
}

fn golden() -> Value {
    serde_json::from_str(include_str!("data/framing.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn named(tensors: &Value) -> Vec<Named> {
    let named = |tensor: &Value| Named {
        name: tensor["name"].as_str().unwrap().to_owned(),
        datatype: Datatype::from_name(tensor["datatype"].as_str().unwrap()).unwrap(),
        shape: serde_json::from_value(tensor["shape"].clone()).unwrap(),
        data: bytes(&tensor["data"]),
    };
    tensors.as_array().unwrap().iter().map(named).collect()
}

fn ask(form: Form, inputs: &[Named], outputs: &[&str]) -> Result<Request, Error> {
    let bindings: Vec<Binding<'_>> = inputs
        .iter()
        .map(|of| Binding {
            name: &of.name,
            datatype: of.datatype,
            shape: &of.shape,
            data: &of.data,
        })
        .collect();
    request(form, &bindings, outputs)
}

fn specs(outputs: &[Named]) -> Vec<TensorMetadata> {
    let spec = |of: &Named| TensorMetadata {
        name: of.name.clone(),
        datatype: of.datatype,
        // The batch is open, as servers have it.
        shape: std::iter::once(None)
            .chain(of.shape.iter().skip(1).map(|&size| Some(size)))
            .collect(),
    };
    outputs.iter().map(spec).collect()
}

#[test]
fn requests_are_framed_as_tritonclient_frames_them() {
    for case in golden()["requests"].as_array().unwrap() {
        let form = if case["binary"] == true {
            Form::Binary
        } else {
            Form::Json
        };
        let outputs: Vec<String> = serde_json::from_value(case["outputs"].clone()).unwrap();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let ours = ask(form, &named(&case["inputs"]), &outputs).unwrap();
        let theirs = bytes(&case["body"]);
        let split = case["header"].as_u64().map(|header| header as usize);
        assert_eq!(ours.header_bytes.is_some(), split.is_some());
        let (our_text, our_tail) = ours
            .body
            .split_at(ours.header_bytes.unwrap_or(ours.body.len()));
        let (their_text, their_tail) = theirs.split_at(split.unwrap_or(theirs.len()));
        assert_eq!(our_tail, their_tail);
        let texts = [our_text, their_text].map(|text| {
            let mut text: Value = serde_json::from_slice(text).unwrap();
            for part in ["inputs", "outputs"] {
                for tensor in text[part].as_array_mut().unwrap() {
                    normal(tensor);
                }
            }
            text
        });
        assert_eq!(texts[0], texts[1]);
    }
}

/// Differences that say nothing: tritonclient tells `binary_data: false`, which is the default, and writes numbers as Python does.
fn normal(tensor: &mut Value) {
    if tensor["parameters"] == json!({ "binary_data": false }) {
        tensor.as_object_mut().unwrap().remove("parameters");
    }
    let is_single = tensor["datatype"] == "FP32";
    if let Some(data) = tensor.get_mut("data") {
        for number in data.as_array_mut().unwrap() {
            let value = number.as_f64().filter(|_| is_single);
            if let Some(value) = value {
                *number = json!(value as f32);
            }
        }
    }
}

#[test]
fn answers_are_read_as_tritonclient_reads_them() {
    for case in golden()["answers"].as_array().unwrap() {
        let expected = named(&case["outputs"]);
        let header = case["header"].as_u64().map(|header| header.to_string());
        let body = bytes(&case["body"]);
        let specs = specs(&expected);
        let found = answer(&body, header.as_deref(), &specs, &Limits::default()).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.shape, expected.shape, "{}", expected.name);
            assert_eq!(found.data, expected.data, "{}", expected.name);
        }
        assert_eq!(found.len(), expected.len());
    }
}

#[test]
fn numbers_are_read_whatever_the_order_of_outputs_and_members() {
    let expected = ["a", "b", "c"].map(|name| TensorMetadata {
        name: name.to_owned(),
        datatype: Datatype::Int32,
        shape: vec![None],
    });
    let text = r#"{"id":"1","outputs":[{"data":[[5],[6]],"shape":[2],"datatype":"INT32","name":"c"},
        {"name":"b","datatype":"INT32","shape":[1],"parameters":{"binary_data_size":4}},
        {"name":"a","shape":[0],"data":[],"datatype":"INT32","more":{"data":[9]}}],"model_name":"m"}"#;
    let body = [text.as_bytes(), &7_i32.to_le_bytes()].concat();
    let length = text.len().to_string();
    let found = answer(&body, Some(&length), &expected, &Limits::default()).unwrap();
    let found: Vec<Vec<i32>> = found
        .iter()
        .map(|of| {
            let numbers = of.data.chunks_exact(4);
            numbers
                .map(|of| i32::from_le_bytes(of.try_into().unwrap()))
                .collect()
        })
        .collect();
    assert_eq!(found, [vec![], vec![7], vec![5, 6]]);
}

fn spec(shape: &[Option<u64>]) -> Vec<TensorMetadata> {
    vec![TensorMetadata {
        name: "y".to_owned(),
        datatype: Datatype::Fp32,
        shape: shape.to_vec(),
    }]
}

/// Reads an answer of this JSON and tail against `y: FP32 [?, 2]`.
fn read(text: &str, tail: &[u8]) -> Result<usize, Error> {
    let body = [text.as_bytes(), tail].concat();
    let length = text.len().to_string();
    answer(
        &body,
        Some(&length),
        &spec(&[None, Some(2)]),
        &Limits::default(),
    )
    .map(|of| of.len())
}

#[test]
fn answers_that_lie_are_refused() {
    let y = |shape: &str, rest: &str| {
        format!(r#"{{"outputs":[{{"name":"y","datatype":"FP32","shape":{shape},{rest}}}]}}"#)
    };
    let size = |bytes: &str| format!(r#""parameters":{{"binary_data_size":{bytes}}}"#);
    let good = y("[1,2]", &size("8"));
    assert_eq!(read(&good, &[0; 8]), Ok(1));
    assert_eq!(read(&y("[1,2]", r#""data":[[1,2.5]]"#), &[]), Ok(1));
    for (text, tail, says) in [
        (good.clone(), 7, "7 bytes; its shape and type take 8"),
        (good.clone(), 9, "1 bytes after its last tensor"),
        (
            y("[1,2]", &size("12")),
            12,
            "12 bytes; its shape and type take 8",
        ),
        (y("[1,2]", &size("4")), 4, "4 bytes"),
        (y("[1,2]", &size("18446744073709551615")), 8, "take 8"),
        (y("[1,2]", &size("-8")), 8, "not what the protocol says"),
        (y("[2]", &size("8")), 8, "the remote's model has [?, 2]"),
        (y("[1,3]", &size("12")), 12, "the remote's model has [?, 2]"),
        (y("[-1,2]", &size("8")), 8, "not what the protocol says"),
        (
            y("[4611686018427387904,2]", &size("8")),
            8,
            "takes more than",
        ),
        (
            y("[1,2]", r#""data":[1]"#),
            0,
            "1 numbers; its shape and type take 2",
        ),
        (y("[1,2]", r#""data":[1,2,3]"#), 0, "3 numbers"),
        (y("[1,2]", r#""data":[1,1e39]"#), 0, "no FP32"),
        (y("[1,2]", r#""data":[1,true]"#), 0, "no FP32"),
        (
            y("[1,2]", r#""data":[1,"2"]"#),
            0,
            "a text among the numbers",
        ),
        (
            y("[1,2]", r#""data":[1,{}]"#),
            0,
            "an object among the numbers",
        ),
        (y("[1,2]", r#""data":null"#), 0, "either `data` or"),
        (
            y("[1,2]", &format!(r#"{},"data":[1,2]"#, size("8"))),
            8,
            "either `data` or",
        ),
        (good.replace("FP32", "INT32"), 8, "INT32"),
        (good.replace("FP32", "BYTES"), 8, "BYTES"),
        (
            good.replace("\"y\"", "\"z\""),
            8,
            "\"z\" 1 times; 0 expected",
        ),
        (
            r#"{"outputs":[]}"#.to_owned(),
            0,
            "\"y\" 0 times; 1 expected",
        ),
        (
            good.replace("]}", &format!(",{}]}}", &good[12..good.len() - 2])),
            16,
            "\"y\" 2 times",
        ),
        ("{}".to_owned(), 0, "missing field `outputs`"),
        (String::new(), 0, "not what the protocol says"),
        ("[".repeat(100_000), 0, "not what the protocol says"),
        (
            y("[1,2]", &format!(r#""data":{}"#, "[".repeat(100_000))),
            0,
            "not what the protocol says",
        ),
    ] {
        let error = read(&text, &vec![0; tail]).unwrap_err().to_string();
        assert!(error.contains(says), "{text:.200}: {error}");
        assert!(error.len() < 600, "{error}");
    }
}

#[test]
fn lengths_of_the_header_that_the_body_has_not_are_refused() {
    let body = br#"{"outputs":[]}"#;
    for told in [
        "15",
        "-1",
        "+14",
        "",
        "14 ",
        "0x0e",
        "99999999999999999999999",
    ] {
        let error = answer(body, Some(told), &[], &Limits::default()).unwrap_err();
        assert!(
            matches!(error, Error::HeaderLength { .. }),
            "{told}: {error}"
        );
    }
    assert!(answer(body, Some("14"), &[], &Limits::default()).is_ok());
    assert!(answer(body, None, &[], &Limits::default()).is_ok());
}

#[test]
fn more_than_the_limits_is_not_read() {
    let limits = Limits {
        tensor_bytes_max: 7,
        ..Limits::default()
    };
    let text = r#"{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[0,0]}]}"#;
    let error = answer(text.as_bytes(), None, &spec(&[None]), &limits).unwrap_err();
    assert!(matches!(error, Error::TooLarge { most: 7, .. }), "{error}");
    let inputs: Vec<Value> = (0..65)
        .map(|i| json!({"name": i.to_string(), "datatype": "FP32", "shape": [1]}))
        .collect();
    let metadata = json!({"name": "m", "inputs": inputs, "outputs": []}).to_string();
    let error = ModelMetadata::parse(metadata.as_bytes(), &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::TooMany { found: 65, .. }), "{error}");
}

#[test]
fn metadata_of_the_known_servers_is_read() {
    // Triton 2.51, MLServer 1.7, OpenVINO Model Server 2025.
    let triton = br#"{"name":"triton","version":"2.51.0","extensions":["classification","binary_tensor_data"]}"#;
    let mlserver = br#"{"name":"mlserver","version":"1.7.1","extensions":[]}"#;
    let openvino = br#"{"name":"OpenVINO Model Server","version":"2025.3"}"#;
    let form = |body: &[u8]| ServerMetadata::parse(body).unwrap().form();
    assert_eq!(form(triton), Form::Binary);
    assert_eq!(form(mlserver), Form::Json);
    assert_eq!(form(openvino), Form::Binary);
    assert!(ServerMetadata::parse(b"<html>").is_err());
    let model = br#"{"name":"m","versions":["1"],"platform":"python",
        "inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"y","datatype":"UINT8","shape":["-1","2"]}]}"#;
    let model = ModelMetadata::parse(model, &Limits::default()).unwrap();
    assert_eq!(model.inputs[0].shape, [None, Some(3)]);
    assert_eq!(model.outputs[0].shape, [None, Some(2)]);
    for (from, to) in [
        ("-1", "-2"),
        ("-1", "1.5"),
        ("FP32", "BYTES"),
        ("\"x\"", "7"),
    ] {
        let text = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}]}"#;
        let text = text.replace(from, to);
        let parsed = ModelMetadata::parse(text.as_bytes(), &Limits::default());
        assert!(parsed.is_err(), "{text}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_not_sent() {
    let one = |datatype, shape: &[u64], data: &[u8]| Named {
        name: "x".to_owned(),
        datatype,
        shape: shape.to_vec(),
        data: data.to_vec(),
    };
    let nan = f32::NAN.to_le_bytes();
    for (form, input) in [
        (Form::Binary, one(Datatype::Fp32, &[2], &[0; 7])),
        (Form::Binary, one(Datatype::Fp32, &[u64::MAX, 2], &[0; 8])),
        (Form::Json, one(Datatype::Fp16, &[1], &[0; 2])),
        (Form::Json, one(Datatype::Bf16, &[1], &[0; 2])),
        (Form::Json, one(Datatype::Fp32, &[1], &nan)),
    ] {
        assert!(ask(form, &[input], &["y"]).is_err());
    }
    let good = ask(Form::Binary, &[one(Datatype::Fp32, &[1], &nan)], &["y"]).unwrap();
    assert!(good.body.ends_with(&nan));
}

#[test]
fn refusals_are_cut_and_without_control_characters() {
    let long = json!({ "error": format!("model\r\n{}", "x".repeat(10_000)) }).to_string();
    let text = refusal(long.as_bytes()).unwrap();
    assert!(text.len() <= 200 && !text.contains(['\r', '\n']), "{text}");
    for none in [&b"<html>"[..], b"{}", b"{\"error\":\"\"}", b"{\"error\":3}"] {
        assert_eq!(refusal(none), None);
    }
}

proptest! {
    #[test]
    fn what_is_sent_comes_back(values in proptest::collection::vec(-1e30_f32..1e30, 1..50)) {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let input = Named { name: "y".to_owned(), datatype: Datatype::Fp32, shape: vec![values.len() as u64], data: data.clone() };
        // A server that gives its input back writes what it was sent.
        for form in [Form::Binary, Form::Json] {
            let sent = ask(form, &[Named { name: "y".into(), data: data.clone(), shape: input.shape.clone(), datatype: Datatype::Fp32 }], &[]).unwrap();
            let (text, tail) = sent.body.split_at(sent.header_bytes.unwrap_or(sent.body.len()));
            let text = String::from_utf8(text.to_vec()).unwrap().replace("\"outputs\":[]", "\"none\":[]").replace("\"inputs\"", "\"outputs\"");
            let length = sent.header_bytes.map(|_| text.len().to_string());
            let body = [text.as_bytes(), tail].concat();
            let back = answer(&body, length.as_deref(), &spec(&[None]), &Limits::default()).unwrap();
            prop_assert_eq!(&back[0].data, &data);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), length in proptest::option::of("[0-9]{0,3}")) {
        let _ = answer(&body, length.as_deref(), &spec(&[None]), &Limits::default());
        let _ = ModelMetadata::parse(&body, &Limits::default());
        let _ = ServerMetadata::parse(&body);
        let _ = refusal(&body);
    }
}
