//! The script that counts a page and shows its numbers, as it is served. How it works is in `widget/source.js`.

/// `GET /v1/widget.js`: at most 1,000 bytes, 550 compressed.
pub const SCRIPT: &str = include_str!("widget.js");

/// The same where `POST /v1/hit` goes onto a queue: the numbers come from `GET /v1/count`, which is what it is larger by.
pub const QUEUED: &str = include_str!("widget_queued.js");

#[cfg(test)]
#[path = "widget_tests.rs"]
mod tests;
