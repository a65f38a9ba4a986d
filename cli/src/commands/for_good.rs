//! What a plan does that no later deploy brings back, apart from the counts: addresses, backups, old log lines.

use hitctl_config::Target;
use hitctl_engine::{Action, Change, Finding, Plan, Severity};
use hitctl_resources::{FunctionUrlSpec, HttpApiSpec, LogGroupSpec, Spec as _, TableSpec};
use serde_json::Value as Json;

/// What there is to say about it. On this machine all comes back: ports are made of names, and there are no backups.
pub(super) fn findings(plan: &Plan, target: Target) -> Vec<Finding> {
    let changes = plan.changes.iter().filter(|_| target == Target::Aws);
    let found = changes.filter_map(|change| {
        Some(Finding {
            severity: Severity::Warning,
            code: "for_good".to_owned(),
            address: change.address().clone(),
            message: format!("{}; this cannot be undone", lost(change)?),
            hint: None,
        })
    });
    found.collect()
}

/// What is lost by a change.
fn lost(change: &Change) -> Option<String> {
    let goes = matches!(change.action, Action::Delete | Action::Replace);
    let from = |field: &str| change.fields.iter().find(|diff| diff.field == field);
    match change.kind() {
        kind if goes && (kind == HttpApiSpec::KIND || kind == FunctionUrlSpec::KIND) => {
            let url = change.have.as_ref()?.outputs.get("url")?;
            Some(format!("{url} goes, and a new one will be another"))
        }
        kind if kind == TableSpec::KIND => {
            let backups = from("point_in_time_recovery")?;
            (backups.new == Json::Bool(false)).then(|| "the continuous backups so far are deleted".to_owned())
        }
        kind if kind == LogGroupSpec::KIND => {
            let days = from("retention_days")?;
            let (old, new) = (days.old.as_u64()?, days.new.as_u64()?);
            // 0: kept for ever.
            let shorter = new > 0 && (old == 0 || new < old);
            shorter.then(|| format!("log lines older than {new} days are deleted"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hitctl_engine::{Graph, Live, Node, Outputs, Owner, Snapshot};
    use serde_json::json;

    use super::*;

    /// What is said about a plan from `have` to `want` for one resource.
    fn said(kind: &str, have: Json, want: Option<&Json>) -> Vec<String> {
        let address = hitctl_engine::Address::new(kind, "x");
        let node = Node::present(address.clone(), "name", want.cloned().unwrap_or_else(|| json!({})));
        let graph = Graph::new(vec![node.present_if(want.is_some())]).unwrap();
        let outputs = Outputs::from([("url".to_owned(), "https://old".to_owned())]);
        let mut live = Snapshot::default();
        live.insert(address, Some(Live { spec: have, outputs, owner: Owner::Ours }));
        let plan = hitctl_engine::plan(&graph, &live, &hitctl_engine::Mask::default()).unwrap();
        assert_eq!(findings(&plan, Target::Local), []);
        findings(&plan, Target::Aws).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn what_no_later_deploy_brings_back_is_said() {
        let url = ["https://old goes, and a new one will be another; this cannot be undone"];
        assert_eq!(said("http_api", json!({}), None), url);
        assert_eq!(said("function_url", json!({}), None), url);
        assert_eq!(
            said(
                "table",
                json!({"point_in_time_recovery": true}),
                Some(&json!({"point_in_time_recovery": false}))
            ),
            ["the continuous backups so far are deleted; this cannot be undone"]
        );
        assert_eq!(
            said("log_group", json!({"retention_days": 0}), Some(&json!({"retention_days": 7}))),
            ["log lines older than 7 days are deleted; this cannot be undone"]
        );
    }

    #[test]
    fn what_comes_back_is_not() {
        let nothing: [&str; 0] = [];
        assert_eq!(said("http_api", json!({"a": 1}), Some(&json!({"a": 2}))), nothing);
        assert_eq!(said("function", json!({}), None), nothing);
        for (old, new) in [(7, 14), (7, 0), (7, 7)] {
            let days = |days: i32| json!({ "retention_days": days });
            assert_eq!(said("log_group", days(old), Some(&days(new))), nothing);
        }
    }
}
