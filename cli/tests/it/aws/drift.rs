//! What somebody changed by hand is seen, and mended by the next deploy: every field of every kind.

mod foreign;
mod hand;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use hitctl_emulators::{Emulator, Kind};
use hitctl_resources::{
    EventInvokeConfigSpec, EventRuleSpec, EventSourceMappingSpec, FunctionUrlSpec, KINDS, QueueSpec,
    Spec as _,
};
use serde_json::Value as Json;

use self::hand::{Done, Hand};
use super::scene::{Scene, config};
use crate::support::{DEFAULTS, Ran, artifact};

/// What an emulator cannot be made to show; the other one has to.
const GAPS: &[(Kind, &str, &str)] =
    &[(Kind::MiniStack, "http_api tags", "GetApis shows no tag of a later TagResource")];

/// Moto drops `OnDemandThroughput`.
const FORGOTTEN_BY_MOTO: &[&str] = &["table.hits max_write_units", "table.seen max_write_units"];

/// The kinds that are there with a queue and events.
const FED_BY: [&str; 3] = [QueueSpec::KIND, EventSourceMappingSpec::KIND, EventRuleSpec::KIND];

/// The fields of the specs that a plan makes, by address: settings in groups one by one, maps as a whole.
fn fields(plan: &Ran) -> BTreeMap<String, Vec<String>> {
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

/// What differs, as a plan or a status names it: `table.hits tags.team`.
fn differing(ran: &Ran) -> BTreeSet<String> {
    let json = ran.json();
    let rows = json.get("changes").or_else(|| json.get("resources")).and_then(Json::as_array);
    let mut found = BTreeSet::new();
    for row in rows.unwrap_or_else(|| panic!("no rows in {ran:?}")) {
        let fields = row.get("fields").or_else(|| row.get("drift")).and_then(Json::as_array).unwrap();
        for field in fields {
            let field = field.as_str().or_else(|| field["field"].as_str()).unwrap();
            found.insert(format!("{} {field}", row["address"].as_str().unwrap()));
        }
    }
    found
}

/// Whether that field, or a part of it, is among these.
fn names(differing: &BTreeSet<String>, (address, field): &(String, String)) -> bool {
    let name = format!("{address} {field}");
    let mut rests = differing.iter().filter_map(|one| one.strip_prefix(&name));
    rests.any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Changes fields by hand, one of each resource at a time, until all were changed; after each round the drift is seen, mended,
/// and gone. Gives back which were.
fn drift_and_mend(
    emulator: &Emulator,
    scene: &mut Scene,
    app: &str,
    wanted: impl Fn(&str, &str) -> bool,
) -> BTreeSet<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plan = scene.ok(&["plan", "--json", "--artifact", &artifact()]);
    let mut open = fields(&plan);
    // No plan has it, since it is not there; and it would delete the counts.
    open.entry("table.hits".to_owned()).or_default().push("ttl_attribute".to_owned());
    scene.deploy();
    let zip = std::fs::read(scene.build(9)).unwrap();
    let hand = Hand::new(&config(emulator), app, Emulator::ACCOUNT, Emulator::REGION, zip);
    let mut all = BTreeSet::new();
    loop {
        let mut round = Vec::new();
        for (address, fields) in &mut open {
            while let Some(field) = fields.pop() {
                let (kind, name) = (kind(address), format!("{} {field}", kind(address)));
                if !wanted(kind, &field) {
                    continue;
                }
                all.insert(name.clone());
                if GAPS.iter().any(|(of, gap, _)| *of == emulator.kind() && *gap == name) {
                    continue;
                }
                match runtime.block_on(hand.change(address, &field)) {
                    Done::Fixed(why) => assert!(!why.is_empty()),
                    Done::Changed => {
                        round.push((address.clone(), field));
                        break;
                    }
                }
            }
        }
        if round.is_empty() {
            if wanted("function", "everything") {
                runtime.block_on(hand.delete());
                missing(scene);
            }
            runtime.block_on(hand.attach());
            scene.ok(&["destroy", "--yes"]);
            return all;
        }
        let forgotten: &[&str] = if emulator.kind() == Kind::Moto { FORGOTTEN_BY_MOTO } else { &[] };
        mended(scene, &round, forgotten);
    }
}

/// After a change by hand: it is seen, a deploy mends it, and nothing but what the emulator forgets differs then.
fn mended(scene: &mut Scene, round: &[(String, String)], forgotten: &[&str]) {
    let zip = artifact();
    let status = scene.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(status.code, 2, "{round:?}: {status:?}");
    let plan = scene.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 2, "{round:?}: {plan:?}");
    for change in round {
        assert!(names(&differing(&plan), change), "plan: {change:?}: {plan:?}");
        // A look does not build: it takes the live code for the wanted one, and says that another release answers.
        if change.1 != "code_sha256" {
            assert!(names(&differing(&status), change), "status: {change:?}: {status:?}");
        }
    }
    // Backups that somebody switched on by hand are lost when they are switched off again.
    scene.ok(&["deploy", "--json", "--confirm", "test", "--artifact", &zip]);
    for again in [&["plan", "--json", "--artifact", &zip] as &[&str], &["status", "--json"]] {
        let again = scene.ok(again);
        let rest: Vec<_> = differing(&again).into_iter().collect();
        assert_eq!(rest, forgotten, "{round:?} is not mended: {again:?}");
    }
}

