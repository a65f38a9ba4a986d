//! Snapshots of the small views.

use serde_json::json;

use super::*;
use crate::render::Report;
use crate::test_styles::{COLOUR, NARROW, WIDE, fits, visible};

#[test]
fn build() {
    let view = BuildView {
        zip: "target/hit-counter.zip".into(),
        bytes: 655_360,
        sha256: "ab12".repeat(16),
        arch: "arm64".to_owned(),
    };
    insta::assert_snapshot!(Report::human(&view, WIDE), @"
      zip     target/hit-counter.zip
      size    640 KiB (655,360 bytes)
      sha256  ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12
      arch    arm64
    ");
    assert!(visible(&Report::human(&view, COLOUR)).contains("<1mtarget/hit-counter.zip</>"));
    assert!(
        view.json().starts_with(r#"{"v":1,"zip":"target/hit-counter.zip","bytes":655360,"sha256":"ab12"#)
    );
}

#[test]
fn local_status() {
    let running = LocalStatusView {
        running: true,
        pid: Some(4711),
        control: Some("http://127.0.0.1:8699".to_owned()),
        table: Some("http://127.0.0.1:8698".to_owned()),
        state_dir: "/home/me/site/.hitctl/local".into(),
        resources: 6,
        invalidations: None,
        notices: vec!["port 8700 was taken, so the API of hits-local is on 8701".to_owned()],
    };
    insta::assert_snapshot!(Report::human(&running, NARROW), @"
    The local cloud runs.

      process    4711
      control    http://127.0.0.1:8699
      table      http://127.0.0.1:8698
      resources  6
      state      /home/me/site/.hitctl/local
    note: port 8700 was taken, so the API of
          hits-local is on 8701
    ");
    insta::assert_snapshot!(running.json(), @r#"{"v":1,"running":true,"pid":4711,"control":"http://127.0.0.1:8699","table":"http://127.0.0.1:8698","state_dir":"/home/me/site/.hitctl/local","resources":6,"invalidations":null,"notices":["port 8700 was taken, so the API of hits-local is on 8701"]}"#);
    let last = InvalidationRow {
        id: "I2J0I21PCUYOIK".to_owned(),
        distribution: "E123ABC".to_owned(),
        paths: ["/", "/a", "/b", "/c", "/d"].map(str::to_owned).into(),
        at: "2026-11-20T10:00:00Z".to_owned(),
        status: "Completed".to_owned(),
    };
    let asked = |asked, paths: usize| {
        let last = InvalidationRow { paths: last.paths[..paths].to_vec(), ..last.clone() };
        let notices = Vec::new();
        LocalStatusView { invalidations: Some(InvalidationsView { asked, last }), notices, ..running.clone() }
    };
    insta::assert_snapshot!(Report::human(&asked(1, 1), Style::PLAIN), @"
    The local cloud runs.

      process     4711
      control     http://127.0.0.1:8699
      table       http://127.0.0.1:8698
      resources   6
      cloudfront  1 invalidation
                  last at 2026-11-20T10:00:00Z
                  E123ABC: /
      state       /home/me/site/.hitctl/local
    ");
    insta::assert_snapshot!(Report::human(&asked(1200, 5), NARROW), @"
    The local cloud runs.

      process     4711
      control     http://127.0.0.1:8699
      table       http://127.0.0.1:8698
      resources   6
      cloudfront  1,200 invalidations
                  last at 2026-11-20T10:00:00Z
                  E123ABC: / /a /b and 2 mo…
      state       /home/me/site/.hitctl/local
    ");
    insta::assert_snapshot!(asked(1, 1).json(), @r#"{"v":1,"running":true,"pid":4711,"control":"http://127.0.0.1:8699","table":"http://127.0.0.1:8698","state_dir":"/home/me/site/.hitctl/local","resources":6,"invalidations":{"asked":1,"last":{"id":"I2J0I21PCUYOIK","distribution":"E123ABC","paths":["/"],"at":"2026-11-20T10:00:00Z","status":"Completed"}},"notices":[]}"#);
    let stopped = LocalStatusView { state_dir: "/s".into(), ..LocalStatusView::default() };
    insta::assert_snapshot!(Report::human(&stopped, Style::PLAIN), @"
    The local cloud does not run.

      state  /s
      next   hitctl local start
    ");
    assert!(stopped.json().starts_with(r#"{"v":1,"running":false,"pid":null,"control":null,"#));
}

#[test]
fn env_list() {
    let env = |name: &str, target: &str, current| EnvRow {
        name: name.to_owned(),
        target: target.to_owned(),
        current,
    };
    let view = EnvListView { envs: vec![env("local", "local", true), env("prod", "aws", false)] };
    insta::assert_snapshot!(Report::human(&view, NARROW), @"
       ENV    TARGET
    *  local  local
       prod   aws
    ");
    assert_eq!(
        view.json(),
        r#"{"v":1,"envs":[{"name":"local","target":"local","current":true},{"name":"prod","target":"aws","current":false}]}"#
    );
}

#[test]
fn config() {
    let view = ConfigView { toml: "app = \"hits\"\n".to_owned(), json: json!({"app": "hits"}) };
    assert_eq!(Report::human(&view, WIDE), "app = \"hits\"\n");
    assert_eq!(view.json(), r#"{"v":1,"app":"hits"}"#);
}

#[test]
fn doctor() {
    let check = |name: &str, status, detail: &str, hint: Option<&str>| Check {
        name: name.to_owned(),
        status,
        detail: detail.to_owned(),
        hint: hint.map(str::to_owned),
    };
    let view = DoctorView {
        checks: vec![
            check("cargo", CheckStatus::Ok, "1.95.0", None),
            check(
                "target arm64",
                CheckStatus::Warn,
                "neither a musl target nor cargo-zigbuild is installed",
                Some("Run `rustup target add aarch64-unknown-linux-musl`."),
            ),
            check("state directory", CheckStatus::Fail, "/s is read-only", None),
        ],
    };
    insta::assert_snapshot!(Report::human(&view, WIDE), @"
      ok    cargo            1.95.0
      warn  target arm64     neither a musl target nor cargo-zigbuild is installed
            hint: Run `rustup target add aarch64-unknown-linux-musl`.
      fail  state directory  /s is read-only

    1 failure and 1 warning.
    ");
    insta::assert_snapshot!(Report::human(&view, NARROW), @"
      ok    cargo            1.95.0
      warn  target arm64     neither a musl
            target nor cargo-zigbuild is
            installed
            hint: Run
                  `rustup target add aarch64-unknown-linux-musl`.
      fail  state directory  /s is read-only

    1 failure and 1 warning.
    ");
    assert_eq!(view.worst(), CheckStatus::Fail);
    assert!(
        view.json()
            .starts_with(r#"{"v":1,"checks":[{"name":"cargo","status":"ok","detail":"1.95.0","hint":null},"#)
    );
    assert_eq!(Report::human(&DoctorView { checks: vec![] }, WIDE), "\nAll is well.\n");
}

#[test]
fn explain() {
    let counted = ExplainView::counted("//a//b/?x=1", "/a/b");
    assert_eq!(Report::human(&counted, WIDE), "//a//b/?x=1  is counted as  /a/b\n");
    assert_eq!(
        counted.json(),
        r#"{"v":1,"path":"//a//b/?x=1","counted":true,"key":"/a/b","why":null,"message":null,"notes":[]}"#
    );
    let robot = ExplainView::ignored("/a", "/a", "bot", "the user agent names a robot: `curl`");
    assert_eq!(
        Report::human(&robot, WIDE),
        "/a  is not counted: the user agent names a robot: `curl` (bot)\n"
    );
    let noted = counted.noting(vec!["unless the same visitor looked at it".to_owned()]);
    assert_eq!(
        Report::human(&noted, WIDE),
        "//a//b/?x=1  is counted as  /a/b\n  unless the same visitor looked at it\n"
    );
    let refused = ExplainView::refused("/a\0", "bad_path", "a path must not have control characters");
    insta::assert_snapshot!(Report::human(&refused, NARROW), @r"
    /a\u{0}  is not counted: a path must not
      have control characters (bad_path)
    ");
    assert!(fits(&Report::human(&refused, NARROW), NARROW));
}

#[test]
fn init() {
    let view = InitView { path: "hitctl.toml".into(), next: "hitctl deploy --env local".to_owned() };
    assert_eq!(Report::human(&view, WIDE), "Wrote hitctl.toml\n\n  next  hitctl deploy --env local\n");
    assert_eq!(view.json(), r#"{"v":1,"path":"hitctl.toml","next":"hitctl deploy --env local"}"#);
}
