//! Snapshots of what became of deploys and destroys.

use std::collections::BTreeMap;

use hitctl_engine::{Done, Fault, Skipped};

use super::super::plan::tests::everything;
use super::*;
use crate::failure::Exit;
use crate::render::Report;
use crate::test_styles::{COLOUR, NARROW, WIDE, fits, visible};

fn plan(command: &str) -> PlanView {
    let mut plan = PlanView::new(command, "local", "local", &everything());
    plan.took_ms = 3210;
    plan
}

fn offering(outputs: &[(&str, &str)]) -> PlanView {
    let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut plan = plan("deploy");
    plan.outputs = outputs.collect();
    plan
}

fn done(kind: &str, name: &str, action: Action) -> Done {
    Done { address: Address::new(kind, name), action, took_ms: 1200 }
}

fn good() -> Outcome {
    Outcome {
        done: vec![
            done("table", "hits", Action::Create),
            done("http_api", "api", Action::Create),
            done("function", "counter", Action::Update),
        ],
        ..Outcome::default()
    }
}

fn partial(interrupted: bool) -> Outcome {
    let fault = Fault::fatal("Denied", "failed to update function hits-local: not\u{7} allowed");
    Outcome {
        done: vec![done("table", "hits", Action::Create)],
        failed: vec![hitctl_engine::Failure {
            address: Address::new("function", "counter"),
            name: "hits-local".to_owned(),
            action: Action::Update,
            fault: fault.caused_by("AccessDenied (lambda:UpdateFunctionCode)"),
        }],
        skipped: vec![Skipped {
            address: Address::new("http_api", "api"),
            action: Action::Create,
            because: Some(Address::new("function", "counter")),
        }],
        interrupted,
        outputs: BTreeMap::new(),
    }
}

#[test]
fn a_deploy_ends_with_the_url_and_the_next_command() {
    let plan =
        offering(&[("table", "hits-local"), ("function", "hits-local"), ("url", "http://127.0.0.1:8700")]);
    let view = DeployView::new(plan, &good());
    insta::assert_snapshot!(Report::human(&view, WIDE), @"
    Deployed env local (this machine): 2 created, 1 updated in 3.2s.

      url       http://127.0.0.1:8700
      function  hits-local
      table     hits-local
      next      hitctl snippet --env local
    ");
    assert!(visible(&Report::human(&view, COLOUR)).contains("<36mhttp://127.0.0.1:8700</>"));
    // What is for copying is never cut.
    assert!(Report::human(&view, NARROW).contains("hitctl snippet --env local\n"));
}

#[test]
fn a_deploy_without_changes_is_short() {
    let view = DeployView::new(offering(&[("url", "http://127.0.0.1:8700")]), &Outcome::default());
    insta::assert_snapshot!(Report::human(&view, WIDE), @"
    Nothing to change.

      url   http://127.0.0.1:8700
      next  hitctl snippet --env local
    ");
}

#[test]
fn a_deploy_in_part_lists_everything() {
    let view = DeployView::new(plan("deploy"), &partial(false));
    insta::assert_snapshot!(Report::human(&view, WIDE), @r"
    Partly done, env local (this machine): 1 done, 1 failed, 1 not tried.

      created   table.hits                 hits-test               (1.2s)
      failed    function.counter           failed to update function hits-local: not\u{7} allowed
      skipped   http_api.api               since function.counter failed
    ");
    assert!(fits(&Report::human(&view, NARROW), NARROW));
    assert!(
        Report::human(&DeployView::new(plan("deploy"), &partial(true)), WIDE)
            .starts_with("Interrupted, env local")
    );
    let json: serde_json::Value = serde_json::from_str(&view.json()).unwrap();
    assert_eq!(json["failed"][0]["error"]["code"], "Denied");
    assert_eq!(json["skipped"][0]["because"], "function.counter");
    assert_eq!(
        (&json["v"], &json["command"], &json["interrupted"]),
        (&1.into(), &"deploy".into(), &false.into())
    );
}

#[test]
fn what_failed_decides_the_exit_code() {
    let hint = "Run `hitctl deploy --env local` again: it continues where it stopped.";
    let exit = |outcome: &Outcome| Failure::outcome(outcome, hint).map(|failure| failure.exit);
    assert_eq!(exit(&good()), None);
    assert_eq!(exit(&partial(false)), Some(Exit::Partial));
    assert_eq!(exit(&partial(true)), Some(Exit::Interrupted));
    let nothing_done = Outcome { done: vec![], ..partial(false) };
    assert_eq!(exit(&nothing_done), Some(Exit::Error));
    let stopped = Outcome { failed: vec![], ..partial(true) };
    let failure = Failure::outcome(&stopped, hint).unwrap();
    assert_eq!(
        (failure.exit, failure.message.as_str()),
        (Exit::Interrupted, "interrupted, with 1 change not made")
    );
    assert_eq!(failure.hint.as_deref(), Some(hint));
}

#[test]
fn a_destroy_says_what_is_left() {
    let outcome = Outcome {
        done: vec![done("http_api", "api", Action::Delete), done("function", "counter", Action::Delete)],
        ..Outcome::default()
    };
    let left = vec![Left {
        address: "table.hits".to_owned(),
        name: "hits-local".to_owned(),
        why: "it holds the counts; `hitctl destroy --env local --delete-data` removes it too".to_owned(),
    }];
    let mut view = DestroyView::new(plan("destroy"), &outcome, left);
    view.next = Some("hitctl deploy --env local".to_owned());
    insta::assert_snapshot!(Report::human(&view, WIDE), @"
    Destroyed env local (this machine): 2 deleted in 3.2s.

    Left:
      table.hits  hits-local  (it holds the counts; `hitctl destroy --env local --delete-data` removes
        it too)

      next  hitctl deploy --env local
    ");
    insta::assert_snapshot!(Report::human(&view, NARROW), @"
    Destroyed env local (this machine): 2
      deleted in 3.2s.

    Left:
      table.hits  hits-local  (it holds the
        counts;
        `hitctl destroy --env local --delete-data`
        removes it too)

      next  hitctl deploy --env local
    ");
    let nothing = DestroyView::new(plan("destroy"), &Outcome::default(), vec![]);
    assert_eq!(Report::human(&nothing, WIDE), "Nothing to remove in env local (this machine).\n");
    let json: serde_json::Value = serde_json::from_str(&view.json()).unwrap();
    assert_eq!(json["left"][0]["address"], "table.hits");
}

#[test]
fn a_deploy_that_makes_something_says_what_it_will_cost() {
    let app = hitctl_config::load(None, None, &hitctl_config::Overrides::new()).unwrap().app;
    let mut plan = plan("deploy");
    plan.estimate = Some(hitctl_stack::cost::estimate(&app));
    let line = "Cost: 10,000 views a month: about 0.04 USD; a million: 3.88 USD; worst case: about 598 USD a month\n";
    let text = Report::human(&DeployView::new(plan.clone(), &good()), WIDE);
    assert!(text.contains(line), "{text}");
    let text = Report::human(&DeployView::new(plan, &Outcome::default()), WIDE);
    assert!(!text.contains("Cost:"), "{text}");
}
