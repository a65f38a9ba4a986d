//! The result of `tune`: the durations and the cost of each memory size.

use std::fmt::Write as _;

use hitctl_stack::memory::{MemoryAdvice, MemoryFigures};
use serde::Serialize;

use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::{format, text};

/// The measured memory sizes and the recommendation.
#[derive(Clone, Debug, Serialize)]
pub struct TuneView {
    /// Always `tune`.
    pub command: &'static str,
    /// The environment.
    pub env: String,
    /// `aws` or `local`.
    pub target: String,
    /// The request that was measured.
    pub request: &'static str,
    /// The assumed number of views per month.
    pub hits: u64,
    /// The maximum duration of the first response in milliseconds, for a recommended size.
    pub within_ms: u32,
    /// The month of the price list: `2026-11`.
    pub prices_as_of: &'static str,
    /// One row per memory size.
    pub sizes: Vec<MemoryFigures>,
    /// The recommended memory size.
    pub recommendation: MemoryAdvice,
    /// The configured memory size in MB.
    pub configured_mb: u32,
    /// Notes on the measurement.
    pub notes: Vec<String>,
    /// The recommended next step.
    pub next: Option<String>,
    /// The duration in milliseconds.
    pub took_ms: u64,
}

impl CommandView for TuneView {
    fn render(&self, style: TextStyle) -> String {
        let mut table = TextTable::new([
            Column::text(" "),
            Column::number("MEMORY"),
            Column::number("INIT").optional(),
            Column::number("FIRST RESPONSE"),
            Column::number("WARM").optional(),
            Column::number("P95").optional(),
            Column::number("COMPUTE").optional(),
            Column::number("PER MONTH"),
        ]);
        for row in &self.sizes {
            let memory = row.memory_mb.map_or("no limit".to_owned(), |memory| format!("{memory} MB"));
            let is_recommended = row.memory_mb.is_some() && row.memory_mb == self.recommendation.memory_mb;
            table.add_row([
                if is_recommended { Cell::toned("*", Tone::Good) } else { "".into() },
                if is_recommended { Cell::toned(memory, Tone::Good) } else { memory.into() },
                format_ms(row.init_ms),
                format_ms(row.first_answer_ms),
                format_ms(row.warm_ms),
                format_ms(row.warm_p95_ms),
                cell_or_dash(row.compute_month_usd.map(|usd| format!("{usd:.4} USD"))),
                cell_or_dash(row.month_usd.map(|usd| format!("{usd:.2} USD"))),
            ]);
        }
        let mut out = table.render(0, style);
        out.push('\n');
        let recommendation = match self.recommendation.memory_mb {
            Some(memory) => format!("{memory} MB; {}.", self.recommendation.why),
            None => format!("none; {}.", self.recommendation.why),
        };
        let mut line = |head: &str, body: &str| {
            let _ = writeln!(out, "{}", text::wrap_after_head(head, &text::clean_lines(body), 2, style));
        };
        line(&style.paint(Tone::Strong, "Recommended:"), &recommendation);
        let views = format::count(self.hits, "view", style);
        let basis = format!(
            "{} in environment {}; costs are for {views} per month at us-east-1 prices of {}, without free tiers.",
            self.request, self.env, self.prices_as_of
        );
        line("Measured:", &basis);
        for note in &self.notes {
            line("Note:", &format!("{note}."));
        }
        if let Some(next) = &self.next {
            line("next ", next);
        }
        out
    }
}

fn format_ms(value: Option<f64>) -> Cell {
    cell_or_dash(value.map(|ms| if ms < 99.95 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }))
}

