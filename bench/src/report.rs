//! The report of a load: hits per second and latency percentiles, as text or JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::run::Samples;

/// The figures of one load. Latencies are in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct LoadReport {
    requests: usize,
    concurrency: u16,
    took_ms: f64,
    /// The number of responses with status 200 per second. Other responses are not hits.
    hits_per_s: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    statuses: BTreeMap<u16, u32>,
    errors: BTreeMap<String, u32>,
}

impl LoadReport {
    /// Computes the report from the samples of a load with `concurrency` connections.
    pub(crate) fn from_samples(samples: &Samples, concurrency: u16) -> Self {
        let mut sorted = samples.latencies.clone();
        sorted.sort_unstable();
        let hits = f64::from(samples.statuses.get(&200).copied().unwrap_or(0));
        let took = samples.took.as_secs_f64().max(f64::EPSILON);
        Self {
            requests: sorted.len(),
            concurrency,
            took_ms: round(took * 1000.0),
            hits_per_s: round(hits / took),
            p50_ms: percentile(&sorted, 50),
            p90_ms: percentile(&sorted, 90),
            p99_ms: percentile(&sorted, 99),
            max_ms: percentile(&sorted, 100),
            statuses: samples.statuses.clone(),
            errors: samples.errors.clone(),
        }
    }
}

/// Returns a percentile of sorted latencies by the nearest-rank method, in milliseconds; 0 without samples.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |latency| round(latency.as_secs_f64() * 1000.0))
}

/// Rounds to two decimals.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} responses in {:.0} ms, {} at once", self.requests, self.took_ms, self.concurrency)?;
        writeln!(f, "  hits      {:.0}/s", self.hits_per_s)?;
        write!(f, "  latency   p50 {:.2} ms, p90 {:.2} ms", self.p50_ms, self.p90_ms)?;
        write!(f, ", p99 {:.2} ms, max {:.2} ms", self.p99_ms, self.max_ms)?;
        for (status, count) in &self.statuses {
            write!(f, "\n  {status}       {count}")?;
        }
        for (error, count) in &self.errors {
            write!(f, "\n  error     {count} x {error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::LoadReport;
    use crate::run::Samples;

    #[test]
    fn from_samples_uses_nearest_rank_percentiles() {
        let samples = Samples {
            latencies: (1..=100).rev().map(Duration::from_millis).collect(),
            statuses: [(200, 90), (503, 10)].into(),
            took: Duration::from_secs(2),
            ..Samples::default()
        };
        let text = LoadReport::from_samples(&samples, 8).to_string();
        let expected = "100 responses in 2000 ms, 8 at once\n  hits      45/s\n  \
            latency   p50 50.00 ms, p90 90.00 ms, p99 99.00 ms, max 100.00 ms\n  200       90\n  503       10";
        assert_eq!(text, expected);
    }

    #[test]
    fn from_samples_without_samples_is_zero() {
        let report = LoadReport::from_samples(&Samples::default(), 1);
        assert_eq!((report.requests, report.max_ms, report.hits_per_s), (0, 0.0, 0.0));
    }
}
