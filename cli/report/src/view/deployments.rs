//! The results of `status --all` and `gc`: the deployments in an account or on this machine, whether the configuration
//! declares them or not.

use std::fmt::Write as _;

use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::text;

/// The deployed apps and environments.
#[derive(Clone, Debug, Serialize)]
pub struct DeploymentsView {
    /// `aws` or `local`.
    pub target: String,
    /// One row per app and environment, sorted by name.
    pub deployments: Vec<DeploymentRow>,
    /// Whether the list contains only deployments that the configuration does not declare.
    #[serde(skip)]
    pub only_undeclared: bool,
}

/// An app in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeploymentRow {
    /// The name of the app.
    pub app: String,
    /// The environment.
    pub env: String,
    /// The number of its existing resources.
    pub resources: usize,
    /// Whether its table of counts exists.
    pub has_counts: bool,
    /// Whether the configuration declares it.
    pub declared: bool,
}

impl CommandView for DeploymentsView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = String::new();
        if self.deployments.is_empty() {
            return if self.only_undeclared {
                "No undeclared deployments: the configuration declares everything deployed.\n".to_owned()
            } else {
                "No deployments found.\n".to_owned()
            };
        }
        let mut table = TextTable::new([
            Column::text("APP"),
            Column::text("ENV"),
            Column::number("RESOURCES"),
            Column::text("COUNTS"),
            Column::text("CONFIGURATION").optional(),
        ]);
        for row in &self.deployments {
            table.add_row([
                text::clean(&row.app).into(),
                text::clean(&row.env).into(),
                row.resources.to_string().into(),
                if row.has_counts { "yes".into() } else { Cell::toned("none", Tone::Dim) },
                if row.declared {
                    Cell::toned("declared", Tone::Good)
                } else {
                    Cell::toned("not declared", Tone::Warn)
                },
            ]);
        }
        out.push_str(&table.render(2, style));
        if let Some(row) = self.deployments.iter().find(|row| !row.declared) {
            let next = format!("hitctl gc {}/{}", text::clean(&row.app), text::clean(&row.env));
            let _ = writeln!(out, "\n  Undeclared deployments may belong to another project.");
            let _ = writeln!(out, "  next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}