fn cell_or_dash(text: Option<String>) -> Cell {
    text.map_or_else(|| Cell::toned("-", Tone::Dim), Cell::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    fn row(memory_mb: u32, init_ms: f64, warm_ms: f64, usd: f64) -> MemoryFigures {
        MemoryFigures {
            memory_mb: Some(memory_mb),
            limited: true,
            starts: 5,
            init_ms: Some(init_ms),
            first_answer_ms: Some(init_ms * 4.0),
            warm_ms: Some(warm_ms),
            warm_p95_ms: Some(warm_ms * 3.0),
            compute_month_usd: Some(usd),
            month_usd: Some(usd + 1.975),
        }
    }

    fn view(sizes: Vec<MemoryFigures>) -> TuneView {
        TuneView {
            command: "tune",
            env: "local".to_owned(),
            target: "local".to_owned(),
            request: "GET /counter?path=/",
            hits: 1_000_000,
            within_ms: 100,
            prices_as_of: "2026-11",
            recommendation: MemoryAdvice::recommend(&sizes, 100),
            sizes,
            configured_mb: 128,
            notes: vec!["measured on this machine".to_owned()],
            next: Some("set `memory_mb = 512` under [function] in hitctl.toml".to_owned()),
            took_ms: 12,
        }
    }

    #[test]
    fn recommended_memory_size_is_marked() {
        let view = view(vec![
            row(128, 61.0, 12.34, 0.0334),
            row(512, 9.96, 1.5, 0.0133),
            row(1769, 3.1, 0.8, 0.023),
        ]);
        insta::assert_snapshot!(view.to_text(WIDE), @"
            MEMORY     INIT  FIRST RESPONSE     WARM      P95     COMPUTE  PER MONTH
            128 MB  61.0 ms          244 ms  12.3 ms  37.0 ms  0.0334 USD   2.01 USD
        *   512 MB  10.0 ms         39.8 ms   1.5 ms   4.5 ms  0.0133 USD   1.99 USD
           1769 MB   3.1 ms         12.4 ms   0.8 ms   2.4 ms  0.0230 USD   2.00 USD

        Recommended: 512 MB; the cheapest size whose first response takes at most 100 ms.
        Measured: GET /counter?path=/ in environment local; costs are for 1,000,000 views per month at
          us-east-1 prices of 2026-11, without free tiers.
        Note: measured on this machine.
        next  set `memory_mb = 512` under [function] in hitctl.toml
        ");
        assert!(fits(&view.to_text(NARROW), NARROW), "{}", view.to_text(NARROW));
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"command":"tune","env":"local","target":"local","request":"GET /counter?path=/","hits":1000000,"within_ms":100,"prices_as_of":"2026-11","sizes":[{"memory_mb":128,"limited":true,"starts":5,"init_ms":61.0,"first_answer_ms":244.0,"warm_ms":12.34,"warm_p95_ms":37.02,"compute_month_usd":0.0334,"month_usd":2.0084},{"memory_mb":512,"limited":true,"starts":5,"init_ms":9.96,"first_answer_ms":39.84,"warm_ms":1.5,"warm_p95_ms":4.5,"compute_month_usd":0.0133,"month_usd":1.9883},{"memory_mb":1769,"limited":true,"starts":5,"init_ms":3.1,"first_answer_ms":12.4,"warm_ms":0.8,"warm_p95_ms":2.4,"compute_month_usd":0.023,"month_usd":1.998}],"recommendation":{"memory_mb":512,"why":"the cheapest size whose first response takes at most 100 ms"},"configured_mb":128,"notes":["measured on this machine"],"next":"set `memory_mb = 512` under [function] in hitctl.toml","took_ms":12}"#);
    }

    #[test]
    fn missing_figures_are_dashes_without_recommendation() {
        let missing = MemoryFigures {
            init_ms: None,
            first_answer_ms: None,
            warm_ms: None,
            warm_p95_ms: None,
            compute_month_usd: None,
            month_usd: None,
            ..row(128, 1.0, 1.0, 1.0)
        };
        let none = TuneView { next: None, ..view(vec![missing]) };
        insta::assert_snapshot!(none.to_text(WIDE), @"
           MEMORY  INIT  FIRST RESPONSE  WARM  P95  COMPUTE  PER MONTH
           128 MB     -               -     -    -        -          -

        Recommended: none; Lambda did not report the cold start and the billed time.
        Measured: GET /counter?path=/ in environment local; costs are for 1,000,000 views per month at
          us-east-1 prices of 2026-11, without free tiers.
        Note: measured on this machine.
        ");
        let without_limit = MemoryFigures {
            memory_mb: None,
            limited: false,
            compute_month_usd: None,
            month_usd: None,
            ..row(128, 1.0, 1.0, 1.0)
        };
        let without_limit = TuneView { next: None, ..view(vec![without_limit]) };
        insta::assert_snapshot!(without_limit.to_text(WIDE), @"
             MEMORY    INIT  FIRST RESPONSE    WARM     P95  COMPUTE  PER MONTH
           no limit  1.0 ms          4.0 ms  1.0 ms  3.0 ms        -          -

        Recommended: none; the CPU share was not limited, so all sizes run at the same speed.
        Measured: GET /counter?path=/ in environment local; costs are for 1,000,000 views per month at
          us-east-1 prices of 2026-11, without free tiers.
        Note: measured on this machine.
        ");
    }
}
