//! Tests of the driver with the real engine: deploy, deploy again, read a stopped cloud, destroy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use hitctl_engine::{Action, ApplyOutcome, Drivers, EventSink, Graph, Node, Plan, apply, plan, survey};
use hitctl_local::{ACCOUNT, LocalClient, LocalDriver, OfflineCloud};
use hitctl_resources::CodePackage;
use hitctl_resources::{
    Arch, Cors, FunctionSpec, HttpApiSpec, LogGroupSpec, PermissionSpec, RolePermission, RoleSpec, Spec as _,
    TableSpec, Tags, Throttle,
};
use tokio_util::sync::CancellationToken;

use crate::harness::{DaemonTestEnv, RawConnection, TIMEOUT, echo_zip, hit_count};
use crate::resources::{sha256_of, zip_of};

const NAME: &str = "hits-local";

fn tags(app: &str) -> Tags {
    BTreeMap::from([("hitctl:app".to_owned(), app.to_owned()), ("hitctl:env".to_owned(), "local".to_owned())])
}

/// The whole app, as the deployer defines it.
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
    let allowed = RolePermission {
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
        role_arn: hitctl_engine::SpecValue::known(
            RoleSpec::address("function"),
            arn("iam", "role/hits-local"),
        ),
        log_format: "JSON".to_owned(),
        app_log_level: Some("INFO".to_owned()),
        system_log_level: Some("INFO".to_owned()),
        log_group: hitctl_engine::SpecValue::known(
            LogGroupSpec::address("function"),
            "/aws/lambda/hits-local".into(),
        ),
        tags: tags("hits"),
    };
    let any = || BTreeSet::from(["*".to_owned()]);
    let api = HttpApiSpec {
        function_arn: hitctl_engine::SpecValue::known(
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
        function_name: hitctl_engine::SpecValue::known(FunctionSpec::address("counter"), NAME.into()),
        qualifier: None,
        principal: "apigateway.amazonaws.com".into(),
        source_arn: hitctl_engine::SpecValue::output(HttpApiSpec::address("api"), "call_arn"),
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

async fn make_plan(graph: &Graph, driver: LocalDriver) -> (Plan, Drivers) {
    let drivers = Drivers::for_all_kinds(Arc::new(driver));
    let live = survey(graph, &drivers, &EventSink::none(), &CancellationToken::new()).await.unwrap();
    (plan(graph, &live, &hitctl_engine::SecretMask::default()).unwrap(), drivers)
}

async fn apply_graph(graph: &Graph, driver: LocalDriver) -> ApplyOutcome {
    let (plan, drivers) = make_plan(graph, driver).await;
    let outcome = apply(&plan, &drivers, &EventSink::none(), &CancellationToken::new()).await;
    assert!(outcome.is_ok(), "{:?}", outcome.failed);
    outcome
}

fn write_package(dir: &Path) -> CodePackage {
    let zip = zip_of("#!/bin/sh\nexit 1\n");
    let path = dir.join("function.zip");
    std::fs::write(&path, &zip).unwrap();
    CodePackage { sha256: sha256_of(&zip), zip: path }
}

#[tokio::test]
async fn second_deploy_changes_nothing_and_destroy_removes_everything() {
    let env = DaemonTestEnv::new();
    let code = write_package(env.temp.path());
    let wanted = graph(&code.sha256, 128);
    let online = |client: &LocalClient| LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()));
    let offline = || LocalDriver::offline(Arc::new(OfflineCloud::read(&env.dir()).unwrap()), tags("hits"));

    // Nothing is deployed. Planning starts no daemon and creates no files.
    let (first, _) = make_plan(&wanted, offline()).await;
    assert!(first.changes.iter().all(|change| change.action == Action::Create));
    assert!(!env.dir().exists());

    let client = env.start_new().await;
    let outcome = apply_graph(&wanted, online(&client)).await;
    let url = &outcome.outputs[&HttpApiSpec::address("api")]["url"];
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert!(make_plan(&wanted, online(&client)).await.0.is_empty());

    // One change updates one resource, and a stopped cloud gives the same plan.
    let changed = graph(&code.sha256, 256);
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    assert!(make_plan(&wanted, offline()).await.0.is_empty());
    let (update, drivers) = make_plan(&changed, offline()).await;
    let updates: Vec<_> = update.changes.iter().filter(|change| change.action != Action::Keep).collect();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].address(), &FunctionSpec::address("counter"));
    let refused = apply(&update, &drivers, &EventSink::none(), &CancellationToken::new()).await;
    assert_eq!(refused.failed[0].fault.code, "local_unreachable");
    let message = &refused.failed[0].fault.message;
    assert!(message.starts_with("failed to update function hits-local: the local cloud in "), "{message}");

    let client = env.start_new().await;
    apply_graph(&changed, online(&client)).await;
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    connection.hit(NAME, "/").await.unwrap();

    // A destroy without `allow_data_deletion` keeps the counts and the log.
    apply_graph(&changed.all_absent(), online(&client)).await;
    let remaining = client.resources().await.unwrap();
    assert_eq!(remaining.keys().collect::<Vec<_>>(), ["log_group", "table"]);
    assert_eq!(hit_count(&client, NAME, "/").await, 1);
    apply_graph(&changed.all_absent().allow_data_deletion(), online(&client)).await;
    assert!(client.resources().await.unwrap().is_empty());
}

