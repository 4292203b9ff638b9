//! A request as the profile sees it: its path as a template, and its parameters with what their values look like.

use std::cell::OnceCell;

use lapwing_model::{Event, Web, hash};

use super::form::{Form, Writing, identity};
use super::json;

/// Parameters beyond this are not looked at.
const MOST_PARAMETERS: usize = 64;

/// One parameter of a request.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub name: &'a [u8],
    /// Hashes of the name, and of the value as it reads.
    pub key: u64,
    pub identity: u64,
    pub value: &'a [u8],
    writing: Writing,
    /// Looked at only where the value is not known.
    form: OnceCell<Form>,
}

impl Given<'_> {
    #[inline]
    pub(super) fn form(&self) -> &Form {
        self.form.get_or_init(|| Form::of(self.value, self.writing))
    }
}

/// Reads all parameters of a request: those of the query, and those of a body that has some.
pub(super) fn parameters<'a>(event: &'a Event, web: &Web, given: &mut Vec<Given<'a>>) {
    if let Some(query) = event.query(web) {
        read_form(query, given);
    }
    let body = event.text(web.body).trim_ascii();
    match body {
        [] => {}
        [b'{' | b'[', ..] => json::read(body, |name, value| push(given, name, value, Writing::Plain)),
        body if is_form(body) => read_form(body, given),
        _ => {}
    }
}

/// A body is a form where it begins with a name and `=`.
fn is_form(body: &[u8]) -> bool {
    let name = body.iter().take(128).position(|&byte| byte == b'=');
    name.is_some_and(|end| end > 0 && body[..end].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%+$:".contains(byte)))
}

fn read_form<'a>(text: &'a [u8], given: &mut Vec<Given<'a>>) {
    for mut rest in text.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
        while let Some(end) = first_of_several(rest) {
            read_pair(&rest[..end], given);
            rest = &rest[end + 1..];
        }
        read_pair(rest, given);
    }
}

/// Where the first of several pairs ends that a `;` parts (HTML 4.01, B.2.2), as in the listings of folders: `C=N;O=D`. What
/// follows must be a plain name and `=`: a `;` is a part of many payloads.
fn first_of_several(pair: &[u8]) -> Option<usize> {
    let at = pair.iter().position(|&byte| byte == b';')?;
    let name = pair[at + 1..].iter().take(32).position(|&byte| byte == b'=').filter(|&end| end > 0)?;
    pair[at + 1..at + 1 + name].iter().all(|&byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)).then_some(at)
}

fn read_pair<'a>(pair: &'a [u8], given: &mut Vec<Given<'a>>) {
    if !pair.is_empty() {
        let at = pair.iter().position(|&byte| byte == b'=');
        let (name, value) = at.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
        push(given, name, value, Writing::Form);
    }
}

fn push<'a>(given: &mut Vec<Given<'a>>, name: &'a [u8], value: &'a [u8], writing: Writing) {
    if given.len() < MOST_PARAMETERS {
        given.push(Given { name, key: hash(name), identity: identity(value, writing), value, writing, form: OnceCell::new() });
    }
}
