//! Interrupts a deployment at its n-th write, for every n, in five ways. At most two further runs must then converge
//! to exactly one resource, or to none after a deletion.

use hitctl_emulators::{EmulatorKind, InjectedFault, RecordingProxy};
use hitctl_engine::Graph;
use tokio_util::sync::CancellationToken;

use crate::suite::ConformanceCase;
use crate::test_app::TestApp;
use crate::{Gap, gaps_of};

/// The operation that is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterruptedOperation {
    /// Creation of the resource.
    Create,
    /// The largest update.
    Update,
    /// Deletion of the resource.
    Delete,
}

/// The kind of interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interruption {
    /// The request does not reach the service.
    RequestDropped,
    /// The request is executed, but its response is lost.
    ResponseDropped,
    /// The service responds with an error.
    ServiceError,
    /// The deployer is killed before it sends the request.
    KilledBefore,
    /// The deployer is killed after the request was executed.
    KilledAfter,
}

const INTERRUPTIONS: [Interruption; 5] = [
    Interruption::RequestDropped,
    Interruption::ResponseDropped,
    Interruption::ServiceError,
    Interruption::KilledBefore,
    Interruption::KilledAfter,
];

/// Interrupts the operation at every write, and asserts that further runs converge.
pub(crate) async fn assert_recovery(
    kind: EmulatorKind,
    name: &str,
    operation: InterruptedOperation,
    case: fn(&TestApp) -> ConformanceCase,
) {
    let degrades =
        gaps_of(name).iter().any(|gap| matches!(gap, Gap::Degrades { emulator, .. } if *emulator == kind));
    for interruption in INTERRUPTIONS {
        let mut proxied = ProxiedApp::new(kind, name, case);
        let mut n = 1;
        while proxied.run_interrupted(n, interruption, operation).await {
            let count = (proxied.case.count)(&proxied.app).await;
            let expected = usize::from(operation != InterruptedOperation::Delete);
            assert_eq!(count, expected, "{kind:?}: {operation:?} with {interruption:?} at write {n}");
            n += 1;
            if degrades {
                proxied.destroy().await;
                proxied = ProxiedApp::new(kind, name, case);
            }
        }
        assert!(n > 1, "{kind:?}: {operation:?} made no writes that could be interrupted");
        proxied.destroy().await;
    }
}

/// An app that is deployed through a recording proxy.
struct ProxiedApp {
    app: TestApp,
    case: ConformanceCase,
    proxy: RecordingProxy,
}

impl ProxiedApp {
    fn new(kind: EmulatorKind, name: &str, case: fn(&TestApp) -> ConformanceCase) -> Self {
        let app = TestApp::new(kind, name);
        let case = case(&app);
        let proxy = RecordingProxy::new(app.endpoint());
        Self { app, case, proxy }
    }

    async fn destroy(&self) {
        self.app.deploy(&self.case.graph_with_resource().all_absent().allow_data_deletion()).await;
    }

    /// Runs the operation with an interruption at the n-th write, and then without. Returns `false` if the operation
    /// made fewer writes, so that it was not interrupted.
    async fn run_interrupted(
        &self,
        n: usize,
        interruption: Interruption,
        operation: InterruptedOperation,
    ) -> bool {
        let case = &self.case;
        let changed = case.graph_after(case.largest_change(self.app.kind()));
        let (from, to) = match operation {
            InterruptedOperation::Create => (case.graph_without_resource(), case.graph_with_resource()),
            InterruptedOperation::Update => (case.graph_with_resource(), changed),
            InterruptedOperation::Delete => (case.graph_with_resource(), case.graph_without_resource()),
        };
        let (from, to) = (from.allow_data_deletion(), to.allow_data_deletion());
        deploy_interrupted(&self.app, &self.proxy, n, interruption, &from, &to).await
    }
}

/// Deploys `from`, then deploys `to` with an interruption at the n-th write, and then without. Returns `false` if there
/// were fewer writes, so that nothing was interrupted.
async fn deploy_interrupted(
    app: &TestApp,
    proxy: &RecordingProxy,
    n: usize,
    interruption: Interruption,
    from: &Graph,
    to: &Graph,
) -> bool {
    let label = format!("{:?}: {interruption:?} at write {n}", app.kind());
    deploy_until_converged(app, from, &label).await;
    let killed = CancellationToken::new();
    let kill = {
        let killed = killed.clone();
        move || killed.cancel()
    };
    proxy.reset();
    proxy.fail_write(
        n,
        match interruption {
            Interruption::RequestDropped => InjectedFault::DropRequest,
            Interruption::ResponseDropped => InjectedFault::DropResponse,
            Interruption::ServiceError => InjectedFault::server_error(),
            Interruption::KilledBefore => InjectedFault::hook_before(kill),
            Interruption::KilledAfter => InjectedFault::hook_after(kill),
        },
    );
    // Dropping the future has the same effect as killing the process: no code of the run continues.
    let completed = killed.run_until_cancelled(app.deploy_through(proxy.endpoint(), to)).await;
    proxy.clear_fault_rule();
    let reached = proxy.write_names().len() >= n;
    let calls = proxy.call_names();
    if let Some(outcome) = completed {
        let outcome =
            outcome.unwrap_or_else(|| panic!("{label}: reads failed, although only a write was interrupted"));
        if outcome.is_ok() {
            // A run that reports success must have made all changes.
            let pending = app.pending_changes(&app.plan(to).await.1);
            assert!(
                pending.is_empty(),
                "{label}: reported success, but {pending:#?} is pending after {calls:#?}"
            );
        } else {
            assert!(reached, "{label}: {:#?}", outcome.failed);
            let hinted = outcome.failed.iter().all(|failed| failed.fault.hint.is_some());
            assert!(hinted, "{label}: no hint in {:#?}", outcome.failed);
        }
    }
    deploy_until_converged(app, to, &label).await;
    reached
}

/// Deploys until no changes are pending, at most twice.
async fn deploy_until_converged(app: &TestApp, graph: &Graph, label: &str) {
    let mut failed = Vec::new();
    for _ in 0..2 {
        if app.pending_changes(&app.plan(graph).await.1).is_empty() {
            return;
        }
        let outcome = app.deploy_through(app.endpoint(), graph).await.expect("reads succeed");
        failed = outcome.failed;
    }
    let pending = app.pending_changes(&app.plan(graph).await.1);
    assert!(
        pending.is_empty(),
        "{label}: after two more runs {pending:#?} is pending; failures: {failed:#?}"
    );
}
