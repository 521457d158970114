//! A server of the Open Inference Protocol v2 for tests, which computes with an engine of this crate's and misbehaves when it is told to. Not a
//! server for anything else: one request at a time on a connection, lengths as told, nothing optional. Written from the protocol's text, without
//! the crate that is under test.

use cinecor_nn::{Config, Dim, Encoding, LoadedGraph, Nn, Tensor, TensorSpec, TensorType};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};

/// What the server does with the next inferences.
#[derive(Clone)]
pub(crate) enum Mood {
    /// Computes and answers.
    Well,
    /// Ends the connection when it has the request.
    Dies,
    /// Sends the head of an answer and a part of its body, and ends the connection.
    DiesHalfway,
    /// Keeps the connection and says nothing.
    Silent,
    /// Computes and answers when as many inferences are there as the barrier is for.
    Meets(Arc<Barrier>),
    /// Answers this.
    Says(u16, Option<String>, Vec<u8>),
}

pub(crate) struct Shared {
    nn: Nn,
    graphs: Mutex<BTreeMap<String, LoadedGraph>>,
    pub(crate) mood: Mutex<Mood>,
    /// Metadata that is told instead of the true one.
    pub(crate) metadata: Mutex<Option<Value>>,
    pub(crate) binary: bool,
    pub(crate) connections: AtomicUsize,
    pub(crate) inferences: AtomicUsize,
    pub(crate) looks: AtomicUsize,
    at_once: AtomicUsize,
    pub(crate) at_once_most: AtomicUsize,
    pub(crate) token: Mutex<Option<String>>,
    silent: Mutex<Vec<TcpStream>>,
}

#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) url: String,
    pub(crate) shared: Arc<Shared>,
}

