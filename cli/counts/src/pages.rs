//! The pages of a site by the keys that the function counts them under.

pub mod sitemap;

use std::collections::BTreeSet;

use hit_counter::path;
use serde::Serialize;

/// Pages that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// The keys of the pages.
    pub keys: BTreeSet<String>,
    /// The pages that cannot be counted.
    pub refused: Vec<Refused>,
    /// The query parameters that belong to a path.
    keep_query: Vec<String>,
}

/// A page that cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The path or address of the page.
    pub page: String,
    /// The reason.
    pub why: String,
}

impl Pages {
    /// No pages yet. Their query parameters are left out of the keys, but for those named.
    pub fn keeping(keep_query: &[String]) -> Self {
        Self { keep_query: keep_query.to_vec(), ..Self::default() }
    }

    /// Adds a page by its path or address.
    pub fn add(&mut self, page: &str) {
        match path::normalise_keeping(page, &self.keep_query) {
            Ok(key) => drop(self.keys.insert(key.into_string())),
            Err(why) => self.refused.push(Refused { page: page.to_owned(), why: why.to_string() }),
        }
    }
}
