//! Credentials of `aws login`: the sign-in of the console, as the AWS command line stores it.

use hitctl_emulators::{Emulator, Wire};

use super::AwsYard;

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

/// In a process of its own: the AWS library looks for the file by the environment of the process.
#[test]
fn credentials_of_a_console_sign_in_are_used() {
    let wire = Wire::new(Emulator::moto().endpoint());
    let yard = AwsYard::new(wire.endpoint(), "login", "");
    let cache = yard.yard.path().join("home/.aws/login/cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(
        yard.yard.path().join("home/.aws/config"),
        format!("[default]\nlogin_session = {SESSION}\n"),
    )
    .unwrap();
    let run = || {
        let mut command = yard.command(&["status"]);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.output().unwrap()
    };
    let without = run();
    let said = String::from_utf8_lossy(&without.stderr);
    assert_eq!(without.status.code(), Some(4), "{said}");
    assert!(said.contains("run `aws login --profile default`"), "{said}");
    assert_eq!(wire.names(), Vec::<String>::new(), "nothing is sent without credentials");
    std::fs::write(cache.join(FILE), TOKEN).unwrap();
    let with = run();
    assert_eq!(with.status.code(), Some(0), "{}", String::from_utf8_lossy(&with.stderr));
    assert!(wire.names().contains(&"sts:GetCallerIdentity".to_owned()), "{:?}", wire.names());
}
