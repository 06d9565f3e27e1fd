//! Pages for people: small, without scripts, the same for screen readers.

use std::fmt::Write as _;

/// What such a page may load: nothing but its own lines of style.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}\
p::first-letter{text-transform:uppercase}input,button{font:inherit;padding:.4rem .6rem}label{display:block}";

const FORM: &str = "<form method=\"get\"><label for=\"token\">Token</label>\
<input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus> \
<button type=\"submit\">Open</button></form>\n";

/// A page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    /// What is the case, in a few words.
    pub(crate) title: &'a str,
    /// Why, and what can be done.
    pub(crate) text: &'a str,
    /// The page loads itself again after so many seconds.
    pub(crate) again: Option<u32>,
    /// It has a field for the token.
    pub(crate) asks_token: bool,
}

/// The page as HTML.
pub(crate) fn render(page: &Page<'_>) -> String {
    let title = escaped(page.title);
    let reload = page
        .again
        .map(|seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n"))
        .unwrap_or_default();
    let text = escaped(page.text);
    let form = if page.asks_token { FORM } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         {reload}<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n<p role=\"status\">{text}</p>\n{form}</main>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '<' | '>' | '"' | '\'' => {
                write!(escaped, "&#{};", u32::from(letter)).ok();
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_text() {
        let page = Page {
            title: "<b>",
            text: "\"a\" & 'b' </p><script>",
            again: Some(3),
            asks_token: false,
        };
        let html = render(&page);
        assert!(
            html.contains("<h1>&#60;b&#62;</h1>") && html.contains("&#34;a&#34; &#38; &#39;b&#39;"),
            "{html}"
        );
        assert!(
            !html.contains("<script") && !html.contains("<form"),
            "{html}"
        );
        assert!(
            html.contains("<meta http-equiv=\"refresh\" content=\"3\">"),
            "{html}"
        );
    }
}