/// Formats the changes of a plan as `ACTION ADDRESS: FIELDS`.
fn changes(plan: &Plan) -> Vec<String> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::Keep);
    let fields = |change: &hitctl_engine::Change| {
        change.fields.iter().map(|field| field.field.clone()).collect::<Vec<_>>().join(", ")
    };
    changes.map(|change| format!("{:?} {}: {}", change.action, change.address(), fields(change))).collect()
}

/// The planned change that uploads missing or damaged code again.
const REPAIR: &str = "Update function.counter: code_sha256";

#[tokio::test]
async fn deploy_over_missing_or_damaged_zip_uploads_it_again() {
    let env = DaemonTestEnv::new();
    let (zip, path) = (echo_zip(), env.temp.path().join("function.zip"));
    std::fs::write(&path, &zip).unwrap();
    let code = CodePackage { sha256: sha256_of(&zip), zip: path };
    let wanted = graph(&code.sha256, 128);
    let online = |client: &LocalClient| LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()));
    let offline = || LocalDriver::offline(Arc::new(OfflineCloud::read(&env.dir()).unwrap()), tags("hits"));
    let stored = env.dir().join("zips").join(format!("{}.zip", code.sha256));
    let damages: [(&str, &dyn Fn()); 4] = [
        ("missing", &|| std::fs::remove_file(&stored).unwrap()),
        ("empty", &|| std::fs::write(&stored, "").unwrap()),
        ("cut", &|| std::fs::write(&stored, &zip[..zip.len() / 2]).unwrap()),
        ("all code missing", &|| {
            std::fs::remove_dir_all(env.dir().join("zips")).unwrap();
            std::fs::remove_dir_all(env.dir().join("code")).unwrap();
        }),
    ];
    apply_graph(&wanted, online(&env.start_new().await)).await;
    for (name, damage) in damages {
        LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
        damage();
        assert_eq!(changes(&make_plan(&wanted, offline()).await.0), [REPAIR], "{name}");
        let client = env.start_new().await;
        let notices = client.status().await.unwrap().notices;
        assert_eq!(notices.len(), 1, "{name}: {notices:?}");
        let start = r#"failed to restore function hits-local: failed to verify the code of the function "hits-local": "#;
        assert!(notices[0].starts_with(start), "{name}: {notices:?}");
        assert!(notices[0].ends_with("run `hitctl deploy --env local` to upload it"), "{notices:?}");
        assert_eq!(changes(&make_plan(&wanted, online(&client)).await.0), [REPAIR], "{name}");

        apply_graph(&wanted, online(&client)).await;
        assert_eq!(std::fs::read(&stored).unwrap(), zip, "{name}");
        assert!(make_plan(&wanted, online(&client)).await.0.is_empty(), "{name}");
        assert_eq!(client.status().await.unwrap().notices, Vec::<String>::new(), "{name}");
        let response = client.invoke(NAME, "7".into()).await.unwrap();
        assert_eq!((response.payload, response.function_error), (7.into(), None), "{name}");
    }
}

#[tokio::test]
async fn damaged_unpacked_code_is_repaired_by_start_and_by_deploy() {
    let env = DaemonTestEnv::new();
    let (zip, path) = (echo_zip(), env.temp.path().join("function.zip"));
    std::fs::write(&path, &zip).unwrap();
    let code = CodePackage { sha256: sha256_of(&zip), zip: path };
    let wanted = graph(&code.sha256, 128);
    let online = |client: &LocalClient| LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()));
    let bootstrap = env.dir().join("code").join(&code.sha256).join("bootstrap");
    let whole = std::fs::metadata(code.zip.clone()).unwrap().len();
    apply_graph(&wanted, online(&env.start_new().await)).await;
    let cut = || {
        let size = std::fs::metadata(&bootstrap).unwrap().len();
        std::fs::File::options().write(true).open(&bootstrap).unwrap().set_len(size / 2).unwrap();
    };

    // While the daemon runs, the next deploy repairs the code. The damaged program can be started, but exits at
    // once.
    let client = env.start().await;
    cut();
    assert_eq!(changes(&make_plan(&wanted, online(&client)).await.0), [REPAIR]);
    apply_graph(&wanted, online(&client)).await;
    assert!(make_plan(&wanted, online(&client)).await.0.is_empty());
    assert_eq!(client.invoke(NAME, "7".into()).await.unwrap().payload, 7);

    // While the daemon is stopped, its next start repairs the code.
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    cut();
    let client = env.start_new().await;
    assert!(std::fs::metadata(&bootstrap).unwrap().len() > whole / 2);
    assert!(make_plan(&wanted, online(&client)).await.0.is_empty());
    assert_eq!(client.invoke(NAME, "8".into()).await.unwrap().payload, 8);
}

#[tokio::test]
async fn resource_of_other_app_has_other_owner() {
    let env = DaemonTestEnv::new();
    let code = write_package(env.temp.path());
    let wanted = graph(&code.sha256, 128);
    let client = env.start_new().await;
    apply_graph(&wanted, LocalDriver::new(client.clone(), tags("hits"), Some(code.clone()))).await;
    let drivers = Drivers::for_all_kinds(Arc::new(LocalDriver::new(client.clone(), tags("other"), None)));
    let live = survey(&wanted, &drivers, &EventSink::none(), &CancellationToken::new()).await.unwrap();
    let table = live.observed(&TableSpec::address("hits")).unwrap();
    assert_eq!(table.owner, hitctl_engine::Owner::Other("app hits, env local".to_owned()));
    // A statement is identified by app and env, so the other app's statement does not exist yet.
    assert!(live.observed(&PermissionSpec::address("http_api")).is_none());
}
