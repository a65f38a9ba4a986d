//! The examples on an emulator, by the commands in their READMEs.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use hitctl_emulators::Emulator;
use serde_json::{Value as Json, json};

use super::scene::config;
use super::yard::AwsYard;
use crate::examples::{copy, died_and_counted_once, end, eventually, follow, lines};
use crate::support::{Answer, Http, Ran};

/// The place on the emulator, as an env of its own beside those of the example.
fn env_test(config: &str) -> String {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let quick = if config.contains("[env.local.queue]") { "queue.window_s = 1\n" } else { "" };
    format!("{config}\n[env.test]\nregion = \"{}\"\nfunction.arch = \"{arch}\"\n{quick}", Emulator::REGION)
}

/// A copy of an example, whose lines are run there instead of here.
struct There(AwsYard);

impl There {
    fn new(name: &str, change: impl FnOnce(String) -> String) -> Self {
        Self::on(Emulator::ministack(), name, change)
    }

    fn on(emulator: &Emulator, name: &str, change: impl FnOnce(String) -> String) -> Self {
        let yard = AwsYard::new(emulator.endpoint(), name, "");
        copy(name, &yard.yard, |config| env_test(&change(config)));
        Self(yard)
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut kept: Vec<&str> = args.to_vec();
        if let Some(at) = kept.iter().position(|arg| *arg == "--env") {
            kept.drain(at..at + 2);
        }
        self.0.run(&kept)
    }

    fn follow(&self, name: &str) {
        follow(&lines(name, "Try it"), &|args| self.run(args));
    }
}

fn whole(name: &str) {
    let there = There::new(name, |config| config);
    there.follow(name);
    end("test", &[], &|args| there.run(args));
}

#[test]
fn the_counter_counts_there() {
    whole("counter");
}

#[test]
fn the_function_at_its_own_url_counts_there() {
    whole("function-url");
}

#[test]
fn the_visitors_of_a_site_are_counted_there() {
    whole("visitors");
}

#[test]
fn the_bus_adds_there_and_what_died_counts_once_after_the_fix() {
    let name = "event-bus";
    // MiniStack knows what becomes of failed events for the function itself only, not for its aliases; and an event that meets
    // another one is refused and forgotten there, where Lambda keeps it.
    // What it puts on the bus that every account has would reach the rules of other tests.
    let emulator = Emulator::new_ministack();
    let there = There::on(&emulator, name, |config| {
        format!("{config}\n[function]\npublish = false\nreserved_concurrency = \"none\"\n")
    });
    let run = |args: &[&str]| there.run(args);
    there.follow(name);
    died_and_counted_once(name, &there.0.yard, "test", &|args: &[&str]| {
        if args[0] != "emit" {
            return run(args);
        }
        // Its bus calls a function once and forgets it, where EventBridge invokes asynchronously. Lambda's half it does.
        let event = run(&["invoke", "--event", "eventbridge", "--print", "--json"]).json();
        let mut event = event["event"].clone();
        event["detail"] = json!({ "coordinate": { "x": "far", "y": "away" }, "type": "jump" });
        invoked_asynchronously(&emulator, "event-bus-test", &event);
        run(&["status"])
    });
    end("test", &[], &run);
}

#[test]
fn the_queue_counts_there_and_the_cache_is_told() {
    let name = "queue-invalidation";
    let id = distribution(name);
    let there = There::new(name, |config| config.replace("E123EXAMPLE", &id));
    there.follow(name);
    // It is asked for after the hits are counted and answered.
    let asked = || cloudfront("GET", &format!("/2020-05-31/distribution/{id}/invalidation"), b"").body;
    let once = |asked: &str| asked.matches("<InvalidationSummary>").count() == 1;
    assert!(eventually(|| once(&asked())), "one burst, one invalidation: {}", asked());
    // MiniStack forgets as whom the API puts hits on the queue.
    end("test", &["ingest.role_arn"], &|args| there.run(args));
}

/// Lambda takes an event, and tries it by itself.
fn invoked_asynchronously(emulator: &Emulator, function: &str, event: &Json) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = aws_sdk_lambda::Client::new(&config(emulator));
        let call = client.invoke().function_name(function).invocation_type(InvocationType::Event);
        let answer = call.payload(Blob::new(event.to_string())).send().await.unwrap();
        assert_eq!(answer.status_code(), 202);
    });
}

/// A distribution of the emulator's, by its id: one a name, which is how CloudFront keeps from making it twice.
pub(super) fn distribution(name: &str) -> String {
    let config = format!(
        r#"<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>{name}</CallerReference>
        <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>www.example.com</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort>
        <HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy></CustomOriginConfig></Origin></Items></Origins>
        <DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>
        <CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId></DefaultCacheBehavior><Comment>of a test</Comment>
        <Enabled>true</Enabled></DistributionConfig>"#
    );
    let made = cloudfront("POST", "/2020-05-31/distribution", config.as_bytes());
    let id = made
        .body
        .split_once("<Id>")
        .and_then(|(_, rest)| rest.split_once("</Id>"))
        .map(|(id, _)| id.to_owned());
    id.unwrap_or_else(|| panic!("no distribution was made: {made:?}"))
}

/// What the emulator says to a call of CloudFront's. It asks for no signature, only for whose it would be.
pub(super) fn cloudfront(method: &str, path: &str, body: &[u8]) -> Answer {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={}/20261121/us-east-1/cloudfront/aws4_request, SignedHeaders=host, Signature=0\r\n\
         content-type: application/xml\r\n",
        Emulator::ACCOUNT
    );
    Http::connect(Emulator::ministack().endpoint()).unwrap().ask(method, path, &headers, body).unwrap()
}
