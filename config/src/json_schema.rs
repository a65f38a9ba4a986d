//! Generates the JSON Schema of `hitctl.toml` for editors from the table of keys. The repository contains a copy.

use serde_json::{Map, Value as Json, json};

use crate::keys::{ConfigKey, KeyScope, ValueKind, join_doc_lines};
use crate::resolve::as_json;
use crate::schema::{KEYS, SECTIONS};
use crate::string_format::{self, StringFormat};

/// The URL at which the repository's copy is published.
pub(crate) const SCHEMA_URL: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/config/hitctl.schema.json");

/// Returns the schema as JSON with a final newline.
///
/// # Panics
///
/// Never: the schema is plain data.
pub fn json_schema() -> String {
    let mut definitions = Map::new();
    for (section, about) in SECTIONS.iter().filter(|(section, _)| !section.is_empty()) {
        definitions.insert(
            (*section).to_owned(),
            object_schema(about, &section_properties(section, &[KeyScope::Anywhere])),
        );
    }
    let mut overlay = section_properties("", &[KeyScope::Anywhere, KeyScope::Env]);
    overlay.extend(section_references());
    definitions.insert("env".to_owned(), object_schema(&["The settings of one environment."], &overlay));

    let mut root = section_properties("", &[KeyScope::Anywhere, KeyScope::Top]);
    root.extend(section_references());
    root.insert(
        "env".to_owned(),
        json!({
            "type": "object",
            "description": "The environments by name, or several by a prefix and `*`. Each overrides the settings at the top. `local` and `test` always exist.",
            "propertyNames": string_schema(&string_format::DECLARED_ENV),
            "additionalProperties": { "$ref": "#/definitions/env" },
        }),
    );
    let mut schema = object_schema(&["The settings of hitctl."], &root);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["$id"] = json!(SCHEMA_URL);
    schema["title"] = json!(crate::load::CONFIG_FILE);
    schema["definitions"] = Json::Object(definitions);
    let text = serde_json::to_string_pretty(&schema).expect("plain data has a JSON form");
    format!("{text}\n")
}

fn section_references() -> impl Iterator<Item = (String, Json)> {
    let sections = SECTIONS.iter().map(|(section, _)| *section).filter(|section| !section.is_empty());
    sections.map(|section| (section.to_owned(), json!({ "$ref": format!("#/definitions/{section}") })))
}

fn object_schema(about: &[&str], properties: &Map<String, Json>) -> Json {
    json!({
        "type": "object",
        "description": join_doc_lines(about),
        "additionalProperties": false,
        "properties": properties,
    })
}

fn section_properties(section: &str, scopes: &[KeyScope]) -> Map<String, Json> {
    let keys = KEYS.iter().filter(|key| key.section == section && scopes.contains(&key.scope));
    keys.map(|key| (key.name.to_owned(), property_schema(key))).collect()
}

fn property_schema(key: &ConfigKey) -> Json {
    let mut property = value_schema(key.kind);
    property["description"] = json!(key.description());
    match key.default_value() {
        Some(default) => property["default"] = as_json(&default),
        None => property["examples"] = json!([as_json(&key.default_or_example())]),
    }
    property
}

fn value_schema(kind: ValueKind) -> Json {
    match kind {
        ValueKind::Bool => json!({ "type": "boolean" }),
        ValueKind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        ValueKind::IntegerOrNone { min, max } => {
            json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, { "const": "none" }] })
        }
        ValueKind::IntegerOneOf(allowed) => json!({ "enum": allowed }),
        ValueKind::PositiveNumber { max } => {
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": max })
        }
        ValueKind::OneOf(words) => json!({ "enum": words }),
        ValueKind::Text(format) => string_schema(format),
        ValueKind::TextList { format, max } => {
            json!({ "type": "array", "items": string_schema(format), "uniqueItems": true, "maxItems": max })
        }
        ValueKind::EnvVariables => json!({
            "type": "object",
            "propertyNames": string_schema(&string_format::VARIABLE),
            "additionalProperties": { "type": "string" },
        }),
        ValueKind::EventPattern => json!({ "type": "object", "minProperties": 1 }),
    }
}

fn string_schema(format: &StringFormat) -> Json {
    json!({ "type": "string", "pattern": format.pattern, "maxLength": format.max })
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::json_schema;
    use crate::load::{Overrides, load};
    use crate::schema::KEYS;

    #[test]
    fn json_schema_equals_copy_in_repository() {
        let stored: Json = serde_json::from_str(include_str!("../hitctl.schema.json")).unwrap();
        let generated: Json = serde_json::from_str(&json_schema()).unwrap();
        assert!(
            stored == generated,
            "run `cargo run -p hitctl-config --example schema > config/hitctl.schema.json` at the top of the repository"
        );
    }

    #[test]
    fn json_schema_has_names_and_defaults_of_loader() {
        let schema: Json = serde_json::from_str(&json_schema()).unwrap();
        let loaded = load(None, Some("test"), &Overrides::new())
            .unwrap()
            .to_json(false, &crate::FingerprintKey::new([7; 32]));
        let mut checked = 0;
        for (table, settings) in loaded["settings"].as_object().unwrap() {
            let tables = [(&schema["definitions"][table]["properties"], settings)];
            for (properties, settings) in tables.into_iter().filter(|(properties, _)| properties.is_object())
            {
                let names: Vec<&String> = properties.as_object().unwrap().keys().collect();
                let expected: Vec<&String> = settings.as_object().unwrap().keys().collect();
                assert_eq!(names.len(), expected.len(), "[{table}]");
                for (name, value) in settings.as_object().unwrap() {
                    assert_eq!(
                        properties[name].get("default").unwrap_or(&Json::Null),
                        value,
                        "{table}.{name}"
                    );
                    checked += 1;
                }
            }
        }
        for key in KEYS.iter().filter(|key| key.section.is_empty()) {
            let property =
                [&schema["properties"][key.name], &schema["definitions"]["env"]["properties"][key.name]];
            let property = property.into_iter().find(|property| property.is_object()).unwrap();
            assert_eq!(
                property.get("default").unwrap_or(&Json::Null),
                &loaded["settings"][key.name],
                "{}",
                key.name
            );
            checked += 1;
        }
        assert_eq!(checked, KEYS.len());
    }
}
