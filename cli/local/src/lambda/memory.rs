//! Measures the peak memory of a process.
//!
//! Linux reports it in `/proc/PID/status`. On other systems it is unknown, and no limit is enforced.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock::lock;

/// Reads the peak memory of one process.
pub(super) struct MemoryMonitor {
    status: Option<File>,
    last: Mutex<Sample>,
}

struct Sample {
    taken_at: Option<Instant>,
    peak_kb: u64,
}

impl MemoryMonitor {
    /// Opens the status of the process `pid`.
    pub(super) fn open(pid: u32) -> Self {
        let status = File::open(format!("/proc/{pid}/status")).ok();
        Self { status, last: Mutex::new(Sample { taken_at: None, peak_kb: 0 }) }
    }

    /// Returns the peak memory so far in KB, from a sample that is at most `max_age` old. Reading a new sample
    /// takes about ten microseconds, so recent samples are reused.
    pub(super) fn peak_kb(&self, now: Instant, max_age: Duration) -> u64 {
        let mut last = lock(&self.last);
        if last.taken_at.is_some_and(|taken_at| now.saturating_duration_since(taken_at) < max_age) {
            return last.peak_kb;
        }
        last.taken_at = Some(now);
        if let Some(peak) = self.status.as_ref().and_then(read_peak) {
            last.peak_kb = last.peak_kb.max(peak);
        }
        last.peak_kb
    }
}

fn read_peak(mut status: &File) -> Option<u64> {
    let mut buffer = [0; 4096];
    status.seek(SeekFrom::Start(0)).ok()?;
    let length = status.read(&mut buffer).ok()?;
    parse_peak(&buffer[..length])
}

/// Returns the peak resident memory (`VmHWM`) in a status file, in KB.
fn parse_peak(status: &[u8]) -> Option<u64> {
    let text = str::from_utf8(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_peak_reads_vm_hwm() {
        assert_eq!(parse_peak(b"Name:\tx\nVmHWM:\t    5124 kB\nVmRSS:\t 12 kB\n"), Some(5124));
        assert_eq!(parse_peak(b"Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn peak_of_own_process_is_positive() {
        assert!(MemoryMonitor::open(std::process::id()).peak_kb(Instant::now(), Duration::ZERO) > 100);
    }
}
