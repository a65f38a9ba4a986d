//! The pages of a site and the keys under which the function counts them.

pub mod sitemap;

use std::collections::BTreeSet;

use hit_counter::path;
use serde::Serialize;

/// A set of pages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SitePages {
    /// The keys of the pages.
    pub keys: BTreeSet<String>,
    /// The pages that cannot be counted.
    pub rejected: Vec<RejectedPage>,
    /// The query parameters that are part of a key.
    keep_query: Vec<String>,
}

/// A page that cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedPage {
    /// The path or URL of the page.
    pub page: String,
    /// The reason.
    pub why: String,
}

impl SitePages {
    /// Creates an empty set. Keys omit all query parameters except those in `keep_query`.
    pub fn with_query_parameters(keep_query: &[String]) -> Self {
        Self { keep_query: keep_query.to_vec(), ..Self::default() }
    }

    /// Adds a page by its path or URL.
    pub fn add(&mut self, page: &str) {
        match path::normalise_keeping(page, &self.keep_query) {
            Ok(key) => drop(self.keys.insert(key.into_string())),
            Err(why) => self.rejected.push(RejectedPage { page: page.to_owned(), why: why.to_string() }),
        }
    }
}