/// After the function was deleted by hand: all of it is missed, and made again.
fn missing(scene: &mut Scene) {
    let status = scene.run(&["status", "--json", "--detailed-exitcode"]);
    assert_eq!(status.code, 2, "{status:?}");
    let json = status.json();
    let rows = json["resources"].as_array().unwrap().iter().filter(|row| row["present"] == false);
    let rows: Vec<_> = rows.map(|row| row["address"].as_str().unwrap()).collect();
    assert_eq!(rows, ["log_group.function", "function.counter", "alias.live", "permission.http_api"]);
    scene.deploy();
    let status = scene.run(&["status", "--detailed-exitcode"]);
    assert_eq!(status.code, 0, "{status:?}");
}

fn kinds(fields: &BTreeSet<String>) -> BTreeSet<&str> {
    fields.iter().map(|field| field.split(' ').next().unwrap()).collect()
}

/// The calls that seeing and mending took.
pub(super) fn all() -> &'static BTreeSet<String> {
    static SEEN: OnceLock<BTreeSet<String>> = OnceLock::new();
    SEEN.get_or_init(|| {
        let emulator = Emulator::ministack();
        let mut api = Scene::new(emulator, "drift", DEFAULTS);
        let mut fields = drift_and_mend(emulator, &mut api, "drift", |_, _| true);
        let mut url = Scene::new(emulator, "drifturl", "http.expose = \"function-url\"\n");
        let only = |kind: &str, _: &str| kind == FunctionUrlSpec::KIND;
        fields.extend(drift_and_mend(emulator, &mut url, "drifturl", only));
        let mut queue = Scene::new(emulator, "driftq", "queue.enabled = true\nevents.enabled = true\n");
        let only = |kind: &str, _: &str| FED_BY.contains(&kind);
        fields.extend(drift_and_mend(emulator, &mut queue, "driftq", only));
        // Where there is no queue, Lambda queues events by itself.
        let mut events = Scene::new(emulator, "drifte", "events.enabled = true\n");
        let only = |kind: &str, _: &str| kind == EventInvokeConfigSpec::KIND;
        fields.extend(drift_and_mend(emulator, &mut events, "drifte", only));
        assert_eq!(kinds(&fields), KINDS.iter().copied().collect(), "each kind has fields that drift");
        let moto = Emulator::moto();
        let mut other = Scene::new(moto, "drift", DEFAULTS);
        let rest = |kind: &str, field: &str| GAPS.iter().any(|(_, gap, _)| *gap == format!("{kind} {field}"));
        assert!(!drift_and_mend(moto, &mut other, "drift", rest).is_empty());
        [api, url, queue, events, other].into_iter().flat_map(Scene::into_seen).collect()
    })
}

#[test]
fn every_field_that_drifts_is_seen_and_mended() {
    assert!(!all().is_empty());
}
