//! The driver under the real engine: deploy, deploy again, look at a stopped cloud, destroy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use hitctl_engine::{Action, Drivers, Graph, Node, Outcome, Plan, Sink, apply, plan, survey};
use hitctl_local::{ACCOUNT, Client, LocalDriver, Offline};
use hitctl_resources::CodePackage;
use hitctl_resources::{
    Arch, Cors, FunctionSpec, HttpApiSpec, LogGroupSpec, PermissionSpec, RoleSpec, Spec as _, Statement,
    TableSpec, Tags, Throttle,
};
use tokio_util::sync::CancellationToken;

use crate::harness::{LONG, Machine, Raw, echo_zip, hits};
use crate::resources::{sha256_of, zip_of};

const NAME: &str = "hits-local";

fn tags(app: &str) -> Tags {
    BTreeMap::from([("hitctl:app".to_owned(), app.to_owned()), ("hitctl:env".to_owned(), "local".to_owned())])
}

/// The whole app, as the deployer designs it.
fn graph(sha256: &str, memory_mb: u32) -> Graph {
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:local:{ACCOUNT}:{rest}");
    let table = TableSpec {
        partition_key: "path".into(),
        point_in_time_recovery: true,
        deletion_protection: true,
        ttl_attribute: None,
        max_write_units: 100,
        tags: tags("hits"),
    };
    let allowed = Statement {
        sid: "Table".into(),
        actions: BTreeSet::from(["dynamodb:UpdateItem".into()]),
        resources: BTreeSet::from([arn("dynamodb", "table/hits-local")]),
    };
    let role = RoleSpec {
        trusted_service: "lambda.amazonaws.com".into(),
        statements: vec![allowed],
        tags: tags("hits"),
    };
    let function = FunctionSpec {
        runtime: "provided.al2023".into(),
        arch: Arch::X86_64,
        code_sha256: sha256.into(),
        memory_mb,
        timeout_s: 10,
        reserved_concurrency: None,
        environment: BTreeMap::new(),
        role_arn: hitctl_engine::Value::known(RoleSpec::address("function"), arn("iam", "role/hits-local")),
        log_format: "JSON".to_owned(),
        app_log_level: Some("INFO".to_owned()),
        system_log_level: Some("INFO".to_owned()),
        log_group: hitctl_engine::Value::known(
            LogGroupSpec::address("function"),
            "/aws/lambda/hits-local".into(),
        ),
        tags: tags("hits"),
    };
    let any = || BTreeSet::from(["*".to_owned()]);
    let api = HttpApiSpec {
        function_arn: hitctl_engine::Value::known(
            FunctionSpec::address("counter"),
            arn("lambda", "function:hits-local"),
        ),
        routes: BTreeSet::from(["ANY /counter".into()]),
        reader: None,
        ingest: None,
        cors: Cors {
            allow_origins: any(),
            allow_methods: any(),
            allow_headers: BTreeSet::new(),
            expose_headers: BTreeSet::new(),
            max_age_s: 3_600,
        },
        throttle: Throttle { rate_per_second: 10.0, burst: 20 },
        tags: tags("hits"),
    };
    let permission = PermissionSpec {
        function_name: hitctl_engine::Value::known(FunctionSpec::address("counter"), NAME.into()),
        qualifier: None,
        principal: "apigateway.amazonaws.com".into(),
        source_arn: hitctl_engine::Value::output(HttpApiSpec::address("api"), "call_arn"),
        source_account: Some(ACCOUNT.into()),
    };
    let logs = LogGroupSpec { retention_days: 14, tags: tags("hits") };
    let nodes: Vec<Node> = vec![
        table.node("hits", NAME),
        role.node("function", NAME),
        logs.node("function", "/aws/lambda/hits-local"),
        function.node("counter", NAME),
        api.node("api", NAME),
        permission.node("http_api", "hitctl-http-api"),
    ];
    Graph::new(nodes).unwrap()
}

async fn planned(graph: &Graph, driver: LocalDriver) -> (Plan, Drivers) {
    let drivers = Drivers::all(Arc::new(driver));
    let live = survey(graph, &drivers, &Sink::none(), &CancellationToken::new()).await.unwrap();
    (plan(graph, &live, &hitctl_engine::Mask::default()).unwrap(), drivers)
}

