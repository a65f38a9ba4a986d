//! An AWS test environment behind a proxy that records every call, and helpers that the AWS tests share.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use hitctl_emulators::{Emulator, RecordingProxy};
use rustix::process::{Pid, Signal, kill_process};
use zip::write::SimpleFileOptions;

use super::test_env::AwsTestEnv;
use crate::support::{CommandOutput, TestConnection, TestResponse, artifact};

/// The beginnings of command lines that only read. All others may write.
const READ_ONLY_COMMANDS: [&str; 10] = [
    "plan",
    "status",
    "logs",
    "doctor",
    "counts list",
    "counts get",
    "counts export",
    "paths list",
    "gc --",
    "rollback --list",
];

/// An AWS test environment, its recording proxy, and the names of all calls that its commands made.
pub(crate) struct RecordedAwsEnv {
    pub(crate) env: AwsTestEnv,
    pub(crate) proxy: RecordingProxy,
    calls: BTreeSet<String>,
}

impl RecordedAwsEnv {
    /// Creates an environment for this app, with `more` in its configuration. The URLs of deployed functions lead
    /// through the proxy too, which does not record the requests of visitors.
    pub(crate) fn new(emulator: &Emulator, app: &str, more: &str) -> Self {
        let proxy = RecordingProxy::new(emulator.endpoint());
        Self { env: AwsTestEnv::new(proxy.endpoint(), app, more), proxy, calls: BTreeSet::new() }
    }

    /// Runs a command after clearing the recorded calls and the rules. Asserts that a read-only command wrote nothing.
    pub(crate) fn run(&mut self, args: &[&str]) -> CommandOutput {
        self.proxy.reset();
        self.run_with_rules(args)
    }

    /// Runs a command like [`run`](Self::run), but keeps the fault rules of the proxy.
    pub(crate) fn run_with_rules(&mut self, args: &[&str]) -> CommandOutput {
        let output = self.env.run(args);
        let line = args.join(" ");
        if READ_ONLY_COMMANDS.iter().any(|command| line.starts_with(command)) {
            assert_eq!(self.proxy.write_names(), Vec::<String>::new(), "{line} must only read: {output:?}");
        }
        self.calls.extend(self.proxy.call_names());
        output
    }

    /// Runs a command and asserts that it succeeds.
    pub(crate) fn ok(&mut self, args: &[&str]) -> CommandOutput {
        let output = self.run(args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}\n{:?}", self.proxy.call_names());
        output
    }

    /// Deploys the built function. Returns its URL, if it has one.
    pub(crate) fn deploy(&mut self) -> Option<String> {
        self.deploy_zip(&artifact())
    }

    /// Deploys like [`deploy`](Self::deploy), and confirms that the previous URL stops working.
    pub(crate) fn deploy_confirmed(&mut self) -> Option<String> {
        let output = self.ok(&["deploy", "--json", "--yes", "--artifact", &artifact()]);
        output.json()["outputs"]["url"].as_str().map(str::to_owned)
    }

    /// Deploys this zip. Returns its URL, if it has one.
    pub(crate) fn deploy_zip(&mut self, zip: &str) -> Option<String> {
        let output = self.ok(&["deploy", "--json", "--artifact", zip]);
        output.json()["outputs"]["url"].as_str().map(str::to_owned)
    }

    /// Builds a zip of the same function with another hash for each `number`. Returns its path.
    pub(crate) fn build(&self, number: u32) -> String {
        build(&self.env, number)
    }

    /// Returns the names of all calls that the commands made.
    pub(crate) fn into_calls(self) -> BTreeSet<String> {
        self.calls
    }
}

/// Kills a program at a call that a proxy intercepts. The program may start after the fault is set.
#[derive(Clone, Default)]
pub(crate) struct KillSwitch(Arc<AtomicU32>);

impl KillSwitch {
    /// Kills the program. The fault of the proxy calls this.
    pub(crate) fn kill(&self) {
        // The program may make a call before its process id is stored.
        while self.0.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let pid = i32::try_from(self.0.load(Ordering::SeqCst)).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    /// Runs the program until it has ended and the proxy has handled everything that it sent.
    pub(crate) fn run(&self, proxy: &RecordingProxy, mut program: Command) -> Output {
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.0.store(program.id(), Ordering::SeqCst);
        let output = program.wait_with_output().unwrap();
        proxy.wait_for_disconnects();
        output
    }
}

/// Writes a zip of the built function with another hash for each `number` into the environment. Returns its path.
pub(crate) fn build(env: &AwsTestEnv, number: u32) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(std::fs::read(artifact()).unwrap())).unwrap();
    let mut program = Vec::new();
    archive.by_name("bootstrap").unwrap().read_to_end(&mut program).unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(&program).unwrap();
    zip.start_file("build", options).unwrap();
    zip.write_all(number.to_string().as_bytes()).unwrap();
    let path: PathBuf = env.base.path().join(format!("build-{number}.zip"));
    std::fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
    path.display().to_string()
}

