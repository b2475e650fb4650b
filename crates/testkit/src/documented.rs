//! Whether an answer is as the OpenAPI document says: its status, the code of a problem, its media type, and the form of
//! its body.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::http::Method;
use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use crate::app::Reply;

/// What the document is called where a schema refers to it.
const DOCUMENT: &str = "urn:goticket:openapi";

/// An operation of the document.
struct Operation {
    method: Method,
    /// The parts of its path.
    parts: Vec<Part>,
    /// Its answers by status.
    answers: BTreeMap<String, Answer>,
}

/// A part of a path.
enum Part {
    Fixed(String),
    /// A parameter, and what stands behind it.
    Parameter(String),
}

/// An answer of an operation.
struct Answer {
    /// The codes of its problems.
    codes: Vec<String>,
    /// Its bodies, by media type.
    bodies: BTreeMap<String, Form>,
}

/// The form of a body.
struct Form {
    /// Where its schema is in the document.
    pointer: String,
    validator: OnceLock<Validator>,
}

/// Fails the test for an answer that the document does not know. What is at no path of the document may be anything.
///
/// # Panics
/// With the answer, and with what of it is not documented.
pub(crate) fn check_documented(method: &Method, path: &str, reply: &Reply) {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    let asked: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let asked_for = if method == Method::HEAD { &Method::GET } else { method };
    let fits = |known: &&Operation| {
        known.method == *asked_for
            && known.parts.len() == asked.len()
            && known.parts.iter().zip(&asked).all(|(part, asked)| part.fits(asked))
    };
    let operations = OPERATIONS.get_or_init(operations);
    // Among those that fit, the one with the fewest parameters is meant.
    let found = operations
        .iter()
        .filter(fits)
        .min_by_key(|known| known.parts.iter().filter(|part| matches!(part, Part::Parameter(_))).count());
    let Some(known) = found else { return };
    let undocumented = || -> ! { panic!("{method} {path} answers what is not documented: {reply:?}") };
    let Some(answer) = known.answers.get(reply.status.as_str()) else { undocumented() };
    let media_type = reply.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
    if media_type == "application/problem+json" {
        let code = reply.body["code"].as_str().unwrap_or_default();
        if !answer.codes.iter().any(|known| known == code) {
            undocumented();
        }
    }
    let is_bare = answer.bodies.is_empty() && reply.text.is_empty();
    if is_bare || method == Method::HEAD {
        return;
    }
    let Some(form) = answer.bodies.get(media_type) else { undocumented() };
    if media_type.ends_with("/json") || media_type.ends_with("+json") {
        let checked = form.validator().validate(&reply.body);
        checked.unwrap_or_else(|error| panic!("{method} {path}: {}: {error}; {}", error.instance_path(), reply.text));
    }
}

impl Part {
    fn of(part: &str) -> Self {
        match part.split_once('}') {
            Some((_, ending)) => Self::Parameter(ending.to_owned()),
            None => Self::Fixed(part.to_owned()),
        }
    }

    fn fits(&self, asked: &str) -> bool {
        match self {
            Self::Fixed(part) => part == asked,
            Self::Parameter(ending) => asked.ends_with(ending),
        }
    }
}

impl Form {
    fn validator(&self) -> &Validator {
        self.validator.get_or_init(|| {
            // In a URI, braces are written otherwise.
            let pointer = self.pointer.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({ "$ref": format!("{DOCUMENT}#{pointer}") });
            let options = jsonschema::options().offline().with_registry(registry()).should_validate_formats(true);
            options.build(&schema).unwrap_or_else(|error| panic!("{} is no schema: {error}", self.pointer))
        })
    }
}

fn document() -> &'static Value {
    static READ: OnceLock<Value> = OnceLock::new();
    READ.get_or_init(|| serde_json::to_value(api_rest::openapi()).expect("the document has a JSON form"))
}

fn registry() -> &'static Registry<'static> {
    static READ: OnceLock<Registry<'static>> = OnceLock::new();
    READ.get_or_init(|| {
        let registry = Registry::new().add(DOCUMENT, document()).and_then(jsonschema::RegistryBuilder::prepare);
        registry.expect("the document is a resource")
    })
}

fn operations() -> Vec<Operation> {
    let paths = document()["paths"].as_object().expect("the document has paths");
    let operation = |path: &str, method: &str, operation: &Value| {
        let answers = operation["responses"].as_object().expect("an operation has answers");
        let at = format!("/paths/{}/{method}/responses", escaped(path));
        Operation {
            method: method.to_uppercase().parse().expect("a method"),
            parts: path.split('/').map(Part::of).collect(),
            answers: answers.keys().map(|status| (status.clone(), answer(format!("{at}/{status}")))).collect(),
        }
    };
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("a path has operations");
        item.iter().map(move |(method, it)| (path, method, it))
    });
    operations.map(|(path, method, it)| operation(path, method, it)).collect()
}

/// The answer at this place of the document, or where that refers to.
fn answer(at: String) -> Answer {
    let found = |at: &str| document().pointer(at).unwrap_or_else(|| panic!("{at} is not in the document"));
    let at = found(&at)["$ref"].as_str().map_or(at, |shared| shared.trim_start_matches('#').to_owned());
    let content = found(&at)["content"].as_object();
    let form = |media_type: &String| {
        let pointer = format!("{at}/content/{}/schema", escaped(media_type));
        (media_type.clone(), Form { pointer, validator: OnceLock::new() })
    };
    let problems = content.and_then(|content| content.get("application/problem+json")?["examples"].as_object());
    Answer {
        codes: problems.map(|examples| examples.keys().cloned().collect()).unwrap_or_default(),
        bodies: content.map(|content| content.keys().map(form).collect()).unwrap_or_default(),
    }
}

/// A part of a JSON Pointer (RFC 6901, section 3).
fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}
