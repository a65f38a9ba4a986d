//! Tests of sessions against a stub server that responds as STS does.

use std::sync::{Arc, Mutex};

use super::*;

const CALLER_IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws-cn:iam::123456789012:user/eva</Arn><UserId>U</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

/// A stub of STS that sends one fixed response and records the requests.
pub(super) struct StubSts {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl StubSts {
    async fn start(status: u16, date: &str, body: &str) -> Self {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let date = if date.is_empty() { String::new() } else { format!("date: {date}\r\n") };
        let response = format!(
            "HTTP/1.1 {status} x\r\n{date}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; 8192];
                let n = stream.read(&mut bytes).await.unwrap();
                log.lock().unwrap().push(String::from_utf8_lossy(&bytes[..n]).into_owned());
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        });
        Self { url, requests }
    }

    pub(super) async fn authenticated() -> Self {
        Self::start(200, "", CALLER_IDENTITY).await
    }

    /// Returns the access keys that signed the requests.
    fn keys(&self) -> Vec<String> {
        let key = |request: &String| {
            let scope = request.split_once("Credential=").unwrap().1;
            scope.split('/').next().unwrap().to_owned()
        };
        self.requests.lock().unwrap().iter().map(key).collect()
    }
}

/// A home directory with AWS config files.
pub(super) struct TestHome(tempfile::TempDir);

impl TestHome {
    pub(super) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".aws")).unwrap();
        std::fs::write(dir.path().join(".aws/config"), config).unwrap();
        Self(dir)
    }

    pub(super) fn env(&self, variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let home = self.0.path().display().to_string();
        let fixed = [("HOME", home.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")];
        fixed.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

pub(super) const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "secret")];

const PROFILES: &str = "[default]\nregion = eu-west-1\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
    [profile work]\nregion = eu-north-1\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\n\
    [profile bare]\nregion = eu-west-3\n\
    [sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n\
    [profile sign-in]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\nregion = eu-west-1\n";

async fn failure(home: &TestHome, variables: &[(&str, &str)], options: AwsOptions<'_>) -> Fault {
    AwsSession::open(&home.env(variables), options).await.expect_err("the session is rejected")
}

#[tokio::test]
async fn session_location_follows_caller_identity() {
    let (sts, home) = (StubSts::authenticated().await, TestHome::new(""));
    let options = AwsOptions {
        region: Some("cn-north-1"),
        endpoint: Some(&format!("{}/", sts.url)),
        ..AwsOptions::default()
    };
    let session = AwsSession::open(&home.env(&KEYS), options).await.unwrap();
    let location = CloudLocation {
        partition: "aws-cn".to_owned(),
        region: "cn-north-1".to_owned(),
        account: "123456789012".to_owned(),
        has_versions: true,
        endpoint: Some(sts.url.clone()),
    };
    assert_eq!((session.location, session.arn.as_str()), (location, "arn:aws-cn:iam::123456789012:user/eva"));
    assert_eq!(sts.keys(), ["AKIAENV"]);
    // Every call has a time limit, and so does every attempt.
    let bounds = session.config.timeout_config().unwrap();
    let (attempt, operation) =
        (bounds.operation_attempt_timeout().unwrap(), bounds.operation_timeout().unwrap());
    assert!(bounds.connect_timeout().unwrap() < attempt && attempt < operation);
    assert!(operation <= Duration::from_mins(5));
}

/// The environment variables, the profile flag and the region flag; then the expected access key and region.
type Case = (
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    &'static str,
);

/// As in AWS's own tools, keys in the environment override `AWS_PROFILE`, and a flag overrides both.
#[tokio::test]
async fn credentials_and_region_follow_precedence() {
    let home = TestHome::new(PROFILES);
    let table: [Case; 6] = [
        (&[], None, None, "AKIADEFAULT", "eu-west-1"),
        (&[("AWS_PROFILE", "work")], None, None, "AKIAWORK", "eu-north-1"),
        (&[("AWS_PROFILE", "work"), KEYS[0], KEYS[1]], None, None, "AKIAENV", "eu-north-1"),
        (&[("AWS_PROFILE", "default"), KEYS[0], KEYS[1]], Some("work"), None, "AKIAWORK", "eu-north-1"),
        (&KEYS, None, Some("us-east-1"), "AKIAENV", "us-east-1"),
        (&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], None, None, "AKIADEFAULT", "eu-west-1"),
    ];
    for (variables, profile, region, key, expected) in table {
        let sts = StubSts::authenticated().await;
        let options = AwsOptions { profile, region, endpoint: Some(&sts.url), ..AwsOptions::default() };
        let session = AwsSession::open(&home.env(variables), options).await.unwrap();
        assert_eq!(
            (sts.keys()[0].as_str(), session.location.region.as_str()),
            (key, expected),
            "{variables:?}"
        );
    }
}

#[tokio::test]
async fn endpoints_follow_precedence_with_service_endpoint_first() {
    let home = TestHome::new("[default]\nendpoint_url = http://127.0.0.1:1\n");
    let (all, for_sts) = (StubSts::authenticated().await, StubSts::authenticated().await);
    let options = |endpoint| AwsOptions { region: Some("eu-west-1"), endpoint, ..AwsOptions::default() };
    let both =
        [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", all.url.as_str()), ("AWS_ENDPOINT_URL_STS", &for_sts.url)];
    let session = AwsSession::open(&home.env(&both), options(None)).await.unwrap();
    assert_eq!((all.keys().len(), for_sts.keys().len()), (0, 1));
    assert_eq!(session.location.endpoint.as_deref(), Some(all.url.as_str()), "the endpoint for the function");
    AwsSession::open(&home.env(&both), options(Some(&all.url))).await.unwrap();
    assert_eq!((all.keys().len(), for_sts.keys().len()), (1, 1), "a flag overrides all other endpoints");
    AwsSession::open(&home.env(&both[..3]), options(None)).await.unwrap();
    assert_eq!(all.keys().len(), 2, "the environment overrides the profile");
    let off = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), both[0], both[1], both[2]];
    let session = UnverifiedSession::new(&home.env(&off), options(None)).await.unwrap();
    assert_eq!(session.config.endpoint_url(), None);
}