/// Sends a GET request to a URL of an emulator, which serves each API and function under its own path.
pub(crate) fn get_from_emulator(url: &str, target: &str) -> TestResponse {
    try_get_from_emulator(url, target).unwrap()
}

/// Sends a GET request like [`get_from_emulator`]. Without a response, returns the error.
pub(crate) fn try_get_from_emulator(url: &str, target: &str) -> std::io::Result<TestResponse> {
    // The host ends before the third slash.
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    TestConnection::connect(server)?.send("GET", &format!("{base}{target}"), "", b"")
}

/// Sends GET requests until one is not throttled.
pub(crate) fn hit(url: &str, target: &str) -> TestResponse {
    hit_with_uncertainty(url, target).0
}

/// Sends GET requests like [`hit`]. Also returns how many of the refused requests may have been counted. A request that
/// the gateway refuses is never counted. On an overloaded emulator, the function may get no response from its table. It
/// then responds with `unavailable`, and the hit may have been counted.
pub(crate) fn hit_with_uncertainty(url: &str, target: &str) -> (TestResponse, u64) {
    let mut uncertain = 0;
    for _ in 0..10_000 {
        let response = get_from_emulator(url, target);
        if !matches!(response.status, 429 | 503) {
            return (response, uncertain);
        }
        uncertain += u64::from(response.body.contains("\"unavailable\""));
    }
    panic!("{url}{target} refused 10,000 requests");
}

/// Hits `/` once more, after `before` hits. Asserts that one more hit is counted, apart from uncertain ones (see
/// [`hit_with_uncertainty`]).
#[track_caller]
pub(crate) fn assert_one_more_hit(url: &str, before: u64, when: &str) {
    let (response, uncertain) = hit_with_uncertainty(url, "/counter?path=/");
    let hits = response.json()["hits"].as_u64().unwrap();
    let expected = before + 1..=before + 1 + uncertain;
    assert!(
        expected.contains(&hits),
        "{when}: {before} hits, then {hits}, {uncertain} uncertain: {response:?}"
    );
}

/// Returns the SDK configuration for clients of an emulator.
pub(crate) fn sdk_config(emulator: &Emulator) -> SdkConfig {
    let credentials = Credentials::new(Emulator::ACCOUNT, "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new(Emulator::REGION))
        .endpoint_url(emulator.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// Lists the resources of an app in an emulator with the AWS SDKs, without hitctl.
pub(crate) fn remaining_resources(emulator: &Emulator, app: &str) -> Vec<String> {
    let config = sdk_config(emulator);
    let listing = async {
        let (mut names, readable) = (Vec::new(), "every page can be read");
        let tables = aws_sdk_dynamodb::Client::new(&config).list_tables().into_paginator().items().send();
        names.extend(tables.try_collect().await.expect(readable));
        let functions = aws_sdk_lambda::Client::new(&config).list_functions().into_paginator().items().send();
        let functions: Vec<_> = functions.try_collect().await.expect(readable);
        names.extend(functions.into_iter().filter_map(|one| one.function_arn));
        let roles = aws_sdk_iam::Client::new(&config).list_roles().into_paginator().items().send();
        let roles: Vec<_> = roles.try_collect().await.expect(readable);
        names.extend(roles.into_iter().map(|one| one.arn));
        let groups = aws_sdk_cloudwatchlogs::Client::new(&config).describe_log_groups();
        let groups: Vec<_> = groups.into_paginator().items().send().try_collect().await.expect(readable);
        names.extend(groups.into_iter().filter_map(|one| one.arn));
        let queues = aws_sdk_sqs::Client::new(&config).list_queues().into_paginator().items().send();
        names.extend(queues.try_collect().await.expect(readable));
        let mappings = aws_sdk_lambda::Client::new(&config).list_event_source_mappings().into_paginator();
        let mappings: Vec<_> = mappings.items().send().try_collect().await.expect(readable);
        names.extend(
            mappings.into_iter().filter_map(|one| Some(format!("{} of {}", one.uuid?, one.function_arn?))),
        );
        names.extend(rules(&config).await);
        let apis = aws_sdk_apigatewayv2::Client::new(&config);
        let mut token = None;
        loop {
            let page = apis.get_apis().set_next_token(token).send().await.expect(readable);
            names.extend(page.items.unwrap_or_default().into_iter().filter_map(|one| one.name));
            token = page.next_token;
            if token.is_none() {
                break names;
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let base = format!("{app}-test");
    runtime.block_on(listing).into_iter().filter(|name| name.contains(&base)).collect()
}

/// Lists the ARNs of the rules on all event buses. An ARN names its bus, unless it is the default bus.
async fn rules(config: &SdkConfig) -> Vec<String> {
    let client = aws_sdk_eventbridge::Client::new(config);
    let buses = client.list_event_buses().send().await.unwrap().event_buses.unwrap_or_default();
    let mut found = Vec::new();
    for bus in buses.into_iter().filter_map(|bus| bus.name) {
        let rules = client.list_rules().event_bus_name(bus).send().await.unwrap().rules.unwrap_or_default();
        found.extend(rules.into_iter().filter_map(|rule| rule.arn));
    }
    found
}
