//! The check that ends a deploy reaches the table, with and without a URL.

use crate::support::{Ran, Yard, artifact};

/// Deploys to the local cloud a function whose table does not answer.
fn deploy(more: &str) -> Ran {
    let unreachable = "[function.environment]\nDYNAMODB_ENDPOINT = \"http://127.0.0.1:9\"\n";
    let yard = Yard::with(&format!("app = \"smoke\"\n{more}\n{unreachable}"));
    yard.run(&["deploy", "--env", "local", "--yes", "--artifact", &artifact()])
}

#[test]
fn function_without_table_fails_the_deploy() {
    let ran = deploy("");
    assert_eq!(ran.code, 6, "{ran:?}");
    for expected in
        ["/counter?path=/&ro=1 does not answer", "HTTP 503", "127.0.0.1:9", "[function.environment]"]
    {
        assert!(ran.stderr.contains(expected), "{expected} is not in {ran:?}");
    }
}

#[test]
fn function_without_url_and_table_fails_the_deploy() {
    let ran = deploy("http.expose = \"none\"\n");
    assert_eq!(ran.code, 6, "{ran:?}");
    for expected in ["function smoke-local does not answer", "HTTP 503", "127.0.0.1:9"] {
        assert!(ran.stderr.contains(expected), "{expected} is not in {ran:?}");
    }
}
