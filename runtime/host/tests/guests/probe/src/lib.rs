//! A guest of the host's tests, on WASI 0.3: it does what the last part of the path says, with the query as argument, and answers in
//! text. What the host refuses comes back as a 200 with a text that starts with `refused: `, so that tests see the refusal itself.

use futures::{SinkExt as _, StreamExt as _};
use spin_sdk::http::body::{IncomingBodyExt as _, stream};
use spin_sdk::http::{BoxBody, FullBody, IntoResponse, Request, Response, box_body};
use spin_sdk::http_service;
use spin_sdk::wasip3::clocks::monotonic_clock;

fn text(text: impl Into<String>) -> Response<BoxBody> {
    Response::new(box_body(FullBody::new(text.into().into())))
}

fn outcome<T: std::fmt::Display, E: std::fmt::Debug>(outcome: Result<T, E>) -> Response<BoxBody> {
    match outcome {
        Ok(value) => text(value.to_string()),
        Err(error) => text(format!("refused: {error:?}")),
    }
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let uri = request.uri().clone();
    let argument = uri.query().unwrap_or_default().to_owned();
    match uri.path().rsplit('/').next().unwrap_or_default() {
        "hello" => text("hello"),
        "request" => {
            let mut lines = vec![format!("{} {uri}", request.method())];
            lines.extend(request.headers().iter().map(|(name, value)| {
                format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
            }));
            text(lines.join("\n"))
        }
        "echo" => Response::new(box_body(request.into_body())),
        "count" => outcome(request.into_body().bytes().await.map(|body| body.len())),
        "early" => {
            let mut response = text("not read");
            *response.status_mut() = spin_sdk::http::StatusCode::UNAUTHORIZED;
            response
        }
        "ticks" => {
            let (mut sender, body) = stream::<String>();
            spin_sdk::wasip3::spawn(async move {
                while sender.send("tick\n".to_owned()).await.is_ok() {
                    monotonic_clock::wait_for(1_000_000).await;
                }
            });
            Response::new(box_body(body))
        }
        // Works on after its first words, as a segmentation does, and never looks at who reads.
        "work" => {
            let _ = request.into_body().bytes().await;
            let (mut sender, body) = stream::<String>();
            spin_sdk::wasip3::spawn(async move {
                let _ = sender.send("started\n".to_owned()).await;
                monotonic_clock::wait_for(3_600_000_000_000).await;
                let _ = sender.send("done\n".to_owned()).await;
            });
            Response::new(box_body(body))
        }
        "loop" => loop {
            std::hint::black_box(());
        },
        "wait" => {
            monotonic_clock::wait_for(3_600_000_000_000).await;
            text("waited")
        }
        "memory" => {
            let mib: usize = argument.parse().unwrap_or_default();
            let block = std::hint::black_box(vec![1_u8; mib << 20]);
            text(block.len().to_string())
        }
        "panic" => panic!("the probe was asked to panic"),
        "environment" => text(std::env::var(&argument).unwrap_or_else(|_| "unset".to_owned())),
        "read" => outcome(std::fs::read_to_string(&argument)),
        "write" => outcome(std::fs::write(&argument, "written").map(|()| "written")),
        "list" => outcome(std::fs::read_dir(&argument).map(|entries| {
            let mut names: Vec<_> = entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names.join(" ")
        })),
        "print" => {
            println!("{argument}");
            text("printed")
        }
        "variable" => outcome(spin_sdk::variables::get(&argument).await),
        "key-value" => outcome(key_value(&argument).await),
        "sqlite" => outcome(sqlite(&argument).await),
        "fetch" => match spin_sdk::http::get(&argument).await {
            Ok(response) => {
                let status = response.status();
                let mut body = response.into_body().stream();
                let mut bytes = Vec::new();
                while let Some(Ok(chunk)) = body.next().await {
                    bytes.extend_from_slice(&chunk);
                }
                text(format!(
                    "{} {}",
                    status.as_u16(),
                    String::from_utf8_lossy(&bytes)
                ))
            }
            Err(error) => text(format!("refused: {error:?}")),
        },
        _ => {
            let mut response = text("the probe knows no such path");
            *response.status_mut() = spin_sdk::http::StatusCode::NOT_FOUND;
            response
        }
    }
}

/// Writes and reads a key of the store `label`.
async fn key_value(label: &str) -> Result<String, spin_sdk::key_value::Error> {
    let store = spin_sdk::key_value::Store::open(label).await?;
    store.set("probe", b"kept").await?;
    let value = store.get("probe").await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&value).into_owned())
}

/// Computes in the database `label`.
async fn sqlite(label: &str) -> Result<String, spin_sdk::sqlite::Error> {
    let database = spin_sdk::sqlite::Connection::open(label).await?;
    let rows = database
        .execute("SELECT 6 * 7", Vec::new())
        .await?
        .collect()
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get::<i64>(0))
        .map(|value| value.to_string())
        .collect())
}
