//! A yard on an emulator with a wire between, which writes down every call; and what the subjects here share.

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
use hitctl_emulators::{Emulator, Wire};
use rustix::process::{Pid, Signal, kill_process};
use zip::write::SimpleFileOptions;

use super::yard::AwsYard;
use crate::support::{Answer, Http, Ran, artifact};

/// Commands that only look. The rest may write.
const READING: [&str; 10] = [
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

/// A yard, its wire, and the calls that any command made.
pub(crate) struct Scene {
    pub(crate) yard: AwsYard,
    pub(crate) wire: Wire,
    seen: BTreeSet<String>,
}

impl Scene {
    /// A directory with a configuration of that app. Its URLs lead through the wire too, which takes visitors for no callers.
    pub(crate) fn new(emulator: &Emulator, app: &str, more: &str) -> Self {
        let wire = Wire::new(emulator.endpoint());
        Self { yard: AwsYard::new(wire.endpoint(), app, more), wire, seen: BTreeSet::new() }
    }

    /// Runs a command; one that only looks must not have written.
    pub(crate) fn run(&mut self, args: &[&str]) -> Ran {
        self.wire.reset();
        self.run_on(args)
    }

    /// As [`run`](Self::run), with the rules that the wire has.
    pub(crate) fn run_on(&mut self, args: &[&str]) -> Ran {
        let ran = self.yard.run(args);
        let line = args.join(" ");
        if READING.iter().any(|command| line.starts_with(command)) {
            assert_eq!(self.wire.writes(), Vec::<String>::new(), "{line} only looks: {ran:?}");
        }
        self.seen.extend(self.wire.names());
        ran
    }

    /// Runs a command that has to succeed.
    pub(crate) fn ok(&mut self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}\n{:?}", self.wire.names());
        ran
    }

    /// Deploys the built function, and gives back the URL, if there is one.
    pub(crate) fn deploy(&mut self) -> Option<String> {
        self.deploy_zip(&artifact())
    }

    /// As [`deploy`](Self::deploy), with the user's yes to the end of the URL before.
    pub(crate) fn deploy_agreed(&mut self) -> Option<String> {
        let ran = self.ok(&["deploy", "--json", "--yes", "--artifact", &artifact()]);
        ran.json()["outputs"]["url"].as_str().map(str::to_owned)
    }

    /// Deploys that zip, and gives back the URL, if there is one.
    pub(crate) fn deploy_zip(&mut self, zip: &str) -> Option<String> {
        let ran = self.ok(&["deploy", "--json", "--artifact", zip]);
        ran.json()["outputs"]["url"].as_str().map(str::to_owned)
    }

    /// A zip of the same function with another hash: `number` tells them apart.
    pub(crate) fn build(&self, number: u32) -> String {
        build(&self.yard, number)
    }

    /// Every call that any command made here.
    pub(crate) fn into_seen(self) -> BTreeSet<String> {
        self.seen
    }
}

/// The end of a program at a call that a wire is told of, whoever the program turns out to be.
#[derive(Clone, Default)]
pub(crate) struct Death(Arc<AtomicU32>);

impl Death {
    /// Comes to the program: what a fault does.
    pub(crate) fn comes(&self) {
        // The program may call before we know who it is.
        while self.0.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let pid = i32::try_from(self.0.load(Ordering::SeqCst)).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    /// Runs the program that it comes to, to its end, and until the wire has handled what the program had sent.
    pub(crate) fn of(&self, wire: &Wire, mut program: Command) -> Output {
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.0.store(program.id(), Ordering::SeqCst);
        let output = program.wait_with_output().unwrap();
        wire.wait_until_quiet();
        output
    }
}

/// A zip of the built function with another hash, in that yard: `number` tells them apart.
pub(crate) fn build(yard: &AwsYard, number: u32) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(std::fs::read(artifact()).unwrap())).unwrap();
    let mut program = Vec::new();
    archive.by_name("bootstrap").unwrap().read_to_end(&mut program).unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(&program).unwrap();
    zip.start_file("build", options).unwrap();
    zip.write_all(number.to_string().as_bytes()).unwrap();
    let path: PathBuf = yard.yard.path().join(format!("build-{number}.zip"));
    std::fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
    path.display().to_string()
}

