//! A guest of the host's tests: keeps and finds things. The last part of the path says with which interface, the answer is what was
//! found, one thing a line.

use spin_sdk::http::{IntoResponse, Request, StatusCode};
use spin_sdk::http_service;
use spin_sdk::key_value::Store;
use spin_sdk::sqlite::{Connection, Value};

#[allow(missing_docs, reason = "generated from WIT, documented there")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../../../wit/deps/fermyon-spin@2.0.0",
        inline: "
            package host-tests:stores;
            world synchronous {
                import fermyon:spin/key-value@2.0.0;
                import fermyon:spin/variables@2.0.0;
            }
        ",
        world: "host-tests:stores/synchronous",
        generate_all,
    });
}

/// What was found, or what was refused.
type Found = Result<Vec<String>, Box<dyn std::error::Error>>;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let argument = request.uri().query().unwrap_or_default().to_owned();
    let found = match request.uri().path().rsplit('/').next().unwrap_or_default() {
        "key-value" => key_value().await,
        "key-value-2" => key_value_2(),
        "variables-2" => variables_2(&argument),
        "sqlite" => sqlite().await,
        "sqlite-sync" => sqlite_sync(),
        "transaction" => transaction(&argument).await,
        "put" => put(&argument).await,
        "take" => take(&argument).await,
        "count" => count().await,
        other => Err(format!("there is nothing called {other}").into()),
    };
    let (status, text) = match found {
        Ok(lines) => (StatusCode::OK, lines.join("\n")),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("refused: {error:?}"),
        ),
    };
    (status, text)
}

/// Every function of `spin:key-value/key-value@3.0.0`.
async fn key_value() -> Found {
    let store = Store::open_default().await?;
    store.set("b", b"2").await?;
    store.set("a", b"1").await?;
    store.set("a", b"one").await?;
    store.set("c", b"").await?;
    store.delete("c").await?;
    store.delete("never there").await?;
    let mut lines = vec![
        format!("{:?}", store.get("a").await?.map(String::from_utf8)),
        format!("{:?}", store.get("c").await?),
        format!("{} {}", store.exists("b").await?, store.exists("c").await?),
    ];
    // More keys than fit into one write of the stream.
    for index in 0..300 {
        store.set(format!("many/{index:03}"), b"x").await?;
    }
    let mut keys = store.get_keys().await;
    let mut count = 0;
    while let Some(key) = keys.next().await {
        count += 1;
        if !key.starts_with("many/") {
            lines.push(key);
        }
    }
    keys.result().await?;
    lines.push(count.to_string());
    Ok(lines)
}

/// The same of `fermyon:spin/key-value@2.0.0`, on the same store.
fn key_value_2() -> Found {
    use bindings::fermyon::spin::key_value::Store;
    let text = |error| format!("{error:?}");
    let store = Store::open("default").map_err(text)?;
    store.set("sync/a", b"1").map_err(text)?;
    store.set("sync/b", b"2").map_err(text)?;
    store.delete("sync/b").map_err(text)?;
    let refused = Store::open("other").err().map(text);
    Ok(vec![
        format!("{:?}", store.get("sync/a").map_err(text)?),
        format!(
            "{} {}",
            store.exists("sync/a").map_err(text)?,
            store.exists("sync/b").map_err(text)?
        ),
        format!(
            "{:?}",
            store
                .get_keys()
                .map_err(text)?
                .iter()
                .filter(|key| key.starts_with("sync/"))
                .collect::<Vec<_>>()
        ),
        format!("{refused:?}"),
    ])
}

fn variables_2(name: &str) -> Found {
    Ok(vec![
        bindings::fermyon::spin::variables::get(name).map_err(|error| format!("{error:?}"))?,
    ])
}

async fn sqlite() -> Found {
    let database = Connection::open_default().await?;
    run(
        &database,
        "CREATE TABLE IF NOT EXISTS kinds (id INTEGER PRIMARY KEY, r REAL, t TEXT, b BLOB, n)",
        [],
    )
    .await?;
    run(&database, "DELETE FROM kinds", []).await?;
    let values = [
        Value::Real(0.5),
        Value::Text("ä".to_owned()),
        Value::Blob(vec![0, 255]),
        Value::Null,
    ];
    run(
        &database,
        "INSERT INTO kinds (r, t, b, n) VALUES (?, ?, ?, ?)",
        values,
    )
    .await?;
    let mut lines = vec![format!(
        "{} {}",
        database.last_insert_rowid().await,
        database.changes().await
    )];
    let result = database.execute("SELECT r, t, b, n FROM kinds", []).await?;
    lines.push(result.columns().join(" "));
    lines.extend(
        result
            .collect()
            .await?
            .into_iter()
            .map(|row| format!("{:?}", row.values)),
    );
    let many = database
        .execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000) SELECT x FROM n", [])
        .await?
        .collect()
        .await?;
    lines.push(format!(
        "{} {:?}",
        many.len(),
        many.last().map(|row| &row.values)
    ));
    let refused = database.execute("SELECT * FROM absent", []).await.err();
    lines.push(format!("{refused:?}"));
    Ok(lines)
}

fn sqlite_sync() -> Found {
    use spin_sdk::sqlite::wit::sqlite;
    let database = sqlite::Connection::open("default")?;
    let result = database.execute("SELECT ?1 + 1 AS sum", &[Value::Integer(41)])?;
    let refused = sqlite::Connection::open("other").err();
    Ok(vec![
        result.columns.join(" "),
        format!("{:?}", result.rows[0].values),
        database.changes().to_string(),
        format!("{refused:?}"),
    ])
}

async fn run(
    database: &Connection,
    statement: &str,
    parameters: impl IntoIterator<Item = Value>,
) -> Result<(), Box<dyn std::error::Error>> {
    Ok(database
        .execute(statement, parameters)
        .await?
        .result()
        .await?)
}

/// Inserts ten rows in one transaction, which is committed if so asked, and left open otherwise.
async fn transaction(commit: &str) -> Found {
    let database = Connection::open_default().await?;
    run(&database, "CREATE TABLE IF NOT EXISTS work (x INTEGER)", []).await?;
    run(&database, "BEGIN IMMEDIATE", []).await?;
    for x in 0..10 {
        run(
            &database,
            "INSERT INTO work VALUES (?)",
            [Value::Integer(x)],
        )
        .await?;
    }
    if commit == "commit" {
        run(&database, "COMMIT", []).await?;
    }
    Ok(vec!["inserted".to_owned()])
}

async fn count() -> Found {
    let database = Connection::open_default().await?;
    run(&database, "CREATE TABLE IF NOT EXISTS work (x INTEGER)", []).await?;
    let rows = database
        .execute("SELECT count(*) FROM work", [])
        .await?
        .collect()
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get::<i64>(0))
        .map(|count| count.to_string())
        .collect())
}

/// Keeps a text in the store and in the database.
async fn put(text: &str) -> Found {
    Store::open_default()
        .await?
        .set("text", text.repeat(1000))
        .await?;
    let database = Connection::open_default().await?;
    run(&database, "CREATE TABLE IF NOT EXISTS texts (t TEXT)", []).await?;
    run(
        &database,
        "INSERT INTO texts VALUES (?)",
        [Value::Text(text.repeat(1000))],
    )
    .await?;
    Ok(vec!["kept".to_owned()])
}

/// Deletes what `put` kept.
async fn take(_: &str) -> Found {
    Store::open_default().await?.delete("text").await?;
    let database = Connection::open_default().await?;
    run(&database, "DELETE FROM texts", []).await?;
    Ok(vec!["gone".to_owned()])
}
