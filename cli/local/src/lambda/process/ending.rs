//! How an invocation ends: by an answer, or by the death of its process, and what is logged and answered then.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::report::{self, Report};
use super::{Fate, INIT_LIMIT, Job, Phase, Process, Reply, Running, TICK};
use crate::clock::{now_ms, timestamp};
use crate::invocation::Invocation;
use crate::lock::lock;

impl Process {
    /// Writes the END and REPORT lines, and says how it went.
    pub(super) fn close(
        &self,
        running: &Running,
        init: Option<Duration>,
        payload: Bytes,
        status: Option<(&str, Option<&str>)>,
        max_memory_mb: Option<u32>,
    ) -> Invocation {
        let now = Instant::now();
        let duration = now.saturating_duration_since(running.started);
        let max_memory_mb = max_memory_mb.unwrap_or_else(|| self.max_memory_mb(now));
        let report = Report {
            request_id: &running.request_id,
            duration,
            init,
            memory_mb: self.function().memory_mb,
            max_memory_mb,
            status,
        };
        self.output.line(&format!("END RequestId: {}", running.request_id));
        self.output.line(&report.line());
        Invocation {
            request_id: running.request_id.clone(),
            payload,
            function_error: status.map(|_| "Unhandled".to_owned()),
            duration_ms: report::ms(duration),
            init_ms: init.map(report::ms),
            max_memory_mb,
            log_tail: self.output.tail(),
        }
    }

    fn max_memory_mb(&self, now: Instant) -> u32 {
        u32::try_from(self.memory.peak_kb(now, TICK).div_ceil(1024)).unwrap_or(u32::MAX)
    }

    /// Settles what a process that has ended leaves behind.
    pub(crate) fn finish(self: &Arc<Self>, exit: Option<ExitStatus>) {
        let (fate, phase, waiting, running, init) = {
            let mut state = lock(&self.state);
            let phase = std::mem::replace(&mut state.phase, Phase::Gone);
            (state.fate.take(), phase, state.waiting.take(), state.running.take(), state.init.take())
        };
        self.gone.cancel();
        self.version.pool.forget(self);
        self.output.finish();
        if let Some(running) = running {
            self.fail(running, init, fate.as_ref(), exit);
        } else if let Some((job, _)) = waiting {
            if phase == Phase::Init && !matches!(fate, Some(Fate::Retired)) {
                self.output.begin_tail();
                let took = self.born.elapsed();
                let status = if matches!(fate, Some(Fate::InitTimedOut)) { "timeout" } else { "error" };
                self.output.line(&format!(
                    "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: {status}",
                    report::ms(took)
                ));
                self.output.line(&format!("START RequestId: {} Version: $LATEST", job.request_id));
                let Job { request_id, permit, reply, .. } = job;
                let running = Running { request_id, permit, reply, started: Instant::now() };
                self.fail(running, Some(took), fate.as_ref(), exit);
            } else {
                drop(job.reply.send(Reply::NotStarted(job.payload, job.permit)));
            }
        }
    }

    /// Answers for a process that cannot any more.
    fn fail(&self, running: Running, init: Option<Duration>, fate: Option<&Fate>, exit: Option<ExitStatus>) {
        let id = &running.request_id;
        let timed_out = |limit: Duration| {
            let words = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
            self.output.line(&format!("{:.3} {id} {words}", timestamp(now_ms())));
            report::payload("Sandbox.Timedout", &format!("RequestId: {id} Error: {words}"))
        };
        let exited = |words: &str| {
            self.output.line(&format!("RequestId: {id} Error: {words}\nRuntime.ExitError"));
            report::payload("Runtime.ExitError", &format!("RequestId: {id} Error: {words}"))
        };
        let exit_status = ("error", Some("Runtime.ExitError"));
        let timed_out_status = ("timeout", None);
        let (payload, status, memory_mb) = match fate {
            Some(Fate::TimedOut) => (timed_out(self.function().timeout).into(), timed_out_status, None),
            Some(Fate::InitTimedOut) => (timed_out(INIT_LIMIT).into(), timed_out_status, None),
            Some(Fate::OutOfMemory) => {
                (exited(report::KILLED).into(), exit_status, Some(self.function().memory_mb))
            }
            Some(Fate::InitError(payload, kind)) => (payload.clone(), ("error", kind.as_deref()), None),
            Some(Fate::Retired) | None => (exited(&report::exit_words(exit)).into(), exit_status, None),
        };
        let invocation = self.close(&running, init, payload, Some(status), memory_mb);
        drop(running.permit);
        drop(running.reply.send(Reply::Done(Box::new(invocation))));
    }
}
