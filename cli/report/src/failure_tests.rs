//! How failures read, as text and as JSON.

use super::*;

fn role() -> Failure {
    Failure::new("InvalidParameterValueException", "failed to create function hits-test: the role cannot be assumed by Lambda")
        .caused_by("InvalidParameterValueException (lambda:CreateFunction, request 7f3c)")
        .hinted("IAM needs a few seconds after a role is created. Run `hitctl deploy --env test` again; it continues where it stopped.")
}

fn denied(what: &str, id: &str) -> Failure {
    let mut failure = Failure::new("AccessDenied", format!("failed to read {what}"))
        .caused_by("AccessDeniedException: not authorized")
        .hinted("Run `hitctl doctor --env test`.");
    failure.request_id = Some(id.to_owned());
    failure
}

#[test]
fn one_failure_reads_as_designed() {
    insta::assert_snapshot!(human(&role(), Style::PLAIN), @r"
    error: failed to create function hits-test: the role cannot be assumed by Lambda
      caused by: InvalidParameterValueException (lambda:CreateFunction, request 7f3c)

    hint: IAM needs a few seconds after a role is created. Run `hitctl deploy --env test` again; it continues where it stopped.
    ");
    insta::assert_snapshot!(human(&role(), Style { width: Some(40), ..Style::PLAIN }), @r"
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
    let colour = human(&role(), Style { color: true, ..Style::PLAIN });
    assert!(colour.starts_with("\u{1b}[31merror:\u{1b}[0m failed"), "{colour:?}");
}

#[test]
fn failures_with_one_cause_stand_together() {
    let failures = [denied("table hits-test", "a1"), role(), denied("role hits-test", "b2")];
    let failure = Failure::several(failures).unwrap();
    insta::assert_snapshot!(human(&failure, Style::PLAIN), @r"
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
fn what_a_server_says_cannot_move_the_cursor() {
    let failure = Failure::new("x", "failed to \u{1b}[2Jread\nline two").caused_by("a\rb");
    insta::assert_snapshot!(human(&failure, Style::PLAIN), @r"
    error: failed to \u{1b}[2Jread
      line two
      caused by: a\rb
    ");
}

#[test]
fn json_has_every_key() {
    let one = Failure::new("config", "hitctl.toml:3:1: unknown key");
    assert_eq!(
        json(&one),
        r#"{"v":1,"error":{"code":"config","message":"hitctl.toml:3:1: unknown key","cause":null,"hint":null,"request_id":null}}"#
    );
    let two: serde_json::Value =
        serde_json::from_str(&json(&Failure::several([denied("a", "1"), denied("b", "2")]).unwrap()))
            .unwrap();
    assert_eq!(two["error"]["request_id"], "1");
    assert_eq!(two["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn a_fault_keeps_what_it_says() {
    let fault =
        Fault { kind: FaultKind::Credentials, ..Fault::fatal("ExpiredToken", "the session has expired") };
    let failure = Failure::from(fault.hinted("Run `aws sso login`."));
    assert_eq!(failure.exit, Exit::Credentials);
    assert_eq!(failure.hint.as_deref(), Some("Run `aws sso login`."));
    assert_eq!(Failure::from(Fault::fatal("x", "y")).exit.code(), 1);
}

#[test]
fn help_names_every_code() {
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
