//! What people with a browser see: the documentation, made from the OpenAPI document, and a page that leads to it. No script,
//! nothing from elsewhere.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use super::App;

const STYLE: &str = include_str!("assets/style.css");
const HOME: &str = include_str!("assets/home.html");
const FRAME: &str = include_str!("assets/docs.html");

/// Our own style sheet and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The first page
#[utoipa::path(get, path = "/", tag = "pages", responses((status = 200, content_type = "text/html", body = String)))]
pub(super) async fn get_home() -> Response {
    page(HOME.replace("{{version}}", env!("CARGO_PKG_VERSION")))
}

/// This documentation
#[utoipa::path(get, path = "/docs", tag = "pages", responses((status = 200, content_type = "text/html", body = String)))]
pub(super) async fn get_docs(State(app): State<App>) -> Response {
    page(app.docs.clone())
}

/// The style sheet of the pages
#[utoipa::path(get, path = "/docs/style.css", tag = "pages", responses((status = 200, content_type = "text/css", body = String)))]
pub(super) async fn get_style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// This documentation for programs
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "pages", responses((status = 200, content_type = "application/json", body = Object)))]
pub(super) async fn get_openapi(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}

fn page(html: String) -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}

/// The documentation page of an OpenAPI document.
pub(super) fn render(api: &Value) -> String {
    let (mut contents, mut body) = (String::new(), String::new());
    for tag in array(&api["tags"]) {
        let name = text(&tag["name"]);
        let _ = write!(body, "<h2 id=\"{0}\">{0}</h2><p>{1}</p>", escaped(name), prose(text(&tag["description"])));
        let _ = write!(contents, "<li><a href=\"#{0}\">{0}</a><ul>", escaped(name));
        for (path, method, operation) in operations(api).filter(|(_, _, operation)| operation["tags"][0] == tag["name"]) {
            let id = text(&operation["operationId"]);
            let _ =
                write!(contents, "<li><a href=\"#{}\"><b>{}</b> {}</a></li>", escaped(id), method.to_uppercase(), escaped(path));
            render_operation(&mut body, path, method, operation);
        }
        contents.push_str("</ul></li>");
    }
    body.push_str("<h2 id=\"schemas\">schemas</h2>");
    contents.push_str("<li><a href=\"#schemas\">schemas</a></li>");
    for (name, schema) in object(&api["components"]["schemas"]) {
        let _ =
            write!(body, "<section id=\"schema-{0}\"><h3>{0}</h3><p>{1}</p>", escaped(name), prose(text(&schema["description"])));
        render_fields(&mut body, schema);
        body.push_str("</section>");
    }
    let about = prose(text(&api["info"]["description"]));
    FRAME
        .replace("{{version}}", &escaped(text(&api["info"]["version"])))
        .replace("{{about}}", &about)
        .replace("{{contents}}", &contents)
        .replace("{{body}}", &body)
}

fn operations(api: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    object(&api["paths"]).flat_map(|(path, item)| object(item).map(move |(method, operation)| (path, method, operation)))
}

fn render_operation(body: &mut String, path: &str, method: &str, operation: &Value) {
    let id = escaped(text(&operation["operationId"]));
    let _ = write!(
        body,
        "<section id=\"{id}\"><h3><code><b>{}</b> {}</code> {}</h3>",
        method.to_uppercase(),
        escaped(path),
        escaped(text(&operation["summary"]))
    );
    let role = text(&operation["security"][0]["bearer"][0]);
    let role = if role.is_empty() { "open to everybody".to_owned() } else { format!("role <b>{}</b>", escaped(role)) };
    let _ = write!(body, "<p class=\"role\">{role}</p><p>{}</p>", prose(text(&operation["description"])));
    render_parameters(body, operation);
    for (kind, content) in object(&operation["requestBody"]["content"]) {
        let _ = write!(body, "<h4>body <code>{}</code></h4>{}", escaped(kind), form(&content["schema"]));
        render_example(body, content);
    }
    body.push_str("<h4>answers</h4><table>");
    for (status, response) in object(&operation["responses"]) {
        let forms = object(&response["content"])
            .map(|(kind, content)| format!("<code>{}</code> {}", escaped(kind), form(&content["schema"])));
        let forms = forms.collect::<Vec<_>>().join("<br>");
        let _ = write!(
            body,
            "<tr><th>{}</th><td>{}</td><td>{forms}</td></tr>",
            escaped(status),
            prose(text(&response["description"]))
        );
    }
    body.push_str("</table></section>");
}

fn render_parameters(body: &mut String, operation: &Value) {
    let mut parameters = array(&operation["parameters"]).peekable();
    if parameters.peek().is_none() {
        return;
    }
    body.push_str("<h4>parameters</h4><table>");
    for parameter in parameters {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let _ = write!(
            body,
            "<tr><th><code>{}</code></th><td>{}</td><td>{}</td></tr>",
            escaped(name),
            escaped(place),
            prose(text(&parameter["description"]))
        );
    }
    body.push_str("</table>");
}

fn render_example(body: &mut String, content: &Value) {
    let example = match &content["example"] {
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let _ = write!(body, "<pre>{}</pre>", escaped(&example));
}

fn render_fields(body: &mut String, schema: &Value) {
    let required: Vec<_> = array(&schema["required"]).map(text).collect();
    body.push_str("<table>");
    for (name, field) in object(&schema["properties"]) {
        let optional = if required.contains(&name) { "" } else { " <i>optional</i>" };
        let example = if field["example"].is_null() {
            String::new()
        } else {
            format!(" <code>{}</code>", escaped(&field["example"].to_string()))
        };
        let _ = write!(
            body,
            "<tr><th><code>{}</code></th><td>{}{optional}</td><td>{}{example}</td></tr>",
            escaped(name),
            form(field),
            prose(text(&field["description"]))
        );
    }
    body.push_str("</table>");
}

/// What a schema is, in a word or a link.
fn form(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        return kinds.iter().map(form).collect::<Vec<_>>().join(" or ");
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect(),
        kind => vec![text(kind)],
    };
    let inner = |part: &str| if schema[part].is_object() { format!(" of {}", form(&schema[part])) } else { String::new() };
    format!("{}{}{}", escaped(&kinds.join(" or ")), inner("items"), inner("additionalProperties"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// Text with `code` in backquotes.
fn prose(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        let part = escaped(part);
        let _ = if at % 2 == 1 { write!(html, "<code>{part}</code>") } else { html.write_str(&part) };
    }
    html
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes;

    #[test]
    fn the_page_shows_every_operation_and_every_link_leads_somewhere() {
        let api = serde_json::to_value(routes::openapi()).expect("serialises");
        let page = render(&api);
        for (path, method, operation) in operations(&api) {
            assert!(page.contains(&format!("<b>{}</b> {path}</code>", method.to_uppercase())), "{method} {path}");
            assert!(!text(&operation["summary"]).is_empty(), "{method} {path} has no summary");
        }
        for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{link}\"")), "nothing at #{link}");
        }
        assert!(!page.contains("{{") && !page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    }

    #[test]
    fn text_is_never_markup() {
        assert_eq!(prose("a `<b>` & \"c\""), "a <code>&lt;b&gt;</code> &amp; &quot;c&quot;");
    }
}
