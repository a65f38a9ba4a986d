//! The JSON Schema of `hitctl.toml`, for editors. Made of the table of keys; a copy is kept in the repository.

use serde_json::{Map, Value as Json, json};

use crate::keys::{Key, Kind, Scope, one_line};
use crate::resolve::as_json;
use crate::schema::{KEYS, SECTIONS};
use crate::shape::{self, Shape};

/// Where the copy is published.
pub(crate) const SCHEMA_URL: &str =
    concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/config/hitctl.schema.json");

/// The schema, as JSON with a newline at the end.
///
/// # Panics
///
/// Never: the schema is plain data.
pub fn json_schema() -> String {
    let mut definitions = Map::new();
    for (section, about) in SECTIONS.iter().filter(|(section, _)| !section.is_empty()) {
        definitions.insert((*section).to_owned(), object(about, &properties(section, &[Scope::Anywhere])));
    }
    let mut overlay = properties("", &[Scope::Anywhere, Scope::Env]);
    overlay.extend(references());
    definitions.insert("env".to_owned(), object(&["What is different in one env."], &overlay));

    let mut root = properties("", &[Scope::Anywhere, Scope::Top]);
    root.extend(references());
    root.insert(
        "env".to_owned(),
        json!({
            "type": "object",
            "description": "The envs by name, or many by the beginning of their names and `*`. Each overlays the settings at the top; `local` and `test` are always there.",
            "propertyNames": string(&shape::DECLARED_ENV),
            "additionalProperties": { "$ref": "#/definitions/env" },
        }),
    );
    let mut schema = object(&["The settings of hitctl."], &root);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["$id"] = json!(SCHEMA_URL);
    schema["title"] = json!(crate::load::FILE_NAME);
    schema["definitions"] = Json::Object(definitions);
    let text = serde_json::to_string_pretty(&schema).expect("plain data has a JSON form");
    format!("{text}\n")
}

fn references() -> impl Iterator<Item = (String, Json)> {
    let sections = SECTIONS.iter().map(|(section, _)| *section).filter(|section| !section.is_empty());
    sections.map(|section| (section.to_owned(), json!({ "$ref": format!("#/definitions/{section}") })))
}

fn object(about: &[&str], properties: &Map<String, Json>) -> Json {
    json!({
        "type": "object",
        "description": one_line(about),
        "additionalProperties": false,
        "properties": properties,
    })
}

fn properties(section: &str, scopes: &[Scope]) -> Map<String, Json> {
    let keys = KEYS.iter().filter(|key| key.section == section && scopes.contains(&key.scope));
    keys.map(|key| (key.name.to_owned(), property(key))).collect()
}

fn property(key: &Key) -> Json {
    let mut property = of_kind(key.kind);
    property["description"] = json!(key.description());
    match key.default_value() {
        Some(default) => property["default"] = as_json(&default),
        None => property["examples"] = json!([as_json(&key.sample())]),
    }
    property
}

fn of_kind(kind: Kind) -> Json {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::IntegerOrNone { min, max } => {
            json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, { "const": "none" }] })
        }
        Kind::IntegerOf(allowed) => json!({ "enum": allowed }),
        Kind::Positive { max } => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": max }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Text(shape) => string(shape),
        Kind::Texts { shape, max } => {
            json!({ "type": "array", "items": string(shape), "uniqueItems": true, "maxItems": max })
        }
        Kind::Variables => json!({
            "type": "object",
            "propertyNames": string(&shape::VARIABLE),
            "additionalProperties": { "type": "string" },
        }),
        Kind::Pattern => json!({ "type": "object", "minProperties": 1 }),
    }
}

fn string(shape: &Shape) -> Json {
    json!({ "type": "string", "pattern": shape.pattern, "maxLength": shape.max })
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::json_schema;
    use crate::load::{Overrides, load};
    use crate::schema::KEYS;

    #[test]
    fn the_copy_in_the_repository_is_this_one() {
        let kept: Json = serde_json::from_str(include_str!("../hitctl.schema.json")).unwrap();
        let made: Json = serde_json::from_str(&json_schema()).unwrap();
        assert!(
            kept == made,
            "run `cargo run -p hitctl-config --example schema > config/hitctl.schema.json` at the top of the repository"
        );
    }

    #[test]
    fn names_and_defaults_are_those_of_the_loader() {
        let schema: Json = serde_json::from_str(&json_schema()).unwrap();
        let loaded = load(None, Some("test"), &Overrides::new())
            .unwrap()
            .to_json(false, &crate::FingerprintKey::new([7; 32]));
        let mut seen = 0;
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
                    seen += 1;
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
            seen += 1;
        }
        assert_eq!(seen, KEYS.len());
    }
}
