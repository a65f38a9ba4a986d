//! The table of configuration keys: the name, accepted values and default of each key of `hitctl.toml`.
//!
//! [`settings!`] declares a section once. It generates the struct that the program reads, and the table rows that parsing,
//! suggestions, origins, the JSON Schema and the template of `init` use. This module does not parse files.

use crate::string_format::StringFormat;

/// A key of the configuration.
#[derive(Debug)]
pub(crate) struct ConfigKey {
    /// The section (a TOML table) that contains the key; empty for a key at the top.
    pub(crate) section: &'static str,
    /// The name within the section.
    pub(crate) name: &'static str,
    /// The lines of the doc comment in `schema.rs`. Each starts with a space.
    pub(crate) doc: &'static [&'static str],
    /// The values that the key accepts.
    pub(crate) kind: ValueKind,
    /// The default value, or an example if there is none.
    pub(crate) default: KeyDefault,
    /// The parts of the file that may contain the key.
    pub(crate) scope: KeyScope,
}

/// The default of a key, as TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyDefault {
    /// The default value.
    Value(&'static str),
    /// No default; the text is an example.
    Unset(&'static str),
}

/// The parts of the file that may contain a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyScope {
    /// The top of the file, and the overlay of an env.
    Anywhere,
    /// Only the top of the file.
    Top,
    /// Only the overlay of an env.
    Env,
}

/// The values that a key accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueKind {
    /// `true` or `false`.
    Bool,
    /// An integer from `min` to `max`.
    Integer { min: i64, max: i64 },
    /// An integer from `min` to `max`, or the word `none`.
    IntegerOrNone { min: i64, max: i64 },
    /// One of the listed integers.
    IntegerOneOf(&'static [i64]),
    /// A number above 0 and at most `max`.
    PositiveNumber { max: i64 },
    /// One of the listed words.
    OneOf(&'static [&'static str]),
    /// A string in the given format.
    Text(&'static StringFormat),
    /// A list of at most `max` distinct strings in the given format.
    TextList { format: &'static StringFormat, max: usize },
    /// Names and values of environment variables. An overlay adds or replaces single variables.
    EnvVariables,
    /// An `EventBridge` event pattern: tables whose leaves are lists.
    EventPattern,
}

impl ConfigKey {
    /// Returns the full name: `function.memory_mb`.
    pub(crate) fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// Returns the doc comment as one line.
    pub(crate) fn description(&self) -> String {
        join_doc_lines(self.doc)
    }

    /// Returns the default as a TOML value.
    pub(crate) fn default_value(&self) -> Option<toml::Value> {
        match self.default {
            KeyDefault::Value(text) => Some(parse_toml_value(text)),
            KeyDefault::Unset(_) => None,
        }
    }

    /// Returns the default, or the example if there is none.
    pub(crate) fn default_or_example(&self) -> toml::Value {
        match self.default {
            KeyDefault::Value(text) | KeyDefault::Unset(text) => parse_toml_value(text),
        }
    }
}

/// Joins the lines of a doc comment. Removes the backticks around names that begin with a capital, such as
/// `CloudFront`, because only the lints of rustdoc comments require them.
pub(crate) fn join_doc_lines(doc: &[&str]) -> String {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let joined = lines.join(" ");
    let parts = joined.split('`').enumerate().map(|(index, part)| {
        let quoted = index % 2 == 1;
        if quoted && !part.starts_with(|first: char| first.is_ascii_uppercase()) {
            format!("`{part}`")
        } else {
            part.to_owned()
        }
    });
    parts.collect()
}

fn parse_toml_value(text: &str) -> toml::Value {
    let document: toml::Table = toml::from_str(&format!("value = {text}")).expect("defaults are TOML");
    document["value"].clone()
}

/// Declares sections: for each one a struct with its doc comments, and the section's rows in the table of keys.
///
/// The syntax of a key is `name: Type = default => Kind;`. The default is TOML, or `(unset example)`. `only Top` or
/// `only Env` after the kind restricts the parts of the file that may contain the key.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])*
        [$section:literal] struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $ty:ty = $default:tt => $kind:expr $(, only $scope:ident)?;
            )*
            $(
                [tables] {
                    $( $(#[doc = $inner_doc:literal])* $inner:ident: $inner_ty:ty, )*
                }
            )?
        }
    )*) => {
        $(
            $(#[doc = $about])*
            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                $( $(#[doc = $doc])* pub $field: $ty, )*
                $( $( $(#[doc = $inner_doc])* pub $inner: $inner_ty, )* )?
            }
        )*

        /// All keys, in the order of the documentation.
        pub(crate) const KEYS: &[$crate::keys::ConfigKey] = &[
            $( $( $crate::keys::ConfigKey {
                section: $section,
                name: stringify!($field),
                doc: &[$($doc),*],
                kind: $kind,
                default: settings!(@default $default),
                scope: settings!(@scope $($scope)?),
            }, )* )*
        ];

        /// All sections and their doc comments, in order. The first has an empty name and is the top of the file.
        pub(crate) const SECTIONS: &[(&str, &[&str])] = &[ $( ($section, &[$($about),*]), )* ];
    };
    (@default (unset $example:tt)) => { $crate::keys::KeyDefault::Unset(stringify!($example)) };
    (@default $default:tt) => { $crate::keys::KeyDefault::Value(stringify!($default)) };
    (@scope) => { $crate::keys::KeyScope::Anywhere };
    (@scope $scope:ident) => { $crate::keys::KeyScope::$scope };
}

/// Declares an enum with the string that stands for each variant in the file.
macro_rules! string_enums {
    ($(
        $(#[$about:meta])*
        enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )* }
    )*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            pub enum $name { $( $(#[$doc])* #[serde(rename = $word)] $variant, )* }

            impl $name {
                /// The strings of all variants, in order.
                pub const VALUES: &[&str] = &[$($word),*];

                /// Returns the string that stands for the variant in the file.
                pub const fn as_str(self) -> &'static str {
                    match self { $( Self::$variant => $word, )* }
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.pad(self.as_str())
                }
            }
        )*
    };
}

pub(crate) use {settings, string_enums};
