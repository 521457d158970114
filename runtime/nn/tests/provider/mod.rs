//! What the engines that are components ask of a host besides WASI: a key-value store, of which they get none here; variables; and requests to one
//! server, of which they get as much as a test grants.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView};

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package test:provider;
            world provider {
                import fermyon:spin/key-value@2.0.0;
                import fermyon:spin/variables@2.0.0;
            }
        ",
        path: ["../../wit/deps/fermyon-spin@2.0.0"],
        world: "test:provider/provider",
    });
}

use bindings::fermyon::spin::{key_value, variables};

/// What one component is granted.
#[derive(Default)]
pub(crate) struct Grants {
    pub(crate) variables: BTreeMap<&'static str, String>,
}

/// A store's data that has them.
pub(crate) trait Granted: WasiHttpView + Send + 'static {
    fn grants(&mut self) -> &mut Grants;
}

/// Adds all of it to a linker.
pub(crate) fn add_to_linker<T: Granted>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    key_value::add_to_linker::<T, HasSelf<Grants>>(linker, T::grants)?;
    variables::add_to_linker::<T, HasSelf<Grants>>(linker, T::grants)
}

type Stored<T> = Result<T, key_value::Error>;

impl key_value::Host for Grants {}

impl key_value::HostStore for Grants {
    fn open(&mut self, _: String) -> Stored<Resource<key_value::Store>> {
        Err(key_value::Error::AccessDenied)
    }
    fn get(&mut self, _: Resource<key_value::Store>, _: String) -> Stored<Option<Vec<u8>>> {
        Err(key_value::Error::AccessDenied)
    }
    fn set(&mut self, _: Resource<key_value::Store>, _: String, _: Vec<u8>) -> Stored<()> {
        Err(key_value::Error::AccessDenied)
    }
    fn delete(&mut self, _: Resource<key_value::Store>, _: String) -> Stored<()> {
        Err(key_value::Error::AccessDenied)
    }
    fn exists(&mut self, _: Resource<key_value::Store>, _: String) -> Stored<bool> {
        Err(key_value::Error::AccessDenied)
    }
    fn get_keys(&mut self, _: Resource<key_value::Store>) -> Stored<Vec<String>> {
        Err(key_value::Error::AccessDenied)
    }
    fn drop(&mut self, _: Resource<key_value::Store>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl variables::Host for Grants {
    fn get(&mut self, name: String) -> Result<String, variables::Error> {
        let value = self.variables.get(name.as_str()).cloned();
        value.ok_or(variables::Error::Undefined(name))
    }
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Done), Error>;

/// Plain HTTP to wherever the request goes; a connection each.
impl WasiHttpHooks for Grants {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async move {
            let authority = request.uri().authority().map(ToString::to_string);
            let authority = authority.ok_or(Error::HttpRequestUriInvalid)?;
            let stream = tokio::net::TcpStream::connect(authority)
                .await
                .map_err(Error::Connect)?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            // To no proxy: the path alone.
            let (mut head, body) = request.into_parts();
            let path = head.uri.path_and_query().cloned();
            head.uri = path.map(http::Uri::from).unwrap_or_default();
            let response = sender
                .send_request(http::Request::from_parts(head, body))
                .await?;
            let (head, body) = response.into_parts();
            let body: Bytes = body.collect().await?.to_bytes();
            let body = Full::new(body).map_err(|never| match never {});
            let done: Done = Box::new(async { Ok(()) });
            Ok((http::Response::from_parts(head, body.boxed_unsync()), done))
        })
    }
}
