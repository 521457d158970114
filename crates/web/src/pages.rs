//! What is shown under `/problems/`: every kind of problem in words, made from the catalogue.

use serde_json::{Value, json};

use crate::{PROBLEM_PATH, ProblemKind};

/// One kind of problem as JSON.
pub fn problem_json(kind: ProblemKind) -> Value {
    json!({
        "type": kind.type_path(),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "meaning": kind.meaning(),
        "remedy": kind.remedy(),
    })
}

/// The page of one kind. All of its text is ours: nothing of a request is in it.
pub fn problem_page(kind: ProblemKind) -> String {
    let title = escape(kind.title());
    page(
        &title,
        &format!(
            "<h1>{title}</h1>\n<p>Status {}. Type <code>{}</code>.</p>\n<p>{}</p>\n<h2>What to do</h2>\n<p>{}</p>\n<p><a href=\"{PROBLEM_PATH}\">All problems</a></p>",
            kind.status().as_u16(),
            kind.type_path(),
            escape(kind.meaning()),
            escape(kind.remedy()),
        ),
    )
}

/// The page that lists every kind.
pub fn problems_page() -> String {
    let rows: String = ProblemKind::ALL
        .iter()
        .map(|kind| {
            format!(
                "<li>{} <a href=\"{}\">{}</a></li>\n",
                kind.status().as_u16(),
                kind.type_path(),
                escape(kind.title())
            )
        })
        .collect();
    page(
        "Problems",
        &format!(
            "<h1>Problems</h1>\n<p>What the service answers when it cannot do what was asked.</p>\n<ul>\n{rows}</ul>"
        ),
    )
}

fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · Cinecor</title>\n<link rel=\"stylesheet\" href=\"/styles/base.css\">\n</head>\n<body>\n<main>\n{content}\n</main>\n</body>\n</html>\n"
    )
}

/// Text made safe inside an element; back quotes around code become an element.
fn escape(text: &str) -> String {
    let safe = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut html = String::with_capacity(safe.len());
    for (index, part) in safe.split('`').enumerate() {
        if index > 0 {
            html.push_str(if index % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(part);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_page_that_says_what_to_do_and_the_list_leads_to_it() {
        let list = problems_page();
        for kind in ProblemKind::ALL {
            let page = problem_page(*kind);
            assert!(page.contains(&escape(kind.remedy())), "{kind:?}");
            assert_eq!(
                page.matches("<code>").count(),
                page.matches("</code>").count(),
                "{kind:?}"
            );
            assert!(list.contains(&kind.type_path()), "{kind:?}");
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("a < b & `c\"`"),
            "a &lt; b &amp; <code>c&quot;</code>"
        );
    }
}