/// Asks a URL of an emulator, whose APIs and functions are under a path of its own.
pub(crate) fn ask(url: &str, target: &str) -> Answer {
    try_to_ask(url, target).unwrap()
}

/// As [`ask`]; what is not answered is an error.
pub(crate) fn try_to_ask(url: &str, target: &str) -> std::io::Result<Answer> {
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    Http::connect(server)?.ask("GET", &format!("{base}{target}"), "", b"")
}

/// Asks until the function has room.
pub(crate) fn hit(url: &str, target: &str) -> Answer {
    hit_in_doubt(url, target).0
}

/// As [`hit`], with how many of the refusals before may have counted all the same: what the gateway refuses never does, but a
/// function that got no answer of its table, on an emulator with too much to do, cannot know, and says so with a word of its own.
pub(crate) fn hit_in_doubt(url: &str, target: &str) -> (Answer, u64) {
    let mut doubts = 0;
    for _ in 0..10_000 {
        let answer = ask(url, target);
        if !matches!(answer.status, 429 | 503) {
            return (answer, doubts);
        }
        doubts += u64::from(answer.body.contains("\"unavailable\""));
    }
    panic!("{url}{target} has no room in 10,000 questions");
}

/// One more hit of `/`, which had so many: one more is counted, and no more than the function itself is in doubt about.
#[track_caller]
pub(crate) fn one_more(url: &str, before: u64, when: &str) {
    let (answer, doubts) = hit_in_doubt(url, "/counter?path=/");
    let hits = answer.json()["hits"].as_u64().unwrap();
    let expected = before + 1..=before + 1 + doubts;
    assert!(expected.contains(&hits), "{when}: {before}, then {hits}, {doubts} in doubt: {answer:?}");
}

/// What SDK clients of an emulator are made of.
pub(crate) fn config(emulator: &Emulator) -> SdkConfig {
    let credentials = Credentials::new(Emulator::ACCOUNT, "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new(Emulator::REGION))
        .endpoint_url(emulator.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// What an emulator says is there of an app: asked past hitctl.
pub(crate) fn left(emulator: &Emulator, app: &str) -> Vec<String> {
    let config = config(emulator);
    let asked = async {
        let (mut names, all) = (Vec::new(), "every page can be read");
        let tables = aws_sdk_dynamodb::Client::new(&config).list_tables().into_paginator().items().send();
        names.extend(tables.try_collect().await.expect(all));
        let functions = aws_sdk_lambda::Client::new(&config).list_functions().into_paginator().items().send();
        let functions: Vec<_> = functions.try_collect().await.expect(all);
        names.extend(functions.into_iter().filter_map(|one| one.function_arn));
        let roles = aws_sdk_iam::Client::new(&config).list_roles().into_paginator().items().send();
        let roles: Vec<_> = roles.try_collect().await.expect(all);
        names.extend(roles.into_iter().map(|one| one.arn));
        let groups = aws_sdk_cloudwatchlogs::Client::new(&config).describe_log_groups();
        let groups: Vec<_> = groups.into_paginator().items().send().try_collect().await.expect(all);
        names.extend(groups.into_iter().filter_map(|one| one.arn));
        let queues = aws_sdk_sqs::Client::new(&config).list_queues().into_paginator().items().send();
        names.extend(queues.try_collect().await.expect(all));
        let mappings = aws_sdk_lambda::Client::new(&config).list_event_source_mappings().into_paginator();
        let mappings: Vec<_> = mappings.items().send().try_collect().await.expect(all);
        names.extend(
            mappings.into_iter().filter_map(|one| Some(format!("{} of {}", one.uuid?, one.function_arn?))),
        );
        names.extend(rules(&config).await);
        let apis = aws_sdk_apigatewayv2::Client::new(&config);
        let mut token = None;
        loop {
            let page = apis.get_apis().set_next_token(token).send().await.expect(all);
            names.extend(page.items.unwrap_or_default().into_iter().filter_map(|one| one.name));
            token = page.next_token;
            if token.is_none() {
                break names;
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let base = format!("{app}-test");
    runtime.block_on(asked).into_iter().filter(|name| name.contains(&base)).collect()
}

/// The ARNs of the rules of all buses: the bus is in it, unless it is the one that every account has.
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
