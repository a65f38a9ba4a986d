//! The table of keys: what each key of `hitctl.toml` is called, takes and defaults to. [`settings!`] declares a section
//! once, and makes of it both the struct that the program reads and the rows that drive parsing, suggestions, origins,
//! the JSON Schema and the template of `init`. Nothing here parses.

use crate::shape::Shape;

/// One key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    /// The table that it is in; empty at the top.
    pub(crate) section: &'static str,
    /// Its name within the table.
    pub(crate) name: &'static str,
    /// What it means, as written in the source: a leading space for each line.
    pub(crate) doc: &'static [&'static str],
    /// What it takes.
    pub(crate) kind: Kind,
    /// What it is when nobody says.
    pub(crate) default: Fallback,
    /// Where it may stand.
    pub(crate) scope: Scope,
}

/// What a key is when nobody says; values are written as in TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    /// This.
    Is(&'static str),
    /// Nothing; the text is an example.
    Unset(&'static str),
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// At the top and in the overlay of an env.
    Anywhere,
    /// At the top only.
    Top,
    /// In the overlay of an env only.
    Env,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Integer { min: i64, max: i64 },
    /// A whole number within bounds, or the word `none`.
    IntegerOrNone { min: i64, max: i64 },
    /// One of some whole numbers.
    IntegerOf(&'static [i64]),
    /// A number above zero, up to a bound.
    Positive { max: i64 },
    /// One of some words.
    Word(&'static [&'static str]),
    /// A string of some shape.
    Text(&'static Shape),
    /// A list of distinct strings of some shape.
    Texts { shape: &'static Shape, max: usize },
    /// Names and values of environment variables. Overlays add to it, name by name.
    Variables,
    /// A pattern of `EventBridge`: tables whose leaves are lists.
    Pattern,
}

impl Key {
    /// The whole name: `function.memory_mb`.
    pub(crate) fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// What it means, as one line.
    pub(crate) fn description(&self) -> String {
        one_line(self.doc)
    }

    /// The default as a TOML value.
    pub(crate) fn default_value(&self) -> Option<toml::Value> {
        match self.default {
            Fallback::Is(text) => Some(literal(text)),
            Fallback::Unset(_) => None,
        }
    }

    /// The default, or else an example.
    pub(crate) fn sample(&self) -> toml::Value {
        match self.default {
            Fallback::Is(text) | Fallback::Unset(text) => literal(text),
        }
    }
}

/// Joins the lines of a doc comment. Names such as `CloudFront` stand in backticks for rustdoc only.
pub(crate) fn one_line(doc: &[&str]) -> String {
    let lines: Vec<&str> = doc.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let joined = lines.join(" ");
    let pieces = joined.split('`').enumerate().map(|(index, piece)| {
        let quoted = index % 2 == 1;
        if quoted && !piece.starts_with(|first: char| first.is_ascii_uppercase()) {
            format!("`{piece}`")
        } else {
            piece.to_owned()
        }
    });
    pieces.collect()
}

fn literal(text: &str) -> toml::Value {
    let document: toml::Table = toml::from_str(&format!("value = {text}")).expect("defaults are TOML");
    document["value"].clone()
}

/// Declares sections: each a struct with its doc comments, and its rows of the key table.
///
/// `name: Type = default => Kind;`, where the default is TOML, or `(unset example)`. `only Top` and `only Env` after
/// the kind bound where the key may stand.
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

        /// Every key, in the order in which people read them.
        pub(crate) const KEYS: &[$crate::keys::Key] = &[
            $( $( $crate::keys::Key {
                section: $section,
                name: stringify!($field),
                doc: &[$($doc),*],
                kind: $kind,
                default: settings!(@default $default),
                scope: settings!(@scope $($scope)?),
            }, )* )*
        ];

        /// Every table and what it is about, in order; the first is the top.
        pub(crate) const SECTIONS: &[(&str, &[&str])] = &[ $( ($section, &[$($about),*]), )* ];
    };
    (@default (unset $example:tt)) => { $crate::keys::Fallback::Unset(stringify!($example)) };
    (@default $default:tt) => { $crate::keys::Fallback::Is(stringify!($default)) };
    (@scope) => { $crate::keys::Scope::Anywhere };
    (@scope $scope:ident) => { $crate::keys::Scope::$scope };
}

/// Declares an enum of words, with its spelling in the file.
macro_rules! words {
    ($(
        $(#[$about:meta])*
        enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )* }
    )*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            pub enum $name { $( $(#[$doc])* #[serde(rename = $word)] $variant, )* }

            impl $name {
                /// Every spelling, in order.
                pub const WORDS: &[&str] = &[$($word),*];

                /// As it is spelt in the file.
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

pub(crate) use {settings, words};
