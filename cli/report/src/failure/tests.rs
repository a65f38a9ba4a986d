//! Tests of the text and JSON of failures.

use super::*;

fn role_failure() -> Failure {
    Failure::new("InvalidParameterValueException", "failed to create function hits-test: the role cannot be assumed by Lambda")
        .caused_by("InvalidParameterValueException (lambda:CreateFunction, request 7f3c)")
        .hinted("IAM needs a few seconds after a role is created. Run `hitctl deploy --env test` again; it continues where it stopped.")
}

fn access_denied(what: &str, id: &str) -> Failure {
    let mut failure = Failure::new("AccessDenied", format!("failed to read {what}"))
        .caused_by("AccessDeniedException: not authorized")
        .hinted("Run `hitctl doctor --env test`.");
    failure.request_id = Some(id.to_owned());
    failure
}

#[test]
fn single_failure_is_wrapped_to_width() {
    insta::assert_snapshot!(to_text(&role_failure(), TextStyle::PLAIN), @r"
    error: failed to create function hits-test: the role cannot be assumed by Lambda
      caused by: InvalidParameterValueException (lambda:CreateFunction, request 7f3c)

    hint: IAM needs a few seconds after a role is created. Run `hitctl deploy --env test` again; it continues where it stopped.
    ");
    insta::assert_snapshot!(to_text(&role_failure(), TextStyle { width: Some(40), ..TextStyle::PLAIN }), @r"
    error: failed to create function
      hits-test: the role cannot be assumed
      by Lambda
      caused by:
        InvalidParameterValueException
        (lambda:CreateFunction, request
        7f3c)

    hint: IAM needs a few seconds after a
          role is created. Run
          `hitctl deploy --env test` again;
          it continues where it stopped.
    ");
    let colour = to_text(&role_failure(), TextStyle { color: true, ..TextStyle::PLAIN });
    assert!(colour.starts_with("\u{1b}[31merror:\u{1b}[0m failed"), "{colour:?}");
}

#[test]
fn failures_with_same_cause_are_grouped() {
    let failures =
        [access_denied("table hits-test", "a1"), role_failure(), access_denied("role hits-test", "b2")];
    let failure = Failure::combine(failures).unwrap();
    insta::assert_snapshot!(to_text(&failure, TextStyle::PLAIN), @r"
    error: failed to read table hits-test
    error: failed to read role hits-test
      caused by: AccessDeniedException: not authorized (requests a1, b2)

    hint: Run `hitctl doctor --env test`.

    error: failed to create function hits-test: the role cannot be assumed by Lambda
      caused by: InvalidParameterValueException (lambda:CreateFunction, request 7f3c)

    hint: IAM needs a few seconds after a role is created. Run `hitctl deploy --env test` again; it continues where it stopped.
    ");
}

#[test]
fn control_characters_of_server_are_escaped() {
    let failure = Failure::new("x", "failed to \u{1b}[2Jread\nline two").caused_by("a\rb");
    insta::assert_snapshot!(to_text(&failure, TextStyle::PLAIN), @r"
    error: failed to \u{1b}[2Jread
      line two
      caused by: a\rb
    ");
}

#[test]
fn failure_json_has_all_keys() {
    let one = Failure::new("config", "hitctl.toml:3:1: unknown key");
    assert_eq!(
        to_json(&one),
        r#"{"v":1,"error":{"code":"config","message":"hitctl.toml:3:1: unknown key","cause":null,"hint":null,"request_id":null}}"#
    );
    let two: serde_json::Value = serde_json::from_str(&to_json(
        &Failure::combine([access_denied("a", "1"), access_denied("b", "2")]).unwrap(),
    ))
    .unwrap();
    assert_eq!(two["error"]["request_id"], "1");
    assert_eq!(two["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn failure_keeps_hint_and_exit_of_fault() {
    let fault =
        Fault { kind: FaultKind::Credentials, ..Fault::fatal("ExpiredToken", "the session has expired") };
    let failure = Failure::from(fault.hinted("Run `aws sso login`."));
    assert_eq!(failure.exit, Exit::Credentials);
    assert_eq!(failure.hint.as_deref(), Some("Run `aws sso login`."));
    assert_eq!(Failure::from(Fault::fatal("x", "y")).exit.code(), 1);
}

#[test]
fn help_lists_every_exit_code() {
    use Exit as E;
    for code in [
        E::Done,
        E::Error,
        E::Changes,
        E::Confirm,
        E::Credentials,
        E::Partial,
        E::Smoke,
        E::Locked,
        E::Usage,
        E::Interrupted,
    ] {
        assert!(
            EXIT_CODES.lines().any(|l| l.trim_start().starts_with(&format!("{}  ", code.code()))),
            "{code:?}"
        );
    }
}
