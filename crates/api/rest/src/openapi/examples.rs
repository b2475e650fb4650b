//! Examples of what looks alike everywhere: ids, times, places in a list, and bodies that are no JSON. What is particular
//! stands with its field.

use serde_json::{Value, json};
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, KnownFormat, Object, Schema, SchemaFormat};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::operations;

/// An example for whatever has none yet.
pub(super) fn fill(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            for parameter in operation.parameters.iter_mut().flatten() {
                let RefOr::T(parameter) = parameter else { continue };
                fill_parameter(parameter);
            }
            for answer in operation.responses.responses.values_mut() {
                let RefOr::T(answer) = answer else { continue };
                for (kind, content) in &mut answer.content {
                    let RefOr::T(content) = content else { continue };
                    fill_content(kind, content);
                }
            }
        }
    }
    for (name, schema) in document.components.iter_mut().flat_map(|components| &mut components.schemas) {
        fill_schema(name, schema);
    }
}

fn fill_parameter(parameter: &mut Parameter) {
    if let Some(schema) = &mut parameter.schema {
        fill_schema(&parameter.name, schema);
    }
}

fn fill_content(kind: &str, content: &mut Content) {
    // Bytes have no schema: OpenAPI 3.1, "Considerations for File Uploads".
    if ["application/pdf", "application/vnd.apple.pkpass", "image/png"].contains(&kind) {
        content.schema = None;
    }
    let example = match kind {
        "text/event-stream" => "retry: 3000\n\nid: 42\nevent: availability\ndata: {…}\n\n: still here\n\n",
        "text/calendar" => "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n…\r\nEND:VCALENDAR\r\n",
        "text/csv" => crate::audit::COLUMNS,
        "application/jsonl" => "{\"action\":\"booking.confirmed\",…}\n",
        "image/svg+xml" => "<svg xmlns=\"http://www.w3.org/2000/svg\">…</svg>",
        _ => return content.schema.iter_mut().for_each(|schema| fill_schema("", schema)),
    };
    content.example.get_or_insert_with(|| example.into());
}

/// By the name of the property that it describes, for what has no format.
fn fill_schema(name: &str, schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => fill_object(name, object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                fill_schema(name, items);
            }
        }
        Schema::OneOf(of) => of.items.iter_mut().for_each(|item| fill_schema(name, item)),
        Schema::AllOf(of) => of.items.iter_mut().for_each(|item| fill_schema(name, item)),
        Schema::AnyOf(of) => of.items.iter_mut().for_each(|item| fill_schema(name, item)),
        _ => {}
    }
}

fn fill_object(name: &str, object: &mut Object) {
    for (name, property) in &mut object.properties {
        fill_schema(name, property);
    }
    if let Some(additional) = &mut object.additional_properties
        && let AdditionalProperties::RefOr(schema) = &mut **additional
    {
        fill_schema(name, schema);
    }
    let is_told = object.example.is_some() || !object.examples.is_empty() || object.enum_values.is_some();
    if !is_told {
        object.example = example(name, object.format.as_ref());
    }
}

fn example(name: &str, format: Option<&SchemaFormat>) -> Option<Value> {
    match format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)) => Some(json!("01990e4c-7a50-7c11-8f2e-2b1f6c3d9a10")),
        Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)) => Some(json!("2030-11-21T18:00:00Z")),
        Some(SchemaFormat::KnownFormat(KnownFormat::Email)) => Some(json!("ada@example.com")),
        _ => match name {
            "nextCursor" | "cursor" => Some(json!("AQAGClBeTkABAZkOTHpQfBGPLisfbD2aEA")),
            "limit" => Some(json!(20)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this schema, or each part of it, has an example; what has few values is an example itself.
    fn is_told(document: &Value, schema: &Value, within: &[&str]) -> bool {
        let told = ["example", "examples", "enum", "const"].iter().any(|key| schema.get(key).is_some());
        let is = |kind: &str| match &schema["type"] {
            Value::Array(kinds) => kinds.iter().any(|known| known == kind),
            known => known == kind,
        };
        if told || is("boolean") || schema["type"] == "null" {
            return true;
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            let within = [within, &[name]].concat();
            let known = &document["components"]["schemas"][name];
            return within.iter().filter(|outer| **outer == name).count() > 1 || is_told(document, known, &within);
        }
        if let Some(parts) = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema[*key].as_array()) {
            return parts.iter().all(|part| is_told(document, part, within));
        }
        if let Some(properties) = schema["properties"].as_object() {
            return properties.values().all(|property| is_told(document, property, within));
        }
        match &schema["items"] {
            Value::Null => is("object"),
            items => is_told(document, items, within),
        }
    }

    /// Bodies and parameters without an example.
    #[test]
    fn whatever_is_sent_has_an_example() {
        let document = serde_json::to_value(crate::openapi()).unwrap();
        let mut untold = Vec::new();
        let mut bodies = |of: &str, body: &Value| {
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                let own = content.get("example").is_some() || content.get("examples").is_some();
                let bytes = content.get("schema").is_none();
                if !own && !bytes && !is_told(&document, &content["schema"], &[]) {
                    untold.push(format!("{of}: {kind}"));
                }
            }
        };
        let mut parameters = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                bodies(&format!("{method} {path}"), &operation["requestBody"]);
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    bodies(&format!("{method} {path} {status}"), answer);
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    if parameter.get("example").is_none() && !is_told(&document, &parameter["schema"], &[]) {
                        parameters.push(format!("{method} {path}: {}", parameter["name"]));
                    }
                }
            }
        }
        for (name, answer) in document["components"]["responses"].as_object().unwrap() {
            bodies(name, answer);
        }
        untold.append(&mut parameters);
        assert!(untold.is_empty(), "without an example: {untold:#?}");
    }
}
