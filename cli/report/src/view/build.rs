//! A built zip.

use std::path::PathBuf;

use serde::Serialize;

use super::facts::{facts, shown};
use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, text};

/// A built zip.
#[derive(Clone, Debug, Serialize)]
pub struct BuildView {
    /// Where it is.
    pub zip: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// What it is compiled for.
    pub arch: String,
}

impl View for BuildView {
    fn render(&self, style: Style) -> String {
        facts(
            &[
                ("zip", style.paint(Tone::Strong, shown(&self.zip))),
                (
                    "size",
                    format!("{} ({} bytes)", format::bytes(self.bytes), format::number(self.bytes, style)),
                ),
                ("sha256", text::clean(&self.sha256).into_owned()),
                ("arch", text::clean(&self.arch).into_owned()),
            ],
            style,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report;
    use crate::test_styles::{COLOUR, WIDE, visible};

    #[test]
    fn build() {
        let view = BuildView {
            zip: "target/hit-counter.zip".into(),
            bytes: 655_360,
            sha256: "ab12".repeat(16),
            arch: "arm64".to_owned(),
        };
        insta::assert_snapshot!(Report::human(&view, WIDE), @"
          zip     target/hit-counter.zip
          size    640 KiB (655,360 bytes)
          sha256  ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12
          arch    arm64
        ");
        assert!(visible(&Report::human(&view, COLOUR)).contains("<1mtarget/hit-counter.zip</>"));
        assert!(
            view.json().starts_with(r#"{"v":1,"zip":"target/hit-counter.zip","bytes":655360,"sha256":"ab12"#)
        );
    }
}
