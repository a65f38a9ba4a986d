//! Tests the time to live of a table with limits that only AWS has: one change per hour, and an error for a repeated
//! change.

use hitctl_emulators::{EmulatorKind, InjectedFault, RecordedCall, RecordingProxy};
use hitctl_engine::{Fault, Graph};
use hitctl_resources::{Spec as _, TableSpec};

use crate::kinds::expiring_table::spec;
use crate::test_app::TestApp;

const UPDATE_TTL: &str = "dynamodb:UpdateTimeToLive";
const DESCRIBE_TTL: &str = "dynamodb:DescribeTimeToLive";

/// Returns the graph of a table whose items expire at the time in `attribute`.
fn table(app: &TestApp, attribute: Option<&str>) -> Graph {
    let spec = TableSpec { ttl_attribute: attribute.map(str::to_owned), ..spec(app) };
    Graph::new(vec![spec.node("seen", &app.base())]).unwrap()
}

/// Deploys through a recording proxy with the given fault rule. Returns the first failure, and the names of the writes.
async fn deploy_with_fault_rule(
    app: &TestApp,
    graph: &Graph,
    rule: impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static,
) -> (Option<Fault>, Vec<String>) {
    let proxy = RecordingProxy::new(app.endpoint());
    proxy.set_fault_rule(rule);
    let outcome = app.deploy_through(proxy.endpoint(), graph).await.unwrap();
    // Ignore `UpdateTable`: the driver repeats it for fields that the emulator does not store.
    let writes = proxy.write_names().into_iter().filter(|call| call != "dynamodb:UpdateTable").collect();
    (outcome.failed.into_iter().map(|failed| failed.fault).next(), writes)
}

async fn destroy(app: &TestApp, graph: &Graph) {
    app.deploy(&graph.clone().all_absent().allow_data_deletion()).await;
}

fn validation_error(message: &str) -> InjectedFault {
    InjectedFault::service_error(400, "ValidationException", message)
}

#[tokio::test]
async fn expiring_table_is_created_by_two_calls() {
    for kind in [EmulatorKind::MiniStack, EmulatorKind::Moto] {
        let app = TestApp::new(kind, "ttl-new");
        let graph = table(&app, Some("ttl"));
        let (failed, writes) = deploy_with_fault_rule(&app, &graph, |_| None).await;
        assert_eq!(failed, None, "{kind:?}");
        assert_eq!(writes, ["dynamodb:CreateTable", UPDATE_TTL], "{kind:?}");
        destroy(&app, &graph).await;
    }
}

#[tokio::test]
async fn change_of_ttl_attribute_takes_two_runs() {
    for kind in [EmulatorKind::MiniStack, EmulatorKind::Moto] {
        let app = TestApp::new(kind, "ttl-other");
        app.deploy(&table(&app, Some("old"))).await;
        let graph = table(&app, Some("new"));
        let (failed, writes) = deploy_with_fault_rule(&app, &graph, |_| None).await;
        let failed = failed.unwrap();
        assert_eq!(failed.code, "ttl_attribute", "{kind:?}");
        assert_eq!(
            failed.message,
            format!(
                "time to live of table {} is disabled for old but not enabled for new yet: AWS allows one change per hour",
                app.base()
            )
        );
        assert_eq!(writes, [UPDATE_TTL], "{kind:?}: one change per run");
        assert!(
            !app.pending_changes(&app.plan(&graph).await.1).is_empty(),
            "{kind:?}: the second change is pending"
        );
        let (failed, writes) = deploy_with_fault_rule(&app, &graph, |_| None).await;
        assert_eq!((failed, writes), (None, vec![UPDATE_TTL.to_owned()]), "{kind:?}");
        assert!(app.pending_changes(&app.plan(&graph).await.1).is_empty(), "{kind:?}: no change is pending");
        destroy(&app, &graph).await;
    }
}

#[tokio::test]
async fn early_ttl_change_is_not_retried_and_has_hint() {
    let app = TestApp::new(EmulatorKind::MiniStack, "ttl-soon");
    app.deploy(&table(&app, None)).await;
    let graph = table(&app, Some("ttl"));
    for (message, reason) in [
        (
            "Time to live has been modified multiple times within a fixed interval",
            "time to live was changed less than an hour ago",
        ),
        (
            "TimeToLive is active on a different AttributeName: current AttributeName is old",
            "time to live is still enabled for another attribute",
        ),
    ] {
        let (failed, writes) = deploy_with_fault_rule(&app, &graph, move |call| {
            call.has_name(UPDATE_TTL).then(|| validation_error(message))
        })
        .await;
        let failed = failed.unwrap();
        assert_eq!(
            failed.message,
            format!("failed to set the time to live of table {}: {reason}", app.base())
        );
        assert!(
            failed.hint.is_some_and(|hint| hint.contains("AWS allows one change of time to live per hour"))
        );
        assert_eq!(writes, [UPDATE_TTL], "the call is not retried");
    }
    app.deploy(&graph).await;
    destroy(&app, &graph).await;
}

#[tokio::test]
async fn ttl_change_without_response_may_be_refused_on_retry() {
    let app = TestApp::new(EmulatorKind::MiniStack, "ttl-lost");
    let (enabled, disabled) = (table(&app, Some("ttl")), table(&app, None));
    let disabled_response = r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}"#;
    let enabled_response =
        r#"{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}}"#;
    for (graph, message, stale_response) in [
        (&enabled, "TimeToLive is already enabled", disabled_response),
        (&disabled, "TimeToLive is already disabled", enabled_response),
    ] {
        let (mut updates, mut describes) = (0, 0);
        let (failed, writes) = deploy_with_fault_rule(&app, graph, move |call| {
            updates += u32::from(call.has_name(UPDATE_TTL));
            describes += u32::from(updates == 2 && call.has_name(DESCRIBE_TTL));
            // Drop the response to the first update, reject the second one, and return a stale state to the first read
            // after that.
            match (updates, describes) {
                (1, _) if call.has_name(UPDATE_TTL) => Some(InjectedFault::DropResponse),
                (2, 0) => Some(validation_error(message)),
                (2, 1) => Some(InjectedFault::Response {
                    status: 200,
                    content_type: "application/x-amz-json-1.0".to_owned(),
                    body: stale_response.to_owned(),
                }),
                _ => None,
            }
        })
        .await;
        assert_eq!(failed, None, "{message}");
        assert_eq!(writes.iter().filter(|call| *call == UPDATE_TTL).count(), 2, "{message}");
        assert!(app.pending_changes(&app.plan(graph).await.1).is_empty(), "{message}");
    }
    destroy(&app, &disabled).await;
}
