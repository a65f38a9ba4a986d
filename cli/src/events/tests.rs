//! Tests of the generated events: their formats, and that events for EventBridge match the pattern.

use hitctl_config::{Overrides, load};

use super::*;

fn app(text: &str) -> AppConfig {
    load(Some(("hitctl.toml".into(), text.to_owned())), Some("test"), &Overrides::new())
        .unwrap_or_else(|errors| panic!("{errors}"))
        .app
}

fn generator<'a>(app: &'a AppConfig, path: &'a str) -> EventGenerator<'a> {
    EventGenerator {
        app,
        env: "test",
        location: Location { partition: "aws", region: "eu-central-1", account: "123456789012" },
        path,
        now: "2026-09-20T10:00:00Z".parse().unwrap(),
        unique: "0123456789abcdef0123456789abcdef".to_owned(),
    }
}

fn pretty(event: &Json) -> String {
    serde_json::to_string_pretty(event).unwrap()
}

#[test]
fn sqs_event_is_batch_of_messages() {
    let app = app("");
    let batch = generator(&app, "/a").sqs(2);
    insta::assert_snapshot!(pretty(&batch["Records"][0]), @r#"
    {
      "attributes": {
        "ApproximateFirstReceiveTimestamp": "1789898400000",
        "ApproximateReceiveCount": "1",
        "SenderId": "123456789012",
        "SentTimestamp": "1789898400000"
      },
      "awsRegion": "eu-central-1",
      "body": "{\"id\":\"01234567-89ab-4def-8123-456789000001\",\"path\":\"/a\",\"ts\":\"2026-09-20T10:00:00Z\",\"v\":1}",
      "eventSource": "aws:sqs",
      "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:hits-test-hits",
      "md5OfBody": "1d5b401992300616da89c426e08ac307",
      "messageAttributes": {},
      "messageId": "01234567-89ab-4def-8123-456789000001",
      "receiptHandle": "hitctl-invoke-1"
    }
    "#);
    let ids: Vec<_> = (0..2).map(|n| batch["Records"][n]["messageId"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(batch["Records"].as_array().unwrap().len(), 2);
}

#[test]
fn eventbridge_event_matches_default_pattern() {
    let app = app("");
    let event = generator(&app, "/a").eventbridge();
    insta::assert_snapshot!(pretty(&event), @r#"
    {
      "account": "123456789012",
      "detail": {
        "path": "/a"
      },
      "detail-type": "hitctl invoke",
      "id": "01234567-89ab-4def-8123-456789000001",
      "region": "eu-central-1",
      "resources": [],
      "source": "cli",
      "time": "2026-09-20T10:00:00Z",
      "version": "0"
    }
    "#);
    assert!(generator(&app, "/a").matches_pattern(&event));
}

#[test]
fn eventbridge_event_follows_pattern_key_and_amount() {
    let text = "[events]\nenabled = true\nkey = \"/detail/page/url\"\namount = \"/detail/n\"\n\
        [events.pattern]\nsource = [{ prefix = \"my.\" }]\n\"detail-type\" = [\"view\", \"hit\"]\n\
        [events.pattern.detail]\nkind = [{ wildcard = \"a*b\" }]\nwho = [{ exists = true }]\n";
    let app = app(text);
    let event = generator(&app, "/a").eventbridge();
    assert!(generator(&app, "/a").matches_pattern(&event), "{event}");
    assert_eq!(event["detail"], json!({ "kind": "axb", "who": "hitctl", "page": { "url": "/a" }, "n": 1 }));
    assert_eq!((&event["source"], &event["detail-type"]), (&json!("my."), &json!("view")));
}

#[test]
fn event_for_underivable_pattern_does_not_match() {
    let app = app("[events]\nenabled = true\npattern = { source = [{ \"anything-but\" = \"cli\" }] }\n");
    let generator = generator(&app, "/a");
    assert!(!generator.matches_pattern(&generator.eventbridge()));
}

#[test]
fn cloudfront_and_s3_events_have_aws_format() {
    let app = app("");
    insta::assert_snapshot!(pretty(&generator(&app, "/a?x=1").cloudfront()), @r#"
    {
      "Records": [
        {
          "cf": {
            "config": {
              "distributionDomainName": "d111111abcdef8.cloudfront.net",
              "distributionId": "EDFDVBD6EXAMPLE",
              "eventType": "viewer-request",
              "requestId": "0123456789abcdef0123456789abcdef"
            },
            "request": {
              "clientIp": "127.0.0.1",
              "headers": {
                "host": [
                  {
                    "key": "Host",
                    "value": "d111111abcdef8.cloudfront.net"
                  }
                ],
                "user-agent": [
                  {
                    "key": "User-Agent",
                    "value": "Mozilla/5.0 (hitctl; invoke) Gecko"
                  }
                ]
              },
              "method": "GET",
              "querystring": "x=1",
              "uri": "/a"
            }
          }
        }
      ]
    }
    "#);
    insta::assert_snapshot!(pretty(&generator(&app, "/").s3("my-site")), @r#"
    {
      "account": "123456789012",
      "detail": {
        "bucket": {
          "name": "my-site"
        },
        "object": {
          "etag": "0123456789abcdef0123456789abcdef",
          "key": "index.html",
          "sequencer": "0123456789abcdef",
          "size": 1024
        },
        "reason": "PutObject",
        "request-id": "0123456789ABCDEF",
        "requester": "123456789012",
        "source-ip-address": "127.0.0.1",
        "version": "0"
      },
      "detail-type": "Object Created",
      "id": "01234567-89ab-4def-8123-456789000001",
      "region": "eu-central-1",
      "resources": [
        "arn:aws:s3:::my-site"
      ],
      "source": "aws.s3",
      "time": "2026-09-20T10:00:00Z",
      "version": "0"
    }
    "#);
    assert_eq!(generator(&app, "/a/b.css").s3("s")["detail"]["object"]["key"], "a/b.css");
}

#[test]
fn set_pointer_creates_missing_parents() {
    let mut event = json!({ "detail": 7 });
    set_pointer(&mut event, "/detail/a~1b/c", 1.into());
    assert_eq!(event, json!({ "detail": { "a/b": { "c": 1 } } }));
}

#[test]
fn http_event_percent_encodes_path() {
    assert_eq!(http("/a b&c", true)["rawQueryString"], "path=%2Fa%20b%26c&ro=1");
}
