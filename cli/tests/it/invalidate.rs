//! `hitctl invalidate` on the local cloud, which records what its CloudFront is asked.

use serde_json::json;

use crate::support::Yard;

const CONFIG: &str = "[cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate = [\"/\", \"/api/*\"]\n";

#[test]
fn invalidation_by_hand_is_recorded_and_a_second_one_is_another() {
    let yard = Yard::with(CONFIG);
    let first = yard.run(&["invalidate", "--json"]);
    assert_eq!(first.code, 0, "{first:?}");
    let first = first.json();
    assert_eq!(
        (&first["distribution"], &first["status"], &first["paths"]),
        (&json!("E123ABC"), &json!("Completed"), &json!(["/", "/api/*"])),
        "{first}"
    );
    let second = yard.run(&["invalidate", "/a%20b", "--wait", "--json"]).json();
    assert_ne!(first["id"], second["id"]);
    let status = yard.run(&["local", "status", "--json"]).json();
    let asked = &status["invalidations"];
    assert_eq!((&asked["asked"], &asked["last"]["paths"]), (&json!(2), &json!(["/a%20b"])), "{status}");
    assert_eq!(asked["last"]["id"], second["id"]);
    let status = yard.run(&["status"]).stdout;
    assert!(status.contains("  cdn   E123ABC, not checked: the local cloud records"), "{status}");
}

#[test]
fn invalidation_in_progress_is_waited_for_within_a_bound() {
    let yard = Yard::with(CONFIG);
    assert_eq!(yard.run(&["local", "start"]).code, 0);
    let hold = async {
        let cloud = hitctl_local::Client::connect(&yard.state()).await.unwrap().unwrap();
        cloud.hold_invalidations(3_600).await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(hold);
    let asked = yard.run(&["invalidate", "/a"]);
    assert!(asked.code == 0 && asked.stdout.contains("is in progress: /a (1 path)"), "{asked:?}");
    let late = yard.run(&["invalidate", "/a", "--wait=1s"]);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.stderr.contains("is in progress") && late.stderr.contains("get-invalidation"), "{late:?}");
}

#[test]
fn invalidate_refuses_bad_paths_and_a_configuration_without_a_distribution() {
    let yard = Yard::with(CONFIG);
    for bad in ["index.html", "/*/a", "/a b", "/é"] {
        let ran = yard.run(&["invalidate", bad]);
        assert!(ran.code == 64 && ran.stderr.contains("expected a path that begins with `/`"), "{ran:?}");
    }
    let none = Yard::with("").run(&["invalidate", "/"]);
    assert!(none.code == 64 && none.stderr.contains("`distribution_id` under [cloudfront]"), "{none:?}");
}
