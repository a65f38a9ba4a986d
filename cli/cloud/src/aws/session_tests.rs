//! Sessions against a small server that answers as STS does, or as it does when it refuses.

use std::sync::{Arc, Mutex};

use super::*;

const ME: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws-cn:iam::123456789012:user/eva</Arn><UserId>U</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

/// A server with one answer, and what it was asked.
pub(super) struct Sts {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Sts {
    async fn start(status: u16, date: &str, body: &str) -> Self {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let date = if date.is_empty() { String::new() } else { format!("date: {date}\r\n") };
        let answer = format!(
            "HTTP/1.1 {status} x\r\n{date}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = vec![0; 8192];
                let n = stream.read(&mut bytes).await.unwrap();
                log.lock().unwrap().push(String::from_utf8_lossy(&bytes[..n]).into_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, asked }
    }

    pub(super) async fn me() -> Self {
        Self::start(200, "", ME).await
    }

    /// The access key that each call was signed with.
    fn keys(&self) -> Vec<String> {
        let key = |asked: &String| {
            let scope = asked.split_once("Credential=").unwrap().1;
            scope.split('/').next().unwrap().to_owned()
        };
        self.asked.lock().unwrap().iter().map(key).collect()
    }
}

/// A home with config files, and the environment of whoever lives there.
pub(super) struct Home(tempfile::TempDir);

impl Home {
    pub(super) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".aws")).unwrap();
        std::fs::write(dir.path().join(".aws/config"), config).unwrap();
        Self(dir)
    }

    pub(super) fn env(&self, pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let home = self.0.path().display().to_string();
        let fixed = [("HOME", home.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")];
        fixed.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

pub(super) const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "secret")];

const WORK: &str = "[default]\nregion = eu-west-1\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
    [profile work]\nregion = eu-north-1\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\n\
    [profile bare]\nregion = eu-west-3\n\
    [sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n\
    [profile sign-in]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\nregion = eu-west-1\n";

async fn failure(home: &Home, pairs: &[(&str, &str)], options: AwsOptions<'_>) -> Fault {
    AwsSession::open(&home.env(pairs), options).await.expect_err("there is no session to be had")
}

#[tokio::test]
async fn who_is_asking_says_where_the_resources_live() {
    let (sts, home) = (Sts::me().await, Home::new(""));
    let options = AwsOptions {
        region: Some("cn-north-1"),
        endpoint: Some(&format!("{}/", sts.url)),
        ..AwsOptions::default()
    };
    let session = AwsSession::open(&home.env(&KEYS), options).await.unwrap();
    let place = Place {
        partition: "aws-cn".to_owned(),
        region: "cn-north-1".to_owned(),
        account: "123456789012".to_owned(),
        has_versions: true,
        endpoint: Some(sts.url.clone()),
    };
    assert_eq!((session.place, session.arn.as_str()), (place, "arn:aws-cn:iam::123456789012:user/eva"));
    assert_eq!(sts.keys(), ["AKIAENV"]);
    // Nothing hangs without a bound: a call that does is given up and made again, and that ends too.
    let bounds = session.config.timeout_config().unwrap();
    let (attempt, operation) =
        (bounds.operation_attempt_timeout().unwrap(), bounds.operation_timeout().unwrap());
    assert!(bounds.connect_timeout().unwrap() < attempt && attempt < operation);
    assert!(operation <= Duration::from_mins(5));
}

/// Variables, the profile and the region of flags; the key and the region that are used.
type Case = (
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    &'static str,
);

/// As with AWS's own tools: keys of the environment come before `AWS_PROFILE`, and a flag before both.
#[tokio::test]
async fn credentials_and_regions_have_an_order() {
    let home = Home::new(WORK);
    let table: [Case; 6] = [
        (&[], None, None, "AKIADEFAULT", "eu-west-1"),
        (&[("AWS_PROFILE", "work")], None, None, "AKIAWORK", "eu-north-1"),
        (&[("AWS_PROFILE", "work"), KEYS[0], KEYS[1]], None, None, "AKIAENV", "eu-north-1"),
        (&[("AWS_PROFILE", "default"), KEYS[0], KEYS[1]], Some("work"), None, "AKIAWORK", "eu-north-1"),
        (&KEYS, None, Some("us-east-1"), "AKIAENV", "us-east-1"),
        (&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], None, None, "AKIADEFAULT", "eu-west-1"),
    ];
    for (pairs, profile, region, key, expected) in table {
        let sts = Sts::me().await;
        let options = AwsOptions { profile, region, endpoint: Some(&sts.url), ..AwsOptions::default() };
        let session = AwsSession::open(&home.env(pairs), options).await.unwrap();
        assert_eq!((sts.keys()[0].as_str(), session.place.region.as_str()), (key, expected), "{pairs:?}");
    }
}

#[tokio::test]
async fn endpoints_have_an_order_and_a_service_may_have_its_own() {
    let home = Home::new("[default]\nendpoint_url = http://127.0.0.1:1\n");
    let (all, own) = (Sts::me().await, Sts::me().await);
    let options = |endpoint| AwsOptions { region: Some("eu-west-1"), endpoint, ..AwsOptions::default() };
    let both = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", all.url.as_str()), ("AWS_ENDPOINT_URL_STS", &own.url)];
    let session = AwsSession::open(&home.env(&both), options(None)).await.unwrap();
    assert_eq!((all.keys().len(), own.keys().len()), (0, 1));
    assert_eq!(session.place.endpoint.as_deref(), Some(all.url.as_str()), "what the function is told");
    AwsSession::open(&home.env(&both), options(Some(&all.url))).await.unwrap();
    assert_eq!((all.keys().len(), own.keys().len()), (1, 1), "a flag wins over all");
    AwsSession::open(&home.env(&both[..3]), options(None)).await.unwrap();
    assert_eq!(all.keys().len(), 2, "the environment wins over the profile");
    let off = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), both[0], both[1], both[2]];
    let opening = UnverifiedSession::new(&home.env(&off), options(None)).await.unwrap();
    assert_eq!(opening.config.endpoint_url(), None);
}

