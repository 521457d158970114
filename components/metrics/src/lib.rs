//! Numbers from masks: of a kept segmentation, of a mask that is sent along, and of how well two masks agree; and the report of a kept
//! segmentation.
//!
//! What the numbers mean is in `cinecor-measures`, how they are worded in `cinecor-wire`, how the report looks in `cinecor-report`.

mod compare;
mod kept;
mod measure;
mod report;
mod rules;

use cinecor_guest::{Answer, Call, Request, Response, measure_problem, serve};
use cinecor_measures::Error;
use cinecor_web::{CSV, Problem};
use cinecor_wire::{MetricsJson, metrics_csv};
use spin_sdk::wasip3;

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Response {
        serve(request, answer).await
    }
}

async fn answer(call: Call) -> Result<Answer, Problem> {
    match call.operation.id {
        "get_metrics" => kept::get(&call).await,
        "get_report" => report::get(&call).await,
        "measure" => measure::measure(call).await,
        "compare" => compare::compare(call).await,
        _ => Err(call.not_here()),
    }
}

/// The numbers in the form that the caller accepts, with their verdict.
fn in_form(form: &str, metrics: &MetricsJson) -> Result<Answer, Problem> {
    let answer = match form {
        CSV => Answer::bytes(CSV, metrics_csv(metrics)).saved_as("metrics.csv"),
        _ => Answer::json(metrics)?,
    };
    Ok(answer.verdict(&metrics.quality.verdict))
}

/// A measure's refusal as a problem that names the fact.
fn not_measurable(error: &Error) -> Problem {
    measure_problem(error.fact(), error)
}