#[tokio::test]
async fn unknown_region_is_rejected_unless_endpoint_is_set() {
    let (sts, home) = (StubSts::authenticated().await, TestHome::new("[default]\nregion = xx-east-1\n"));
    let rejected = failure(&home, &KEYS, AwsOptions::default()).await;
    assert_eq!((rejected.code.as_str(), rejected.kind), ("unknown_region", FaultKind::Usage));
    insta::assert_snapshot!(rejected.message.as_str(), @r#"expected the code of an AWS region, such as eu-central-1, found "xx-east-1""#);
    let options = AwsOptions { endpoint: Some(&sts.url), ..AwsOptions::default() };
    AwsSession::open(&home.env(&KEYS), options).await.unwrap();
}

#[tokio::test]
async fn session_of_other_account_is_rejected() {
    let (sts, home) = (StubSts::authenticated().await, TestHome::new(""));
    let options = |account| AwsOptions {
        region: Some("eu-west-1"),
        endpoint: Some(&sts.url),
        account,
        ..AwsOptions::default()
    };
    AwsSession::open(&home.env(&KEYS), options(Some("123456789012"))).await.unwrap();
    let failure = failure(&home, &KEYS, options(Some("999999999999"))).await;
    assert_eq!((failure.code.as_str(), failure.kind), ("wrong_account", FaultKind::Credentials));
    insta::assert_snapshot!(failure.message.as_str(), @"expected credentials of account 999999999999 (hitctl.toml), found account 123456789012");
}

#[tokio::test]
async fn missing_settings_are_reported_with_hints() {
    let home = TestHome::new(PROFILES);
    let empty_home = TestHome::new("");
    let in_region = AwsOptions { region: Some("eu-west-1"), ..AwsOptions::default() };
    let as_profile = |profile| AwsOptions { profile: Some(profile), ..in_region };
    let all = [
        failure(&empty_home, &[], AwsOptions::default()).await,
        failure(&empty_home, &[], in_region).await,
        failure(&empty_home, &[], AwsOptions { endpoint: Some("http://127.0.0.1:1"), ..in_region }).await,
        failure(&empty_home, &KEYS, AwsOptions { endpoint: Some("127.0.0.1:1"), ..in_region }).await,
        failure(&home, &KEYS, as_profile("wrok")).await,
        failure(&home, &[("AWS_PROFILE", "nobody")], in_region).await,
        failure(&home, &KEYS, as_profile("bare")).await,
        failure(&home, &[], as_profile("sign-in")).await,
    ];
    let shown: Vec<String> = all
        .iter()
        .map(|failure| {
            let hint = failure.hint.as_deref().unwrap_or("none");
            format!("{:?} {}: {}\n  {hint}", failure.kind, failure.code, failure.message)
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    Usage no_region: no AWS region is set
      pass `--region eu-central-1`, run `export AWS_REGION=eu-central-1`, or set `region = "eu-central-1"` in hitctl.toml
    Credentials no_credentials: no AWS credentials found
      run `aws configure sso` and pass `--profile NAME`; or `export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..`; or in CI, use a web identity role (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)
    Credentials no_credentials: no AWS credentials found
      for an emulator such as the one at http://127.0.0.1:1, run `export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test`
    Usage usage: expected an endpoint URL, found "127.0.0.1:1"
      pass a URL such as http://127.0.0.1:4566
    Credentials unknown_profile: the AWS profile "wrok" does not exist
      use an existing profile: bare, default, sign-in, work
    Credentials unknown_profile: the AWS profile "nobody" does not exist
      use an existing profile: bare, default, sign-in, work
    Credentials no_credentials: profile bare has no credentials
      run `aws configure sso` and pass `--profile NAME`; or `export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..`; or in CI, use a web identity role (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)
    Credentials sso_expired: the sign-in of profile sign-in is missing or has expired
      run `aws sso login --profile sign-in`
    "#);
}

#[tokio::test]
async fn profile_with_missing_reference_is_named() {
    let home = TestHome::new(
        "[profile no-session]\nsso_session = crop\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
         [profile no-source]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = bsae\n\
         [profile far]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = no-session\n\
         [profile odd]\nsso_start_url = https://corp.example/start\nsso_account_id = 123456789012\nsso_region = eu-west-1\n\
         [sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n",
    );
    let mut shown = Vec::new();
    for profile in ["no-session", "no-source", "far", "odd"] {
        let options =
            AwsOptions { profile: Some(profile), region: Some("eu-west-1"), ..AwsOptions::default() };
        let failure = failure(&home, &[], options).await;
        assert_eq!(failure.kind, FaultKind::Credentials);
        let hint = failure.hint.as_deref().unwrap_or("none");
        shown.push(format!("{}: {}\n  {hint}", failure.code, failure.message));
    }
    insta::assert_snapshot!(shown.join("\n"), @"
    bad_aws_config: the SSO session crop of profile no-session does not exist
      correct `sso_session`, or add the section `[sso-session crop]`; existing sessions: corp
    bad_aws_config: the source profile bsae of profile no-source does not exist
      correct `source_profile`; existing profiles: far, no-session, no-source, odd
    bad_aws_config: the SSO session crop of profile no-session does not exist
      correct `sso_session`, or add the section `[sso-session crop]`; existing sessions: corp
    bad_aws_config: profile odd is not valid
      correct the profile; `aws configure list` shows the source of each setting
    ");
    // Keys in the environment need no profile.
    let sts = StubSts::authenticated().await;
    let options = AwsOptions { region: Some("eu-west-1"), endpoint: Some(&sts.url), ..AwsOptions::default() };
    let variables = [KEYS[0], KEYS[1], ("AWS_PROFILE", "no-session")];
    AwsSession::open(&home.env(&variables), options).await.unwrap();
}

#[tokio::test]
async fn config_file_that_is_not_utf_8_is_named_with_line() {
    let home = TestHome::new("[default]\nregion = eu-west-1\n");
    let path = home.env(&[])["HOME"].clone() + "/.aws/config";
    std::fs::write(&path, b"[default]\n# Gr\xfc\xdfe\nregion = eu-west-1\n").unwrap();
    let rejected = failure(&home, &[], AwsOptions::default()).await;
    assert_eq!((rejected.code.as_str(), rejected.kind), ("bad_aws_config", FaultKind::Credentials));
    assert_eq!(rejected.message, format!("expected UTF-8 in {path}, found other bytes in line 2"));
}

#[tokio::test]
async fn expired_console_sign_in_hints_at_aws_login() {
    let home = TestHome::new(
        "[profile console]\nlogin_session = arn:aws:iam::123456789012:user/eva\n\
         [profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = console\n",
    );
    for profile in ["console", "role"] {
        let options =
            AwsOptions { profile: Some(profile), region: Some("eu-west-1"), ..AwsOptions::default() };
        let failure = failure(&home, &[], options).await;
        assert_eq!(failure.code, "sso_expired");
        assert_eq!(failure.hint.as_deref(), Some("run `aws login --profile console`"));
        let cause = failure.cause.as_deref().unwrap();
        assert!(cause.contains("/login/cache/"), "{cause}");
    }
}

#[tokio::test]
async fn rejected_credentials_are_reported_with_hints() {
    let home = TestHome::new(PROFILES);
    let old = "Sat, 01 Jan 2000 00:00:00 GMT";
    let table = [
        ("", "ExpiredToken", "The security token included in the request is expired"),
        ("", "InvalidClientTokenId", "The security token included in the request is invalid."),
        ("", "SignatureDoesNotMatch", "The request signature we calculated does not match"),
        (old, "SignatureDoesNotMatch", "Signature expired: 20261120T000000Z is now earlier than"),
        ("", "AccessDenied", "explicit deny"),
    ];
    let mut shown = Vec::new();
    for (date, code, message) in table {
        let sts = StubSts::start(403, date, &error(code, message)).await;
        let options =
            AwsOptions { region: Some("eu-west-1"), endpoint: Some(&sts.url), ..AwsOptions::default() };
        let failure = failure(&home, &KEYS, options).await;
        assert_eq!(failure.kind, FaultKind::Credentials);
        let without_digits =
            |text: &str| text.chars().filter(|char| !char.is_ascii_digit()).collect::<String>();
        let cause = failure.cause.as_deref().unwrap_or("none");
        let hint = failure.hint.as_deref().unwrap_or("none");
        shown.push(format!("{}: {}\n  {cause}\n  {hint}", failure.code, without_digits(&failure.message)));
    }
    insta::assert_snapshot!(shown.join("\n"), @"
    ExpiredToken: the AWS credentials have expired
      ExpiredToken (sts:GetCallerIdentity): The security token included in the request is expired
      get new credentials and export them again: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
    InvalidClientTokenId: AWS does not recognize these credentials
      InvalidClientTokenId (sts:GetCallerIdentity): The security token included in the request is invalid.
      run `aws sts get-caller-identity` to check them; the account must also have enabled the region eu-west-1
    SignatureDoesNotMatch: the secret key does not belong to the access key
      SignatureDoesNotMatch (sts:GetCallerIdentity): The request signature we calculated does not match
      set AWS_SECRET_ACCESS_KEY, or `aws_secret_access_key` of the profile, to the complete secret key
    clock_skew: the system clock is  minutes fast
      SignatureDoesNotMatch (sts:GetCallerIdentity): Signature expired: 20261120T000000Z is now earlier than
      set the clock, for example with `sudo timedatectl set-ntp true`, then run the command again
    AccessDenied: failed to identify the AWS caller
      AccessDenied (sts:GetCallerIdentity): explicit deny
      check the credentials in the environment, such as AWS_ACCESS_KEY_ID
    ");
}

#[test]
fn clock_skew_below_four_minutes_is_ignored() {
    let now = jiff::Timestamp::from_second(1_000_000_000).unwrap();
    let at = |ahead: i64| {
        let date = DateTime::from_secs(1_000_000_000 - ahead).fmt(Format::HttpDate).unwrap();
        clock_skew(&date, now).map(format_skew)
    };
    assert_eq!(at(0), None);
    assert_eq!(at(239), None);
    assert_eq!(at(1200).as_deref(), Some("20 minutes fast"));
    assert_eq!(at(-3600).as_deref(), Some("60 minutes slow"));
    assert_eq!(clock_skew("yesterday", now), None);
}

#[test]
fn is_loopback_matches_only_urls_of_this_machine() {
    for url in ["http://127.0.0.1:4566", "http://localhost:1/x", "https://[::1]:2", "http://s3.localhost:1"] {
        assert!(is_loopback(url), "{url}");
    }
    for url in [
        "https://a1.execute-api.eu-west-1.amazonaws.com",
        "http://10.0.0.1",
        "nonsense",
        "http://localhost.example",
    ] {
        assert!(!is_loopback(url), "{url}");
    }
}
