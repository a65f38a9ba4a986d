//! Events that are generated, and what is put on the local cloud's queue and comes back from it.

use serde_json::{Value as Json, json};

use crate::support::Yard;

const QUEUE: &str = "[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 10\nmax_receive_count = 1\n";

#[test]
fn every_event_is_shown_without_credentials_and_without_anything_deployed() {
    let yard = Yard::with(
        "region = \"eu-central-1\"\ncloudfront.site_bucket = \"my-site\"\ncloudfront.distribution_id = \"E123ABC\"\nevents.enabled = true\n[env.prod]\n",
    );
    for (kind, of, at) in [
        ("http", "\"2.0\"", "/version"),
        ("sqs", "\"aws:sqs\"", "/Records/0/eventSource"),
        ("eventbridge", "\"/a\"", "/detail/path"),
        ("cloudfront", "\"viewer-request\"", "/Records/0/cf/config/eventType"),
        ("s3", "\"my-site\"", "/detail/bucket/name"),
    ] {
        for env in ["local", "prod"] {
            let ran =
                yard.run(&["invoke", "--event", kind, "--path", "/a", "--print", "--json", "--env", env]);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(ran.json()["event"].pointer(at).map(Json::to_string).as_deref(), Some(of), "{ran:?}");
        }
    }
    let shown = yard.run(&["invoke", "--path", "/a b", "--print"]);
    assert_eq!(serde_json::from_str::<Json>(&shown.stdout).unwrap()["rawQueryString"], "path=%2Fa%20b");
    assert!(!yard.state().exists(), "nothing was started");
}

#[test]
fn what_no_event_can_be_made_of_is_said() {
    let yard = Yard::with("[env.prod]\n");
    for args in [
        &["--event", "s3", "--print"] as &[&str],
        &["--event", "s3"],
        &["--event", "http", "--count", "2"],
        &["--event", "sqs", "--count", "0"],
        &["--event", "smoke"],
        &["--event", "sqs", "--payload", "x"],
        &[],
    ] {
        let ran = yard.run(&[&["invoke", "--env", "local"], args].concat());
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
    }
}

#[test]
fn nothing_is_started_for_a_queue_that_is_not_there() {
    let yard = Yard::with(QUEUE);
    for args in [&["send", "--path", "/"] as &[&str], &["dlq", "redrive"], &["dlq", "purge"]] {
        let ran = yard.run(&[args, &["--env", "local", "--json"]].concat());
        assert_eq!((ran.code, &ran.json()["error"]["code"]), (1, &json!("not_deployed")), "{ran:?}");
    }
    let ran = yard.run(&["dlq", "list", "--env", "local"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("hitctl local start"), "{ran:?}");
    assert!(!yard.state().join("daemon.json").exists(), "nothing was started");
}
