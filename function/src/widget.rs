//! The served script that counts a page and shows its counts. `widget/source.js` explains how it works.

/// The script of `GET /v1/widget.js`: at most 1,000 bytes, 550 compressed.
pub const SCRIPT: &str = include_str!("widget.js");

/// The script for a queued `POST /v1/hit`. It is larger, because it reads the counts from `GET /v1/count`.
pub const QUEUED: &str = include_str!("widget_queued.js");

#[cfg(test)]
mod tests;