async fn carried_out(graph: &Graph, driver: LocalDriver) -> Outcome {
    let (plan, drivers) = planned(graph, driver).await;
    let outcome = apply(&plan, &drivers, &Sink::none(), &CancellationToken::new()).await;
    assert!(outcome.is_ok(), "{:?}", outcome.failed);
    outcome
}

fn artifact(dir: &Path) -> CodePackage {
    let zip = zip_of("#!/bin/sh\nexit 1\n");
    let path = dir.join("function.zip");
    std::fs::write(&path, &zip).unwrap();
    CodePackage { sha256: sha256_of(&zip), zip: path }
}

#[tokio::test]
async fn deploy_again_changes_nothing_and_destroy_leaves_nothing() {
    let machine = Machine::new();
    let code = artifact(machine.temp.path());
    let wanted = graph(&code.sha256, 128);
    let online = |client: &Client| LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()));
    let offline = || LocalDriver::offline(Arc::new(Offline::read(&machine.dir()).unwrap()), tags("hits"));

    // Nothing is there, and planning starts and makes nothing.
    let (first, _) = planned(&wanted, offline()).await;
    assert!(first.changes.iter().all(|change| change.action == Action::Create));
    assert!(!machine.dir().exists());

    let client = machine.start_new().await;
    let outcome = carried_out(&wanted, online(&client)).await;
    let url = &outcome.outputs[&HttpApiSpec::address("api")]["url"];
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert!(planned(&wanted, online(&client)).await.0.is_empty());

    // A change is one change, and a stopped cloud tells the same.
    let changed = graph(&code.sha256, 256);
    Client::stop(&machine.dir(), LONG).await.unwrap();
    assert!(planned(&wanted, offline()).await.0.is_empty());
    let (update, drivers) = planned(&changed, offline()).await;
    let updates: Vec<_> = update.changes.iter().filter(|change| change.action != Action::Keep).collect();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].address(), &FunctionSpec::address("counter"));
    let refused = apply(&update, &drivers, &Sink::none(), &CancellationToken::new()).await;
    assert_eq!(refused.failed[0].fault.code, "local_unreachable");
    let message = &refused.failed[0].fault.message;
    assert!(message.starts_with("failed to update function hits-local: the local cloud in "), "{message}");

    let client = machine.start_new().await;
    carried_out(&changed, online(&client)).await;
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    raw.hit(NAME, "/").await.unwrap();

    // A destroy without `deleting_data` keeps the counts and the log.
    carried_out(&changed.all_absent(), online(&client)).await;
    let left = client.resources().await.unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["log_group", "table"]);
    assert_eq!(hits(&client, NAME, "/").await, 1);
    carried_out(&changed.all_absent().deleting_data(), online(&client)).await;
    assert!(client.resources().await.unwrap().is_empty());
}

/// The changes of a plan, as `ACTION ADDRESS: FIELDS`.
fn changes(plan: &Plan) -> Vec<String> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::Keep);
    let fields = |change: &hitctl_engine::Change| {
        change.fields.iter().map(|field| field.field.clone()).collect::<Vec<_>>().join(", ")
    };
    changes.map(|change| format!("{:?} {}: {}", change.action, change.address(), fields(change))).collect()
}

const REPAIR: &str = "Update function.counter: code_sha256";

