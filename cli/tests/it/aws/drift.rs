//! Drift: a manual change of any field of any resource kind is reported, and undone by the next deploy.

mod foreign;
mod manual_change;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use hitctl_emulators::{Emulator, EmulatorKind};
use hitctl_resources::{
    EventInvokeConfigSpec, EventRuleSpec, EventSourceMappingSpec, FunctionUrlSpec, KINDS, QueueSpec,
    Spec as _,
};
use serde_json::Value as Json;

use self::manual_change::{ChangeResult, ManualEditor};
use super::recorded_env::{RecordedAwsEnv, sdk_config};
use crate::support::{CommandOutput, DEFAULTS, artifact};

/// Fields whose manual change an emulator does not report, with the reason. They are tested on the other emulator.
const GAPS: &[(EmulatorKind, &str, &str)] =
    &[(EmulatorKind::MiniStack, "http_api tags", "GetApis shows no tag of a later TagResource")];

/// Fields that Moto does not store, since it ignores `OnDemandThroughput`.
const NOT_STORED_BY_MOTO: &[&str] = &["table.hits max_write_units", "table.seen max_write_units"];

/// The kinds that exist only with a queue and events.
const EVENT_SOURCE_KINDS: [&str; 3] = [QueueSpec::KIND, EventSourceMappingSpec::KIND, EventRuleSpec::KIND];

/// Returns the fields that a plan sets, by address. Grouped settings are listed one by one, maps as a whole.
fn fields(plan: &CommandOutput) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for change in plan.json()["changes"].as_array().unwrap() {
        let address = change["address"].as_str().unwrap().to_owned();
        let fields: &mut Vec<String> = found.entry(address).or_default();
        for diff in change["fields"].as_array().unwrap() {
            let field = diff["field"].as_str().unwrap();
            match &diff["new"] {
                Json::Object(group) if matches!(field, "cors" | "throttle") => {
                    fields.extend(group.keys().map(|key| format!("{field}.{key}")));
                }
                _ => fields.push(field.to_owned()),
            }
        }
    }
    found
}

fn kind(address: &str) -> &str {
    address.split('.').next().unwrap()
}

/// Returns the fields that differ in a plan or a status, such as `table.hits tags.team`.
fn differing_fields(output: &CommandOutput) -> BTreeSet<String> {
    let json = output.json();
    let rows = json.get("changes").or_else(|| json.get("resources")).and_then(Json::as_array);
    let mut found = BTreeSet::new();
    for row in rows.unwrap_or_else(|| panic!("no rows in {output:?}")) {
        let fields = row.get("fields").or_else(|| row.get("drift")).and_then(Json::as_array).unwrap();
        for field in fields {
            let field = field.as_str().or_else(|| field["field"].as_str()).unwrap();
            found.insert(format!("{} {field}", row["address"].as_str().unwrap()));
        }
    }
    found
}

/// Whether the list contains the field or a part of it.
fn includes(differing_fields: &BTreeSet<String>, (address, field): &(String, String)) -> bool {
    let name = format!("{address} {field}");
    let mut suffixes = differing_fields.iter().filter_map(|one| one.strip_prefix(&name));
    suffixes.any(|suffix| suffix.is_empty() || suffix.starts_with(['.', '[']))
}

/// Changes the fields for which `wanted` is true, one per resource in each round. After each round, asserts that the
/// drift is reported and that a deploy undoes it. Returns the changed fields.
fn change_and_repair(
    emulator: &Emulator,
    aws_env: &mut RecordedAwsEnv,
    app: &str,
    wanted: impl Fn(&str, &str) -> bool,
) -> BTreeSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plan = aws_env.ok(&["plan", "--json", "--artifact", &artifact()]);
    let mut unchanged = fields(&plan);
    // No plan contains this field, since a TTL on the counts table would delete the counts.
    unchanged.entry("table.hits".to_owned()).or_default().push("ttl_attribute".to_owned());
    aws_env.deploy();
    // The number only gives the zip another hash.
    let zip = std::fs::read(aws_env.build(9)).unwrap();
    let editor = ManualEditor::new(&sdk_config(emulator), app, Emulator::ACCOUNT, Emulator::REGION, zip);
    let mut changed = BTreeSet::new();
    loop {
        let mut round = Vec::new();
        for (address, fields) in &mut unchanged {
            while let Some(field) = fields.pop() {
                let (kind, name) = (kind(address), format!("{} {field}", kind(address)));
                if !wanted(kind, &field) {
                    continue;
                }
                changed.insert(name.clone());
                if GAPS.iter().any(|(of, gap, _)| *of == emulator.kind() && *gap == name) {
                    continue;
                }
                match runtime.block_on(editor.change(address, &field)) {
                    ChangeResult::Immutable(reason) => assert!(!reason.is_empty()),
                    ChangeResult::Changed => {
                        round.push((address.clone(), field));
                        break;
                    }
                }
            }
        }
        if round.is_empty() {
            // There is no such field: only the run that changes all fields also deletes the function.
            if wanted("function", "everything") {
                runtime.block_on(editor.delete());
                assert_recreated(aws_env);
            }
            runtime.block_on(editor.attach_policy());
            aws_env.ok(&["destroy", "--yes"]);
            return changed;
        }
        let not_stored: &[&str] =
            if emulator.kind() == EmulatorKind::Moto { NOT_STORED_BY_MOTO } else { &[] };
        assert_repaired(aws_env, &round, not_stored);
    }
}

