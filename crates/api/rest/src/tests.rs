//! The document, as far as it can be checked without a running application.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

/// Each operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (path.clone(), method.clone(), operation))
        })
        .collect()
}

#[test]
fn every_operation_is_described() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}: its id is taken");
        assert!(operation["summary"].is_string(), "{name} has no summary");
        assert!(operation["security"].is_array(), "{name} does not say who may call");
        assert!(operation.get("x-problems").is_none(), "{name} keeps what is meant for us");
        let names: Vec<_> = operation["parameters"].as_array().into_iter().flatten().map(|it| &it["name"]).collect();
        assert_eq!(names.len(), names.iter().map(|it| it.as_str().unwrap()).collect::<BTreeSet<_>>().len(), "{name}");
        for template in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            assert!(names.contains(&&Value::from(template)), "{name} does not describe {template}");
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let answer = resolve(&document, answer);
            assert!(answer["headers"].get("X-Correlation-Id").is_some(), "{name} {status}");
            // Who signs in with one factor of two is asked for the other; what else is only accepted says nothing. Nor does
            // what a payment provider is told: it looks at the status alone.
            let asks = ["login", "webLogin", "exchangeCode", "webExchangeCode"].map(Value::from);
            let says_nothing = match status.as_str() {
                "200" => operation["operationId"] == "receiveWebhook",
                "202" => !asks.contains(&operation["operationId"]),
                status => matches!(status, "204" | "303" | "304"),
            };
            assert_eq!(answer.get("content").is_none(), says_nothing, "{name} {status} has no body");
        }
    }
}

#[test]
fn request_bodies_refuse_unknown_fields() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let Some(body) = operation.get("requestBody") else { continue };
        // Its form is the provider's, who may add to it.
        if operation["operationId"] == "receiveWebhook" {
            continue;
        }
        let schema = &body["content"]["application/json"]["schema"];
        // One that may be left out is either null or the schema.
        let schema = schema["oneOf"].as_array().and_then(|either| either.first()).unwrap_or(schema);
        let schema = resolve(&document, schema);
        assert_eq!(schema["additionalProperties"], false, "{method} {path}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = BTreeSet::new();
    gather(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn gather(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                references.insert(reference.clone());
            }
            members.values().for_each(|value| gather(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| gather(value, references)),
        _ => {}
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}