#[tokio::test]
async fn region_of_no_partition_is_refused_unless_an_emulator_has_it() {
    let (sts, home) = (Sts::me().await, Home::new("[default]\nregion = xx-east-1\n"));
    let refused = failure(&home, &KEYS, AwsOptions::default()).await;
    assert_eq!((refused.code.as_str(), refused.kind), ("unknown_region", FaultKind::Usage));
    insta::assert_snapshot!(refused.message.as_str(), @r#"expected the code of an AWS region, such as eu-central-1, found "xx-east-1""#);
    let options = AwsOptions { endpoint: Some(&sts.url), ..AwsOptions::default() };
    AwsSession::open(&home.env(&KEYS), options).await.unwrap();
}

#[tokio::test]
async fn another_account_is_refused() {
    let (sts, home) = (Sts::me().await, Home::new(""));
    let options = |account| AwsOptions {
        region: Some("eu-west-1"),
        endpoint: Some(&sts.url),
        account,
        ..AwsOptions::default()
    };
    AwsSession::open(&home.env(&KEYS), options(Some("123456789012"))).await.unwrap();
    let failure = failure(&home, &KEYS, options(Some("999999999999"))).await;
    assert_eq!((failure.code.as_str(), failure.kind), ("wrong_account", FaultKind::Credentials));
    insta::assert_snapshot!(failure.message.as_str(), @"these credentials are for account 123456789012, and hitctl.toml allows only 999999999999");
}

#[tokio::test]
async fn what_is_missing_is_said_with_what_to_do() {
    let home = Home::new(WORK);
    let nobody = Home::new("");
    let here = AwsOptions { region: Some("eu-west-1"), ..AwsOptions::default() };
    let as_profile = |profile| AwsOptions { profile: Some(profile), ..here };
    let all = [
        failure(&nobody, &[], AwsOptions::default()).await,
        failure(&nobody, &[], here).await,
        failure(&nobody, &[], AwsOptions { endpoint: Some("http://127.0.0.1:1"), ..here }).await,
        failure(&nobody, &KEYS, AwsOptions { endpoint: Some("127.0.0.1:1"), ..here }).await,
        failure(&home, &KEYS, as_profile("wrok")).await,
        failure(&home, &[("AWS_PROFILE", "nobody")], here).await,
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
    Usage no_region: there is no AWS region
      say which: `--region eu-central-1`, `export AWS_REGION=eu-central-1`, or `region = "eu-central-1"` in hitctl.toml
    Credentials no_credentials: there are no AWS credentials
      one of: `aws configure sso` and `--profile NAME`; `export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..`; in CI, a role by web identity (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)
    Credentials no_credentials: there are no AWS credentials
      an emulator such as that at http://127.0.0.1:1 takes any: `export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test`
    Usage usage: "127.0.0.1:1" is no endpoint
      give a URL such as http://127.0.0.1:4566
    Credentials unknown_profile: there is no AWS profile "wrok"
      there are: bare, default, sign-in, work
    Credentials unknown_profile: there is no AWS profile "nobody"
      there are: bare, default, sign-in, work
    Credentials no_credentials: profile bare has no credentials
      one of: `aws configure sso` and `--profile NAME`; `export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..`; in CI, a role by web identity (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)
    Credentials sso_expired: the sign-in of profile sign-in is missing or has expired
      run `aws sso login --profile sign-in`
    "#);
}

#[tokio::test]
async fn profile_that_builds_on_nothing_is_named() {
    let home = Home::new(
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
    bad_aws_config: profile no-session names the SSO session crop, which does not exist
      correct `sso_session`, or add the section `[sso-session crop]`; there are: corp
    bad_aws_config: profile no-source builds on the profile bsae, which does not exist
      correct `source_profile`; there are: far, no-session, no-source, odd
    bad_aws_config: profile no-session names the SSO session crop, which does not exist
      correct `sso_session`, or add the section `[sso-session crop]`; there are: corp
    bad_aws_config: profile odd cannot be used
      correct the profile: `aws configure list` shows where its settings come from
    ");
    // Keys of the environment need no profile.
    let sts = Sts::me().await;
    let options = AwsOptions { region: Some("eu-west-1"), endpoint: Some(&sts.url), ..AwsOptions::default() };
    let pairs = [KEYS[0], KEYS[1], ("AWS_PROFILE", "no-session")];
    AwsSession::open(&home.env(&pairs), options).await.unwrap();
}

#[tokio::test]
async fn config_file_that_is_not_utf_8_is_named() {
    let home = Home::new("[default]\nregion = eu-west-1\n");
    let path = home.env(&[])["HOME"].clone() + "/.aws/config";
    std::fs::write(&path, b"[default]\n# Gr\xfc\xdfe\nregion = eu-west-1\n").unwrap();
    let refused = failure(&home, &[], AwsOptions::default()).await;
    assert_eq!((refused.code.as_str(), refused.kind), ("bad_aws_config", FaultKind::Credentials));
    assert_eq!(refused.message, format!("expected UTF-8 in {path}, found other bytes in line 2"));
}

#[tokio::test]
async fn sign_in_of_the_console_is_renewed_by_aws_login() {
    let home = Home::new(
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
async fn what_aws_refuses_is_said_with_what_to_do() {
    let home = Home::new(WORK);
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
        let sts = Sts::start(403, date, &error(code, message)).await;
        let options =
            AwsOptions { region: Some("eu-west-1"), endpoint: Some(&sts.url), ..AwsOptions::default() };
        let failure = failure(&home, &KEYS, options).await;
        assert_eq!(failure.kind, FaultKind::Credentials);
        let minutes = |text: &str| text.chars().filter(|char| !char.is_ascii_digit()).collect::<String>();
        let cause = failure.cause.as_deref().unwrap_or("none");
        let hint = failure.hint.as_deref().unwrap_or("none");
        shown.push(format!("{}: {}\n  {cause}\n  {hint}", failure.code, minutes(&failure.message)));
    }
    insta::assert_snapshot!(shown.join("\n"), @"
    ExpiredToken: the AWS credentials have expired
      ExpiredToken (sts:GetCallerIdentity): The security token included in the request is expired
      get new credentials and export them again: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
    InvalidClientTokenId: AWS does not know these credentials
      InvalidClientTokenId (sts:GetCallerIdentity): The security token included in the request is invalid.
      `aws sts get-caller-identity` should work first; a region that the account has not enabled says so too, and eu-west-1 is asked here
    SignatureDoesNotMatch: the secret key does not belong to the access key
      SignatureDoesNotMatch (sts:GetCallerIdentity): The request signature we calculated does not match
      copy AWS_SECRET_ACCESS_KEY, or `aws_secret_access_key` of the profile, anew and whole
    clock_skew: this machine's clock is  minutes fast
      SignatureDoesNotMatch (sts:GetCallerIdentity): Signature expired: 20261120T000000Z is now earlier than
      set the clock, such as by `sudo timedatectl set-ntp true`, and run the command again
    AccessDenied: AWS refuses to say who is asking
      AccessDenied (sts:GetCallerIdentity): explicit deny
      the credentials are those of the environment: AWS_ACCESS_KEY_ID and its like
    ");
}

#[test]
fn a_clock_is_off_when_it_is_minutes_away() {
    let now = jiff::Timestamp::from_second(1_000_000_000).unwrap();
    let at = |ahead: i64| {
        let date = DateTime::from_secs(1_000_000_000 - ahead).fmt(Format::HttpDate).unwrap();
        skew(&date, now).map(spell_skew)
    };
    assert_eq!(at(0), None);
    assert_eq!(at(239), None);
    assert_eq!(at(1200).as_deref(), Some("20 minutes fast"));
    assert_eq!(at(-3600).as_deref(), Some("60 minutes slow"));
    assert_eq!(skew("yesterday", now), None);
}

#[test]
fn loopback_is_this_machine() {
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