/// Asserts that a round of changes is reported and that a deploy undoes it. Afterwards only the fields in `not_stored`
/// may differ.
fn assert_repaired(aws_env: &mut RecordedAwsEnv, round: &[(String, String)], not_stored: &[&str]) {
    let zip = artifact();
    let status = aws_env.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(status.code, 2, "{round:?}: {status:?}");
    let plan = aws_env.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 2, "{round:?}: {plan:?}");
    for change in round {
        assert!(includes(&differing_fields(&plan), change), "plan: {change:?}: {plan:?}");
        // `status` builds nothing, so it does not know the wanted code. It reports that the live release differs.
        if change.1 != "code_sha256" {
            assert!(includes(&differing_fields(&status), change), "status: {change:?}: {status:?}");
        }
    }
    // Backups that were switched on manually are lost when the deploy switches them off.
    aws_env.ok(&["deploy", "--json", "--confirm", "test", "--artifact", &zip]);
    for args in [&["plan", "--json", "--artifact", &zip] as &[&str], &["status", "--json"]] {
        let output = aws_env.ok(args);
        let remaining: Vec<_> = differing_fields(&output).into_iter().collect();
        assert_eq!(remaining, not_stored, "{round:?} is not corrected: {output:?}");
    }
}

/// Asserts that the resources of a deleted function are reported as missing, and that a deploy recreates them.
fn assert_recreated(aws_env: &mut RecordedAwsEnv) {
    let status = aws_env.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(status.code, 2, "{status:?}");
    let json = status.json();
    let rows = json["resources"].as_array().unwrap().iter().filter(|row| row["present"] == false);
    let rows: Vec<_> = rows.map(|row| row["address"].as_str().unwrap()).collect();
    assert_eq!(rows, ["log_group.function", "function.counter", "alias.live", "permission.http_api"]);
    aws_env.deploy();
    let status = aws_env.run(&["status", "--detailed-exitcode"]);
    assert_eq!(status.code, 0, "{status:?}");
}

fn kinds(fields: &BTreeSet<String>) -> BTreeSet<&str> {
    fields.iter().map(|field| field.split(' ').next().unwrap()).collect()
}

/// Runs the drift tests. Returns the names of all calls.
pub(super) fn all() -> &'static BTreeSet<String> {
    static CALLS: OnceLock<BTreeSet<String>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let emulator = Emulator::ministack();
        let mut api = RecordedAwsEnv::new(emulator, "drift", DEFAULTS);
        let mut fields = change_and_repair(emulator, &mut api, "drift", |_, _| true);
        let mut url = RecordedAwsEnv::new(emulator, "drifturl", "http.expose = \"function-url\"\n");
        let filter = |kind: &str, _: &str| kind == FunctionUrlSpec::KIND;
        fields.extend(change_and_repair(emulator, &mut url, "drifturl", filter));
        let mut queue =
            RecordedAwsEnv::new(emulator, "driftq", "queue.enabled = true\nevents.enabled = true\n");
        let filter = |kind: &str, _: &str| EVENT_SOURCE_KINDS.contains(&kind);
        fields.extend(change_and_repair(emulator, &mut queue, "driftq", filter));
        // Without a queue, Lambda queues events itself.
        let mut events = RecordedAwsEnv::new(emulator, "drifte", "events.enabled = true\n");
        let filter = |kind: &str, _: &str| kind == EventInvokeConfigSpec::KIND;
        fields.extend(change_and_repair(emulator, &mut events, "drifte", filter));
        assert_eq!(kinds(&fields), KINDS.iter().copied().collect(), "each kind has fields that drift");
        let moto = Emulator::moto();
        let mut other = RecordedAwsEnv::new(moto, "drift", DEFAULTS);
        let is_gap =
            |kind: &str, field: &str| GAPS.iter().any(|(_, gap, _)| *gap == format!("{kind} {field}"));
        assert!(!change_and_repair(moto, &mut other, "drift", is_gap).is_empty());
        [api, url, queue, events, other].into_iter().flat_map(RecordedAwsEnv::into_calls).collect()
    })
}

#[test]
fn drift_of_every_field_is_reported_and_repaired() {
    assert!(!all().is_empty());
}
