//! The bundled host, binary `cinecor`.

fn main() -> std::process::ExitCode {
    match cinecor_host::cli::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", cinecor_host::cli::told(&error));
            std::process::ExitCode::FAILURE
        }
    }
}