#[tokio::test]
async fn deploy_over_missing_or_damaged_zip_uploads_it_again() {
    let machine = Machine::new();
    let (zip, path) = (echo_zip(), machine.temp.path().join("function.zip"));
    std::fs::write(&path, &zip).unwrap();
    let code = CodePackage { sha256: sha256_of(&zip), zip: path };
    let wanted = graph(&code.sha256, 128);
    let online = |client: &Client| LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()));
    let offline = || LocalDriver::offline(Arc::new(Offline::read(&machine.dir()).unwrap()), tags("hits"));
    let stored = machine.dir().join("zips").join(format!("{}.zip", code.sha256));
    let damages: [(&str, &dyn Fn()); 4] = [
        ("missing", &|| std::fs::remove_file(&stored).unwrap()),
        ("empty", &|| std::fs::write(&stored, "").unwrap()),
        ("cut", &|| std::fs::write(&stored, &zip[..zip.len() / 2]).unwrap()),
        ("all code missing", &|| {
            std::fs::remove_dir_all(machine.dir().join("zips")).unwrap();
            std::fs::remove_dir_all(machine.dir().join("code")).unwrap();
        }),
    ];
    carried_out(&wanted, online(&machine.start_new().await)).await;
    for (name, damage) in damages {
        Client::stop(&machine.dir(), LONG).await.unwrap();
        damage();
        assert_eq!(changes(&planned(&wanted, offline()).await.0), [REPAIR], "{name}");
        let client = machine.start_new().await;
        let notices = client.status().await.unwrap().notices;
        assert_eq!(notices.len(), 1, "{name}: {notices:?}");
        let start =
            "function hits-local was not brought back: the code of the function hits-local is not here: ";
        assert!(notices[0].starts_with(start), "{name}: {notices:?}");
        assert!(notices[0].ends_with("run `hitctl deploy --env local`, which uploads it"), "{notices:?}");
        assert_eq!(changes(&planned(&wanted, online(&client)).await.0), [REPAIR], "{name}");

        carried_out(&wanted, online(&client)).await;
        assert_eq!(std::fs::read(&stored).unwrap(), zip, "{name}");
        assert!(planned(&wanted, online(&client)).await.0.is_empty(), "{name}");
        assert_eq!(client.status().await.unwrap().notices, Vec::<String>::new(), "{name}");
        let answer = client.invoke(NAME, "7".into()).await.unwrap();
        assert_eq!((answer.payload, answer.function_error), (7.into(), None), "{name}");
    }
}

#[tokio::test]
async fn damaged_unpacked_code_is_repaired_by_start_and_by_deploy() {
    let machine = Machine::new();
    let (zip, path) = (echo_zip(), machine.temp.path().join("function.zip"));
    std::fs::write(&path, &zip).unwrap();
    let code = CodePackage { sha256: sha256_of(&zip), zip: path };
    let wanted = graph(&code.sha256, 128);
    let online = |client: &Client| LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()));
    let bootstrap = machine.dir().join("code").join(&code.sha256).join("bootstrap");
    let whole = std::fs::metadata(code.zip.clone()).unwrap().len();
    carried_out(&wanted, online(&machine.start_new().await)).await;
    let cut = || {
        let size = std::fs::metadata(&bootstrap).unwrap().len();
        std::fs::File::options().write(true).open(&bootstrap).unwrap().set_len(size / 2).unwrap();
    };

    // While it runs: the program can be started, and ends at once.
    let client = machine.start().await;
    cut();
    assert_eq!(changes(&planned(&wanted, online(&client)).await.0), [REPAIR]);
    carried_out(&wanted, online(&client)).await;
    assert!(planned(&wanted, online(&client)).await.0.is_empty());
    assert_eq!(client.invoke(NAME, "7".into()).await.unwrap().payload, 7);

    // While it is stopped: the next start sees to it.
    Client::stop(&machine.dir(), LONG).await.unwrap();
    cut();
    let client = machine.start_new().await;
    assert!(std::fs::metadata(&bootstrap).unwrap().len() > whole / 2);
    assert!(planned(&wanted, online(&client)).await.0.is_empty());
    assert_eq!(client.invoke(NAME, "8".into()).await.unwrap().payload, 8);
}

#[tokio::test]
async fn what_another_app_deployed_is_not_ours() {
    let machine = Machine::new();
    let code = artifact(machine.temp.path());
    let wanted = graph(&code.sha256, 128);
    let client = machine.start_new().await;
    carried_out(&wanted, LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()))).await;
    let drivers = Drivers::all(Arc::new(LocalDriver::new(client.clone(), tags("other"), None)));
    let live = survey(&wanted, &drivers, &Sink::none(), &CancellationToken::new()).await.unwrap();
    let table = live.live(&TableSpec::address("hits")).unwrap();
    assert_eq!(table.owner, hitctl_engine::Owner::Other("app hits, env local".to_owned()));
    // A statement is found by app and env, so the other app's is not there yet.
    assert!(live.live(&PermissionSpec::address("http_api")).is_none());
}
