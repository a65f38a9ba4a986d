//! The result of `build`: a zip of the function.

use std::path::PathBuf;

use serde::Serialize;

use super::facts::{fact_lines, path_text};
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, text};

/// A built zip.
#[derive(Clone, Debug, Serialize)]
pub struct BuildView {
    /// The path of the zip.
    pub zip: PathBuf,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 in hex.
    pub sha256: String,
    /// The target architecture.
    pub arch: String,
}

impl CommandView for BuildView {
    fn render(&self, style: TextStyle) -> String {
        fact_lines(
            &[
                ("zip", style.paint(Tone::Strong, path_text(&self.zip))),
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
    use crate::render::Renderable;
    use crate::test_styles::{COLOUR, WIDE, visible};

    #[test]
    fn build_view_shows_size_in_kib_and_bytes() {
        let view = BuildView {
            zip: "target/hit-counter.zip".into(),
            bytes: 655_360,
            sha256: "ab12".repeat(16),
            arch: "arm64".to_owned(),
        };
        insta::assert_snapshot!(Renderable::to_text(&view, WIDE), @"
          zip     target/hit-counter.zip
          size    640 KiB (655,360 bytes)
          sha256  ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12
          arch    arm64
        ");
        assert!(visible(&Renderable::to_text(&view, COLOUR)).contains("<1mtarget/hit-counter.zip</>"));
        assert!(
            view.to_json()
                .starts_with(r#"{"v":1,"zip":"target/hit-counter.zip","bytes":655360,"sha256":"ab12"#)
        );
    }
}
