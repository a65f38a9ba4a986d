//! Snapshot tests of the results of deploys and destroys.

use std::collections::BTreeMap;

use hitctl_engine::{CompletedChange, Fault, SkippedChange};

use super::super::plan::tests::plan_with_all_actions;
use super::*;
use crate::failure::Exit;
use crate::render::Renderable;
use crate::test_styles::{COLOUR, NARROW, WIDE, fits, visible};

fn plan(command: &str) -> PlanView {
    let mut plan = PlanView::new(command, "local", "local", &plan_with_all_actions());
    plan.took_ms = 3210;
    plan
}

fn plan_with_outputs(outputs: &[(&str, &str)]) -> PlanView {
    let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut plan = plan("deploy");
    plan.outputs = outputs.collect();
    plan
}

fn done(kind: &str, name: &str, action: Action) -> CompletedChange {
    CompletedChange { address: Address::new(kind, name), action, took_ms: 1200 }
}

fn successful_outcome() -> ApplyOutcome {
    ApplyOutcome {
        done: vec![
            done("table", "hits", Action::Create),
            done("http_api", "api", Action::Create),
            done("function", "counter", Action::Update),
        ],
        ..ApplyOutcome::default()
    }
}

fn partial_outcome(interrupted: bool) -> ApplyOutcome {
    let fault = Fault::fatal("Denied", "failed to update function hits-local: not\u{7} allowed");
    ApplyOutcome {
        done: vec![done("table", "hits", Action::Create)],
        failed: vec![hitctl_engine::FailedChange {
            address: Address::new("function", "counter"),
            name: "hits-local".to_owned(),
            action: Action::Update,
            fault: fault.caused_by("AccessDenied (lambda:UpdateFunctionCode)"),
        }],
        skipped: vec![SkippedChange {
            address: Address::new("http_api", "api"),
            action: Action::Create,
            because: Some(Address::new("function", "counter")),
        }],
        interrupted,
        outputs: BTreeMap::new(),
    }
}

