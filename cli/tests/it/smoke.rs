//! The smoke test of a deploy fails if the function cannot reach its table, with and without a URL.

use crate::support::{CommandOutput, TestEnv, artifact};

/// Deploys a function whose table is unreachable to the local cloud.
fn deploy(more: &str) -> CommandOutput {
    let unreachable = "[function.environment]\nDYNAMODB_ENDPOINT = \"http://127.0.0.1:9\"\n";
    let test_env = TestEnv::with_config(&format!("app = \"smoke\"\n{more}\n{unreachable}"));
    test_env.run(&["deploy", "--env", "local", "--yes", "--artifact", &artifact()])
}

#[test]
fn function_without_table_fails_the_deploy() {
    let output = deploy("");
    assert_eq!(output.code, 6, "{output:?}");
    for expected in ["/counter?path=/&ro=1 failed", "HTTP 503", "127.0.0.1:9", "[function.environment]"] {
        assert!(output.stderr.contains(expected), "{expected} is not in {output:?}");
    }
}

#[test]
fn function_without_url_and_table_fails_the_deploy() {
    let output = deploy("http.expose = \"none\"\n");
    assert_eq!(output.code, 6, "{output:?}");
    for expected in ["the smoke test of function smoke-local failed", "HTTP 503", "127.0.0.1:9"] {
        assert!(output.stderr.contains(expected), "{expected} is not in {output:?}");
    }
}
