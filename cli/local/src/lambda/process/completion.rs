//! Ends invocations after the response or the exit of their process: writes the log lines and creates the
//! result.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::report::{self, ReportLine};
use super::{
    CHECK_INTERVAL, ExitReason, FunctionProcess, INIT_TIMEOUT, InvocationOutcome, InvocationRequest,
    ProcessPhase, RunningInvocation,
};
use crate::clock::{now_ms, timestamp};
use crate::invocation::Invocation;
use crate::lock::lock;

impl FunctionProcess {
    /// Writes the END and REPORT lines, and returns the result of the invocation.
    pub(super) fn report_end(
        &self,
        running: &RunningInvocation,
        init: Option<Duration>,
        payload: Bytes,
        status: Option<(&str, Option<&str>)>,
        max_memory_mb: Option<u32>,
    ) -> Invocation {
        let now = Instant::now();
        let duration = now.saturating_duration_since(running.started);
        let max_memory_mb = max_memory_mb.unwrap_or_else(|| self.max_memory_mb(now));
        let report = ReportLine {
            request_id: &running.request_id,
            duration,
            init,
            memory_mb: self.function().memory_mb,
            max_memory_mb,
            status,
        };
        self.output.log_line(&format!("END RequestId: {}", running.request_id));
        self.output.log_line(&report.line());
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
        u32::try_from(self.memory.peak_kb(now, CHECK_INTERVAL).div_ceil(1024)).unwrap_or(u32::MAX)
    }

    /// Cleans up after a process that has exited, and gives its open invocation a result.
    pub(crate) fn finish(self: &Arc<Self>, exit: Option<ExitStatus>) {
        let (exit_reason, phase, waiting, running, init) = {
            let mut state = lock(&self.state);
            let phase = std::mem::replace(&mut state.phase, ProcessPhase::Finished);
            (state.exit_reason.take(), phase, state.waiting.take(), state.running.take(), state.init.take())
        };
        self.finished.cancel();
        self.version.pool.remove(self);
        self.output.finish();
        if let Some(running) = running {
            self.fail_invocation(running, init, exit_reason.as_ref(), exit);
        } else if let Some((request, _)) = waiting {
            // A failed start fails the invocation. A process that was ended for another reason has not received
            // the invocation, so another process can handle it.
            if phase == ProcessPhase::Init && !matches!(exit_reason, Some(ExitReason::Retired)) {
                self.output.begin_tail();
                let took = self.started_at.elapsed();
                let status =
                    if matches!(exit_reason, Some(ExitReason::InitTimedOut)) { "timeout" } else { "error" };
                self.output.log_line(&format!(
                    "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: {status}",
                    report::ms(took)
                ));
                self.output.log_line(&format!("START RequestId: {} Version: $LATEST", request.request_id));
                let InvocationRequest { request_id, permit, outcome, .. } = request;
                let running = RunningInvocation { request_id, permit, outcome, started: Instant::now() };
                self.fail_invocation(running, Some(took), exit_reason.as_ref(), exit);
            } else {
                drop(request.outcome.send(InvocationOutcome::NotStarted(request.payload, request.permit)));
            }
        }
    }

    /// Sends the result of an invocation whose process has exited.
    fn fail_invocation(
        &self,
        running: RunningInvocation,
        init: Option<Duration>,
        exit_reason: Option<&ExitReason>,
        exit: Option<ExitStatus>,
    ) {
        let id = &running.request_id;
        let timed_out = |limit: Duration| {
            let message = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
            self.output.log_line(&format!("{:.3} {id} {message}", timestamp(now_ms())));
            report::error_payload("Sandbox.Timedout", &format!("RequestId: {id} Error: {message}"))
        };
        let exited = |message: &str| {
            self.output.log_line(&format!("RequestId: {id} Error: {message}\nRuntime.ExitError"));
            report::error_payload("Runtime.ExitError", &format!("RequestId: {id} Error: {message}"))
        };
        let exit_status = ("error", Some("Runtime.ExitError"));
        let timed_out_status = ("timeout", None);
        let (payload, status, memory_mb) = match exit_reason {
            Some(ExitReason::TimedOut) => (timed_out(self.function().timeout).into(), timed_out_status, None),
            Some(ExitReason::InitTimedOut) => (timed_out(INIT_TIMEOUT).into(), timed_out_status, None),
            Some(ExitReason::OutOfMemory) => {
                (exited(report::KILLED_MESSAGE).into(), exit_status, Some(self.function().memory_mb))
            }
            Some(ExitReason::InitError(payload, kind)) => (payload.clone(), ("error", kind.as_deref()), None),
            Some(ExitReason::Retired) | None => {
                (exited(&report::exit_message(exit)).into(), exit_status, None)
            }
        };
        let invocation = self.report_end(&running, init, payload, Some(status), memory_mb);
        drop(running.permit);
        drop(running.outcome.send(InvocationOutcome::Completed(Box::new(invocation))));
    }
}
