//! Prints the OpenAPI document, for validators and for whoever wants it without a running service.

fn main() {
    println!("{:#}", cinecor_web::openapi(env!("CARGO_PKG_VERSION")));
}
