//! `hitctl invalidate` on the local cloud, which records invalidations.

use serde_json::json;

use crate::support::TestEnv;

const CONFIG: &str = "[cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate = [\"/\", \"/api/*\"]\n";

#[test]
fn manual_invalidations_are_recorded_separately() {
    let test_env = TestEnv::with_config(CONFIG);
    let first = test_env.run(&["invalidate", "--json"]);
    assert_eq!(first.code, 0, "{first:?}");
    let first = first.json();
    assert_eq!(
        (&first["distribution"], &first["status"], &first["paths"]),
        (&json!("E123ABC"), &json!("Completed"), &json!(["/", "/api/*"])),
        "{first}"
    );
    let second = test_env.run(&["invalidate", "/a%20b", "--wait", "--json"]).json();
    assert_ne!(first["id"], second["id"]);
    let status = test_env.run(&["local", "status", "--json"]).json();
    let recorded = &status["invalidations"];
    assert_eq!((&recorded["asked"], &recorded["last"]["paths"]), (&json!(2), &json!(["/a%20b"])), "{status}");
    assert_eq!(recorded["last"]["id"], second["id"]);
    let status = test_env.run(&["status"]).stdout;
    assert!(status.contains("  cdn    E123ABC, not checked: the local cloud records"), "{status}");
}

#[test]
fn invalidation_in_progress_is_awaited_until_timeout() {
    let test_env = TestEnv::with_config(CONFIG);
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    // Invalidations take an hour.
    let slow_down = async {
        let cloud = hitctl_local::LocalClient::connect(&test_env.state()).await.unwrap().unwrap();
        cloud.set_invalidation_duration(3_600).await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(slow_down);
    let started = test_env.run(&["invalidate", "/a"]);
    assert!(started.code == 0 && started.stdout.contains("is in progress: /a (1 path)"), "{started:?}");
    let late = test_env.run(&["invalidate", "/a", "--wait=1s"]);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.stderr.contains("is in progress") && late.stderr.contains("get-invalidation"), "{late:?}");
}

#[test]
fn invalidate_refuses_bad_paths_and_a_configuration_without_a_distribution() {
    let test_env = TestEnv::with_config(CONFIG);
    for bad in ["index.html", "/*/a", "/a b", "/é"] {
        let output = test_env.run(&["invalidate", bad]);
        assert!(
            output.code == 64 && output.stderr.contains("expected a path that begins with `/`"),
            "{output:?}"
        );
    }
    let none = TestEnv::with_config("").run(&["invalidate", "/"]);
    assert!(none.code == 64 && none.stderr.contains("`distribution_id` under [cloudfront]"), "{none:?}");
}
