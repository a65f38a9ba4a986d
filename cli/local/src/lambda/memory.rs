//! How much memory a process has used at most.
//!
//! Linux says it in `/proc/PID/status`; elsewhere it is not known, and nothing is enforced.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock::lock;

/// The peak of one process.
pub(super) struct Memory {
    status: Option<File>,
    last: Mutex<Sample>,
}

struct Sample {
    at: Option<Instant>,
    peak_kb: u64,
}

impl Memory {
    /// Watches the process `pid`.
    pub(super) fn of(pid: u32) -> Self {
        let status = File::open(format!("/proc/{pid}/status")).ok();
        Self { status, last: Mutex::new(Sample { at: None, peak_kb: 0 }) }
    }

    /// The peak so far in KB, at most `age` old. Reading it costs some ten microseconds, so not every hit pays.
    pub(super) fn peak_kb(&self, now: Instant, age: Duration) -> u64 {
        let mut last = lock(&self.last);
        if last.at.is_some_and(|at| now.saturating_duration_since(at) < age) {
            return last.peak_kb;
        }
        last.at = Some(now);
        if let Some(peak) = self.status.as_ref().and_then(read_peak) {
            last.peak_kb = last.peak_kb.max(peak);
        }
        last.peak_kb
    }
}

fn read_peak(status: &File) -> Option<u64> {
    let mut buffer = [0; 4096];
    let length = status.read_at(&mut buffer, 0).ok()?;
    parse_peak(&buffer[..length])
}

fn parse_peak(status: &[u8]) -> Option<u64> {
    let text = str::from_utf8(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_off_the_status() {
        assert_eq!(parse_peak(b"Name:\tx\nVmHWM:\t    5124 kB\nVmRSS:\t 12 kB\n"), Some(5124));
        assert_eq!(parse_peak(b"Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_peak() {
        assert!(Memory::of(std::process::id()).peak_kb(Instant::now(), Duration::ZERO) > 100);
    }
}
