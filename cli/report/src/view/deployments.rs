//! What is deployed in an account, whatever the configuration says today.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::table::{Cell, Column, Table};
use crate::text;

/// Apps and envs of which something is there.
#[derive(Clone, Debug, Serialize)]
pub struct DeploymentsView {
    /// `aws` or `local`.
    pub target: String,
    /// One an app and env, by name.
    pub deployments: Vec<DeploymentRow>,
    /// Whether what the configuration declares is left out.
    #[serde(skip)]
    pub only_left_behind: bool,
}

/// An app in one env.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeploymentRow {
    /// The app.
    pub app: String,
    /// The env.
    pub env: String,
    /// How many resources of it are there.
    pub resources: usize,
    /// Whether its table, with its counts, is among them.
    pub has_counts: bool,
    /// Whether this configuration declares it.
    pub declared: bool,
}

impl View for DeploymentsView {
    fn render(&self, style: Style) -> String {
        let mut out = String::new();
        if self.deployments.is_empty() {
            return if self.only_left_behind {
                "Nothing is left behind: all that is deployed is in the configuration.\n".to_owned()
            } else {
                "Nothing of hitctl's is deployed here.\n".to_owned()
            };
        }
        let mut table = Table::new([
            Column::text("APP"),
            Column::text("ENV"),
            Column::number("RESOURCES"),
            Column::text("COUNTS"),
            Column::text("CONFIGURATION").optional(),
        ]);
        for row in &self.deployments {
            table.row([
                text::clean(&row.app).into(),
                text::clean(&row.env).into(),
                row.resources.to_string().into(),
                if row.has_counts { "kept".into() } else { Cell::toned("none", Tone::Dim) },
                if row.declared {
                    Cell::toned("has it", Tone::Good)
                } else {
                    Cell::toned("does not have it", Tone::Warn)
                },
            ]);
        }
        out.push_str(&table.render(2, style));
        if let Some(row) = self.deployments.iter().find(|row| !row.declared) {
            let next = format!("hitctl gc {}/{}", text::clean(&row.app), text::clean(&row.env));
            let _ = writeln!(out, "\n  Another project may own what this configuration does not have.");
            let _ = writeln!(out, "  next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}
