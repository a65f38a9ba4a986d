//! Credentials of `aws login`: a console sign-in as the AWS CLI stores it.

use hitctl_emulators::{Emulator, RecordingProxy};

use super::AwsTestEnv;

const SESSION: &str = "arn:aws:iam::123456789012:user/eva";
/// The SHA-256 of the session, which names its file.
const FILE: &str = "823221769841e59287cc675d689418234b9ca2fa8a3dd989f7c286bba815d16e.json";
const TOKEN: &str = r#"{
    "accessToken": {
        "accessKeyId": "ASIALOGIN", "secretAccessKey": "secret", "sessionToken": "token", "accountId": "123456789012",
        "expiresAt": "2099-01-01T00:00:00Z"
    },
    "tokenType": "aws_sigv4", "refreshToken": "refresh", "idToken": "id", "clientId": "arn:aws:signin:::devtools/same-device",
    "dpopKey": "-----BEGIN EC PRIVATE KEY-----\\n-----END EC PRIVATE KEY-----\\n"
}"#;

/// Runs as a separate process, because the AWS SDK finds the file by the environment of the process.
#[test]
fn console_sign_in_credentials_are_used() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    let aws_env = AwsTestEnv::new(proxy.endpoint(), "login", "");
    let cache = aws_env.base.path().join("home/.aws/login/cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(
        aws_env.base.path().join("home/.aws/config"),
        format!("[default]\nlogin_session = {SESSION}\n"),
    )
    .unwrap();
    let run = || {
        let mut command = aws_env.command(&["status"]);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.output().unwrap()
    };
    let without = run();
    let stderr = String::from_utf8_lossy(&without.stderr);
    assert_eq!(without.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("run `aws login --profile default`"), "{stderr}");
    assert_eq!(proxy.call_names(), Vec::<String>::new(), "nothing is sent without credentials");
    std::fs::write(cache.join(FILE), TOKEN).unwrap();
    let with = run();
    assert_eq!(with.status.code(), Some(0), "{}", String::from_utf8_lossy(&with.stderr));
    assert!(proxy.call_names().contains(&"sts:GetCallerIdentity".to_owned()), "{:?}", proxy.call_names());
}