impl Remote {
    /// Serves on a free port until the process ends.
    pub(crate) fn start(binary: bool) -> Self {
        let config = Config {
            threads: 2,
            ..Config::default()
        };
        let shared = Arc::new(Shared {
            nn: Nn::new(config).expect("an engine"),
            graphs: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            metadata: Mutex::default(),
            binary,
            connections: AtomicUsize::new(0),
            inferences: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            at_once_most: AtomicUsize::new(0),
            token: Mutex::default(),
            silent: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.connections.fetch_add(1, SeqCst);
                let shared = serving.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { url, shared }
    }

    /// Serves `model` as `name`, version 1.
    pub(crate) fn add(&self, name: &str, model: &[u8]) {
        let graph = super::runtime().block_on(self.shared.nn.load(
            vec![model.to_vec()],
            Encoding::Onnx,
            "cpu",
        ));
        // What the engine does not take is not there.
        if let Ok(graph) = graph {
            let mut graphs = self.shared.graphs.lock().unwrap();
            graphs.insert(name.to_owned(), graph);
        }
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut writer = stream;
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line.trim_end().is_empty() {
                    break;
                }
                lines.push(line.trim_end().to_owned());
            }
            let header = |name: &str| {
                lines.iter().skip(1).find_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name)
                        .then(|| value.trim().to_owned())
                })
            };
            let number = |name: &str| header(name).and_then(|value| value.parse::<usize>().ok());
            *self.token.lock().unwrap() = header("authorization");
            let mut body = vec![0; number("content-length").unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
            if !path.ends_with("/infer") {
                let (status, text) = self.look(&path);
                answer(&mut writer, status, None, text.to_string().as_bytes());
                continue;
            }
            self.inferences.fetch_add(1, SeqCst);
            let mood = self.mood.lock().unwrap().clone();
            if let Mood::Meets(barrier) = &mood {
                barrier.wait();
            }
            match mood {
                Mood::Well | Mood::Meets(_) => {
                    let now = self.at_once.fetch_add(1, SeqCst) + 1;
                    self.at_once_most.fetch_max(now, SeqCst);
                    let length = number("inference-header-content-length");
                    let (text, tensors) = self.infer(&path, &body, length);
                    self.at_once.fetch_sub(1, SeqCst);
                    let length = self.binary.then(|| text.len().to_string());
                    let body = [text, tensors].concat();
                    answer(&mut writer, 200, length.as_deref(), &body);
                }
                Mood::Dies => return,
                Mood::DiesHalfway => {
                    let _ = writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{");
                    return;
                }
                Mood::Silent => {
                    self.silent.lock().unwrap().push(writer);
                    return;
                }
                Mood::Says(status, length, body) => {
                    answer(&mut writer, status, length.as_deref(), &body);
                }
            }
        }
    }

    fn graph(&self, path: &str) -> Option<LoadedGraph> {
        let name = path.strip_prefix("/v2/models/")?.split('/').next()?;
        self.graphs.lock().unwrap().get(name).cloned()
    }

    fn look(&self, path: &str) -> (u16, Value) {
        if path == "/v2" {
            let extensions = if self.binary {
                vec!["binary_tensor_data"]
            } else {
                Vec::new()
            };
            return (
                200,
                json!({ "name": "double", "version": "1", "extensions": extensions }),
            );
        }
        self.looks.fetch_add(1, SeqCst);
        if let Some(told) = &*self.metadata.lock().unwrap() {
            return (200, told.clone());
        }
        let Some(graph) = self.graph(path) else {
            return (400, json!({ "error": "Request for unknown model" }));
        };
        let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
            let size = |dim: &Dim| match dim {
                Dim::Fixed(size) => i64::from(*size),
                _ => -1,
            };
            let tensor = |spec: &TensorSpec| {
                let shape: Vec<i64> = spec.dims.iter().flatten().map(size).collect();
                json!({ "name": spec.name, "datatype": datatype(spec.ty), "shape": shape })
            };
            specs.iter().map(tensor).collect()
        };
        let signature = graph.signature();
        let (inputs, outputs) = (tensors(&signature.inputs), tensors(&signature.outputs));
        (
            200,
            json!({ "name": "m", "versions": ["1"], "platform": "double", "inputs": inputs, "outputs": outputs }),
        )
    }

    fn infer(&self, path: &str, body: &[u8], length: Option<usize>) -> (Vec<u8>, Vec<u8>) {
        let (text, mut tail) = body.split_at(length.unwrap_or(body.len()));
        let request: Value = serde_json::from_slice(text).expect("JSON");
        let inputs = request["inputs"].as_array().expect("inputs");
        let inputs: Vec<(String, Tensor)> = inputs
            .iter()
            .map(|input| {
                let name = input["datatype"].as_str().expect("a datatype");
                let ty = TensorType::ALL.into_iter().find(|&ty| datatype(ty) == name);
                let ty = ty.expect("a type of wasi:nn");
                let dims: Vec<u32> = serde_json::from_value(input["shape"].clone()).expect("shape");
                let data = match input["parameters"]["binary_data_size"].as_u64() {
                    Some(size) => {
                        let (data, rest) = tail.split_at(size as usize);
                        tail = rest;
                        data.to_vec()
                    }
                    None => {
                        assert_eq!(ty, TensorType::Fp32, "the tests have no others as JSON");
                        let numbers = input["data"].as_array().expect("data").iter();
                        let numbers = numbers.map(|of| of.as_f64().expect("a number") as f32);
                        numbers.flat_map(f32::to_le_bytes).collect()
                    }
                };
                let name = input["name"].as_str().expect("a name").to_owned();
                (name, Tensor::new(dims, ty, data).expect("a tensor"))
            })
            .collect();
        assert!(tail.is_empty(), "bytes after the last tensor");
        let graph = self.graph(path).expect("a graph that was looked at");
        let outputs = super::runtime().block_on(self.nn.compute(&graph, inputs));
        let (outputs, _) = outputs.expect("what the host has checked");
        let mut tensors = Vec::new();
        let described: Vec<Value> = outputs
            .iter()
            .zip(&graph.signature().outputs)
            .map(|((name, tensor), spec)| {
                // wasi:nn writes a scalar as [1], the protocol as [].
                let is_scalar = spec.dims.as_ref().is_some_and(Vec::is_empty);
                let shape = if is_scalar { &[] } else { tensor.dims() };
                let mut one =
                    json!({ "name": name, "datatype": datatype(tensor.ty()), "shape": shape });
                if self.binary {
                    one["parameters"] = json!({ "binary_data_size": tensor.data().len() });
                    tensors.extend_from_slice(tensor.data());
                } else {
                    one["data"] = json!(super::numbers(tensor).expect("numbers"));
                }
                one
            })
            .collect();
        let text = json!({ "model_name": "m", "outputs": described }).to_string();
        (text.into_bytes(), tensors)
    }
}

fn answer(writer: &mut TcpStream, status: u16, length: Option<&str>, body: &[u8]) {
    let length = length.map_or_else(String::new, |length| {
        format!("Inference-Header-Content-Length: {length}\r\n")
    });
    let head = format!(
        "HTTP/1.1 {status} x\r\n{length}content-length: {}\r\n\r\n",
        body.len()
    );
    // Whoever asked may have gone.
    let _ = writer.write_all(&[head.as_bytes(), body].concat());
}

fn datatype(ty: TensorType) -> &'static str {
    match ty {
        TensorType::Fp16 => "FP16",
        TensorType::Fp32 => "FP32",
        TensorType::Fp64 => "FP64",
        TensorType::Bf16 => "BF16",
        TensorType::U8 => "UINT8",
        TensorType::I32 => "INT32",
        TensorType::I64 => "INT64",
    }
}
