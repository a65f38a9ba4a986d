//! The keys of `hitctl.toml`.

use serde::{Deserialize, Serialize};

/// The instruction set that the function is compiled for, by Lambda's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// Graviton: cheaper by a fifth.
    #[default]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
}