#[test]
fn deploy_shows_url_and_next_command() {
    let plan = plan_with_outputs(&[
        ("table", "hits-local"),
        ("function", "hits-local"),
        ("url", "http://127.0.0.1:8700"),
    ]);
    let view = DeployView::new(plan, &successful_outcome());
    insta::assert_snapshot!(Renderable::to_text(&view, WIDE), @"
    Deployed environment local (this machine): 2 created, 1 updated in 3.2s.

      url       http://127.0.0.1:8700
      function  hits-local
      table     hits-local
      next      hitctl snippet --env local
    ");
    assert!(visible(&Renderable::to_text(&view, COLOUR)).contains("<36mhttp://127.0.0.1:8700</>"));
    // Users copy the values, so they are never truncated.
    assert!(Renderable::to_text(&view, NARROW).contains("hitctl snippet --env local\n"));
}

#[test]
fn deploy_without_changes_is_short() {
    let view =
        DeployView::new(plan_with_outputs(&[("url", "http://127.0.0.1:8700")]), &ApplyOutcome::default());
    insta::assert_snapshot!(Renderable::to_text(&view, WIDE), @"
    Nothing to change.

      url   http://127.0.0.1:8700
      next  hitctl snippet --env local
    ");
}

#[test]
fn partial_deploy_lists_failed_and_skipped_changes() {
    let view = DeployView::new(plan("deploy"), &partial_outcome(false));
    insta::assert_snapshot!(Renderable::to_text(&view, WIDE), @r"
    Partly applied, environment local (this machine): 1 done, 1 failed, 1 skipped.

      failed    function.counter           failed to update function hits-local: not\u{7} allowed
      skipped   http_api.api               because function.counter failed
    ");
    assert!(fits(&Renderable::to_text(&view, NARROW), NARROW));
    assert!(
        Renderable::to_text(&DeployView::new(plan("deploy"), &partial_outcome(true)), WIDE)
            .starts_with("Interrupted, environment local")
    );
    let json: serde_json::Value = serde_json::from_str(&view.to_json()).unwrap();
    assert_eq!(json["failed"][0]["error"]["code"], "Denied");
    assert_eq!(json["skipped"][0]["because"], "function.counter");
    assert_eq!(
        (&json["v"], &json["command"], &json["interrupted"]),
        (&1.into(), &"deploy".into(), &false.into())
    );
}

#[test]
fn outcome_decides_exit_status() {
    let hint = "run `hitctl deploy --env local` again; it continues where it stopped";
    let exit = |outcome: &ApplyOutcome| Failure::from_outcome(outcome, hint).map(|failure| failure.exit);
    assert_eq!(exit(&successful_outcome()), None);
    assert_eq!(exit(&partial_outcome(false)), Some(Exit::Partial));
    assert_eq!(exit(&partial_outcome(true)), Some(Exit::Interrupted));
    let without_done = ApplyOutcome { done: vec![], ..partial_outcome(false) };
    assert_eq!(exit(&without_done), Some(Exit::Error));
    let only_interrupted = ApplyOutcome { failed: vec![], ..partial_outcome(true) };
    let failure = Failure::from_outcome(&only_interrupted, hint).unwrap();
    assert_eq!(
        (failure.exit, failure.message.as_str()),
        (Exit::Interrupted, "interrupted; 1 change not applied")
    );
    assert_eq!(failure.hint.as_deref(), Some(hint));
}

#[test]
fn destroy_lists_retained_resources() {
    let outcome = ApplyOutcome {
        done: vec![done("http_api", "api", Action::Delete), done("function", "counter", Action::Delete)],
        ..ApplyOutcome::default()
    };
    let left = vec![RetainedResource {
        address: "table.hits".to_owned(),
        name: "hits-local".to_owned(),
        why: "it holds your counts; `hitctl destroy --env local --delete-data` deletes it too".to_owned(),
    }];
    let mut view = DestroyView::new(plan("destroy"), &outcome, left);
    view.next = Some("hitctl deploy --env local".to_owned());
    insta::assert_snapshot!(Renderable::to_text(&view, WIDE), @"
    Destroyed environment local (this machine): 2 deleted in 3.2s.

    Remaining:
      table.hits  hits-local  (it holds your counts; `hitctl destroy --env local --delete-data` deletes
        it too)

      next  hitctl deploy --env local
    ");
    insta::assert_snapshot!(Renderable::to_text(&view, NARROW), @"
    Destroyed environment local (this
      machine): 2 deleted in 3.2s.

    Remaining:
      table.hits  hits-local  (it holds your
        counts;
        `hitctl destroy --env local --delete-data`
        deletes it too)

      next  hitctl deploy --env local
    ");
    let unchanged = DestroyView::new(plan("destroy"), &ApplyOutcome::default(), vec![]);
    assert_eq!(
        Renderable::to_text(&unchanged, WIDE),
        "Nothing to remove in environment local (this machine).\n"
    );
    let json: serde_json::Value = serde_json::from_str(&view.to_json()).unwrap();
    assert_eq!(json["left"][0]["address"], "table.hits");
}

#[test]
fn deploy_that_creates_resources_shows_cost() {
    let app = hitctl_config::load(None, None, &hitctl_config::Overrides::new()).unwrap().app;
    let mut plan = plan("deploy");
    plan.estimate = Some(hitctl_stack::cost::estimate(&app));
    let line = "Cost: 10,000 views a month: about 0.04 USD; a million: 3.88 USD; worst case: about 598 USD a month\n";
    let text = Renderable::to_text(&DeployView::new(plan.clone(), &successful_outcome()), WIDE);
    assert!(text.contains(line), "{text}");
    let text = Renderable::to_text(&DeployView::new(plan, &ApplyOutcome::default()), WIDE);
    assert!(!text.contains("Cost:"), "{text}");
}
