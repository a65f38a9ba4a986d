//! Runs the commands in the READMEs of the examples on an emulator.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use hitctl_emulators::Emulator;
use serde_json::{Value as Json, json};

use super::recorded_env::sdk_config;
use super::test_env::AwsTestEnv;
use crate::examples::{
    becomes_true, check_dead_letter_counts_once, copy_example, destroy_and_check, readme_commands,
    run_commands,
};
use crate::support::{CommandOutput, TestConnection, TestResponse};

/// Adds an environment `test` on the emulator to the configuration of an example.
fn env_test(config: &str) -> String {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let short_window = if config.contains("[env.local.queue]") { "queue.window_s = 1\n" } else { "" };
    format!(
        "{config}\n[env.test]\nregion = \"{}\"\nfunction.arch = \"{arch}\"\n{short_window}",
        Emulator::REGION
    )
}

/// A copy of an example whose commands run on an emulator instead of the local cloud.
struct EmulatorExample(AwsTestEnv);

impl EmulatorExample {
    fn new(name: &str, change: impl FnOnce(String) -> String) -> Self {
        Self::on(Emulator::ministack(), name, change)
    }

    fn on(emulator: &Emulator, name: &str, change: impl FnOnce(String) -> String) -> Self {
        let aws_env = AwsTestEnv::new(emulator.endpoint(), name, "");
        copy_example(name, &aws_env.base, |config| env_test(&change(config)));
        Self(aws_env)
    }

    fn run(&self, args: &[&str]) -> CommandOutput {
        let mut args_on_emulator: Vec<&str> = args.to_vec();
        // The READMEs name the local cloud.
        if let Some(at) = args_on_emulator.iter().position(|arg| *arg == "--env") {
            args_on_emulator.drain(at..at + 2);
        }
        self.0.run(&args_on_emulator)
    }

    fn run_readme(&self, name: &str) {
        run_commands(&readme_commands(name, "Try it"), &|args| self.run(args));
    }
}

fn run_example(name: &str) {
    let example = EmulatorExample::new(name, |config| config);
    example.run_readme(name);
    destroy_and_check("test", &[], &|args| example.run(args));
}

#[test]
fn counter_example_works_on_emulator() {
    run_example("counter");
}

#[test]
fn function_url_example_works_on_emulator() {
    run_example("function-url");
}

#[test]
fn visitors_example_works_on_emulator() {
    run_example("visitors");
}

#[test]
fn event_bus_example_works_on_emulator() {
    let name = "event-bus";
    // MiniStack handles failed events only for the function itself, not for its aliases. It drops an event that arrives
    // during another invocation, where Lambda keeps it. Events on the default bus would reach the rules of other tests,
    // so this test has its own emulator.
    let emulator = Emulator::new_ministack();
    let example = EmulatorExample::on(&emulator, name, |config| {
        format!("{config}\n[function]\npublish = false\nreserved_concurrency = \"none\"\n")
    });
    let run = |args: &[&str]| example.run(args);
    example.run_readme(name);
    check_dead_letter_counts_once(name, &example.0.base, "test", &|args: &[&str]| {
        if args[0] != "emit" {
            return run(args);
        }
        // MiniStack's bus invokes a function without retries. Instead, this invokes it asynchronously, as EventBridge
        // does.
        let event = run(&["invoke", "--event", "eventbridge", "--print", "--json"]).json();
        let mut event = event["event"].clone();
        event["detail"] = json!({ "coordinate": { "x": "far", "y": "away" }, "type": "jump" });
        invoke_asynchronously(&emulator, "event-bus-test", &event);
        run(&["status"])
    });
    destroy_and_check("test", &[], &run);
}

#[test]
fn queue_invalidation_example_works_on_emulator() {
    let name = "queue-invalidation";
    let id = create_distribution(name);
    let example = EmulatorExample::new(name, |config| config.replace("E123EXAMPLE", &id));
    example.run_readme(name);
    // The invalidation is requested after the hits are counted.
    let invalidations =
        || call_cloudfront("GET", &format!("/2020-05-31/distribution/{id}/invalidation"), b"").body;
    let has_one = |invalidations: &str| invalidations.matches("<InvalidationSummary>").count() == 1;
    assert!(becomes_true(|| has_one(&invalidations())), "one burst, one invalidation: {}", invalidations());
    // MiniStack does not store the role with which the API sends hits to the queue.
    destroy_and_check("test", &["ingest.role_arn"], &|args| example.run(args));
}

/// Invokes a function asynchronously: Lambda accepts the event and retries it itself.
fn invoke_asynchronously(emulator: &Emulator, function: &str, event: &Json) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = aws_sdk_lambda::Client::new(&sdk_config(emulator));
        let call = client.invoke().function_name(function).invocation_type(InvocationType::Event);
        let response = call.payload(Blob::new(event.to_string())).send().await.unwrap();
        assert_eq!(response.status_code(), 202);
    });
}

/// Creates a distribution in the emulator and returns its id. The name is the caller reference, with which CloudFront
/// prevents duplicates.
pub(super) fn create_distribution(name: &str) -> String {
    let config = format!(
        r#"<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>{name}</CallerReference>
        <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>www.example.com</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort>
        <HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy></CustomOriginConfig></Origin></Items></Origins>
        <DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>
        <CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId></DefaultCacheBehavior><Comment>of a test</Comment>
        <Enabled>true</Enabled></DistributionConfig>"#
    );
    let response = call_cloudfront("POST", "/2020-05-31/distribution", config.as_bytes());
    let id = response
        .body
        .split_once("<Id>")
        .and_then(|(_, rest)| rest.split_once("</Id>"))
        .map(|(id, _)| id.to_owned());
    id.unwrap_or_else(|| panic!("no distribution was made: {response:?}"))
}

/// Sends a CloudFront request to the emulator. The emulator does not check the signature, but reads the account from
/// it.
pub(super) fn call_cloudfront(method: &str, path: &str, body: &[u8]) -> TestResponse {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={}/20261121/us-east-1/cloudfront/aws4_request, SignedHeaders=host, Signature=0\r\n\
         content-type: application/xml\r\n",
        Emulator::ACCOUNT
    );
    TestConnection::connect(Emulator::ministack().endpoint())
        .unwrap()
        .send(method, path, &headers, body)
        .unwrap()
}
