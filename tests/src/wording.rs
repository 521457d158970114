//! How a refusal has to be worded: a sentence that tells what was found or expected, and what to do about it.

use anyhow::{Result, ensure};

/// Words that tell a caller what to do or what is expected.
const ADVICE: [&str; 36] = [
    "activate",
    "ask",
    "bring",
    "call",
    "check",
    "choose",
    "compress",
    "convert",
    "correct",
    "crop",
    "encode",
    "expected",
    "export",
    "give",
    "it takes",
    "leave",
    "let",
    "lists",
    "listed",
    "raised",
    "read",
    "save",
    "send",
    "shorten",
    "takes",
    "take",
    "tell",
    "transpose",
    "try",
    "use",
    "write",
    "have",
    "start",
    "count",
    "look",
    "pack",
];

/// Checks the `detail` of a problem.
///
/// # Errors
/// It is no sentence, too short to say anything, or gives no advice.
pub fn check(detail: &str) -> Result<()> {
    ensure!(
        detail
            .chars()
            .next()
            .is_some_and(|first| first.is_uppercase()),
        "the detail does not start as a sentence: {detail}"
    );
    ensure!(
        detail.ends_with('.'),
        "the detail does not end as a sentence: {detail}"
    );
    ensure!(detail.len() >= 40, "the detail says too little: {detail}");
    let lower = detail.to_lowercase();
    let words: Vec<&str> = lower
        .split(|character: char| !character.is_alphanumeric())
        .collect();
    ensure!(
        ADVICE.iter().any(|advice| {
            words.contains(advice) || (advice.contains(' ') && detail.contains(advice))
        }),
        "the detail does not say what to do: {detail}"
    );
    ensure!(
        !detail.contains("  ") && !detail.contains(".."),
        "the detail is badly joined: {detail}"
    );
    Ok(())
}
