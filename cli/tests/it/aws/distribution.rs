//! A configured CloudFront distribution, checked against what CloudFront says of it, and invalidated by hand.

use std::sync::LazyLock;

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{
    Aliases, CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, Origin, OriginProtocolPolicy,
    Origins, ViewerProtocolPolicy,
};
use hitctl_emulators::{Emulator, Fault};
use serde_json::json;
use tokio::runtime::Runtime;

use super::scene::{Scene, config};
use crate::support::artifact;

const LINE: &str = r#"allow_origins = ["https://example.com", "https://www.example.org"]"#;

fn both() -> [&'static Emulator; 2] {
    [Emulator::ministack(), Emulator::moto()]
}

/// Drives SDK calls. There is one runtime, since clients keep connections.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    RUNTIME.block_on(work)
}

/// Makes a distribution, and returns its id.
fn distribution(emulator: &Emulator, name: &str, alias: Option<&str>, enabled: bool) -> String {
    let custom = CustomOriginConfig::builder()
        .http_port(80)
        .https_port(443)
        .origin_protocol_policy(OriginProtocolPolicy::HttpsOnly);
    let origin =
        Origin::builder().id("o").domain_name("origin.example").custom_origin_config(custom.build().unwrap());
    let origins = Origins::builder().quantity(1).items(origin.build().unwrap()).build().unwrap();
    let behaviour = DefaultCacheBehavior::builder()
        .target_origin_id("o")
        .viewer_protocol_policy(ViewerProtocolPolicy::AllowAll)
        .cache_policy_id("4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    let aliases = alias.map(|alias| Aliases::builder().quantity(1).items(alias).build().unwrap());
    let behaviour = behaviour.build().unwrap();
    let wanted = DistributionConfig::builder()
        .origins(origins)
        .default_cache_behavior(behaviour)
        .set_aliases(aliases)
        .comment(name)
        .enabled(enabled);
    let client = Client::new(&config(emulator));
    let made = |attempt: u32| {
        let wanted = wanted.clone().caller_reference(format!("{name}-{attempt}")).build().unwrap();
        let call = client.create_distribution().distribution_config(wanted).send();
        block_on(call).unwrap().distribution.unwrap().id
    };
    // Moto's ids begin with any letter, CloudFront's with an E.
    (0..2_000).map(made).find(|id| id.starts_with('E')).expect("one of many begins with E")
}

/// How often paths of a distribution were invalidated.
fn invalidations(emulator: &Emulator, id: &str) -> usize {
    let call = Client::new(&config(emulator)).list_invalidations().distribution_id(id).send();
    block_on(call).unwrap().invalidation_list.map_or(0, |list| list.items().len())
}

fn scene(emulator: &Emulator, app: &str, id: &str, more: &str) -> Scene {
    Scene::new(emulator, app, &format!("{more}cloudfront.distribution_id = \"{id}\"\n"))
}

#[test]
fn unknown_distribution_stops_a_deploy_before_anything_is_written() {
    for emulator in both() {
        let mut scene = scene(emulator, "cdn-unknown", "E0NOTTHERE", "");
        let zip = artifact();
        for args in [&["plan", "--artifact", &zip] as &[&str], &["deploy", "--artifact", &zip]] {
            let ran = scene.run(args);
            assert_eq!(ran.code, 1, "{ran:?}");
            assert_eq!(scene.wire.writes(), Vec::<String>::new(), "{args:?}");
            let said = format!("account {} has no CloudFront distribution E0NOTTHERE", Emulator::ACCOUNT);
            assert!(ran.stderr.contains(&said) && ran.stderr.contains("`distribution_id`"), "{ran:?}");
        }
        let doctor = scene.run(&["doctor"]);
        assert!(
            doctor.code == 1 && doctor.stdout.contains("no CloudFront distribution E0NOTTHERE"),
            "{doctor:?}"
        );
        let status = scene.ok(&["status", "--json"]).json();
        assert_eq!(status["distribution"]["present"], json!(false), "{status}");
        assert_eq!(scene.run(&["status", "--detailed-exitcode"]).code, 2);
        let refused = scene.run(&["invalidate", "/"]);
        assert!(refused.code == 1 && refused.stderr.contains("no CloudFront distribution"), "{refused:?}");
    }
}

#[test]
fn disabled_distribution_and_foreign_alias_are_warnings_and_errors_with_strict() {
    for emulator in both() {
        let id = distribution(emulator, "cdn-foreign", Some("www.example.org"), false);
        let origins = "http.allow_origins = [\"https://example.com\"]\n";
        let mut scene = scene(emulator, "cdn-foreign", &id, origins);
        let zip = artifact();
        let plan = scene.ok(&["plan", "--json", "--artifact", &zip]).json();
        let warnings = plan["warnings"].to_string().replace("\\\"", "\"");
        assert!(warnings.contains(&format!("the distribution {id} is disabled")), "{warnings}");
        assert!(warnings.contains(LINE), "{warnings}");
        let doctor = scene.run(&["doctor"]);
        assert!(
            doctor.stdout.contains("is disabled") && doctor.stdout.contains("www.example.org"),
            "{doctor:?}"
        );
        let status = scene.ok(&["status", "--json"]).json();
        let seen = &status["distribution"];
        assert_eq!(
            (&seen["id"], &seen["present"], &seen["enabled"], &seen["aliases"]),
            (&json!(id), &json!(true), &json!(false), &json!(["www.example.org"])),
            "{status}"
        );
        assert_eq!(seen["problems"].as_array().map(Vec::len), Some(2), "{status}");

        scene.yard.configure(&format!("strict = true\n{origins}cloudfront.distribution_id = \"{id}\"\n"));
        let refused = scene.run(&["deploy", "--artifact", &zip]);
        assert!(refused.code == 1 && refused.stderr.contains("is disabled"), "{refused:?}");
        assert_eq!(scene.wire.writes(), Vec::<String>::new(), "it is refused before anything is made");
    }
}

#[test]
fn enabled_distribution_whose_alias_is_allowed_is_no_problem() {
    for emulator in both() {
        let id = distribution(emulator, "cdn-good", Some("www.example.net"), true);
        let origins = "http.allow_origins = [\"https://www.example.net\"]\n";
        let mut scene = scene(emulator, "cdn-good", &id, origins);
        let plan = scene.ok(&["plan", "--json", "--artifact", &artifact()]).json();
        assert!(!plan["warnings"].to_string().contains("cloudfront"), "{plan}");
        let doctor = scene.run(&["doctor"]);
        assert!(doctor.stdout.contains(&format!("{id}, enabled, ")), "{doctor:?}");
        let status = scene.ok(&["status"]);
        let line =
            status.stdout.lines().find(|line| line.starts_with("  cdn ")).unwrap_or_default().to_owned();
        assert!(line.contains(&id) && line.contains("www.example.net"), "{status:?}");
    }
}

#[test]
fn invalidations_by_hand_are_new_ones_each_time_and_can_be_waited_for() {
    for emulator in both() {
        let id = distribution(emulator, "cdn-invalidate", None, true);
        let mut scene = scene(emulator, "cdn-invalidate", &id, "");
        let first = scene.ok(&["invalidate", "/a", "/b/*", "--wait=1m", "--json"]).json();
        assert_eq!(
            (&first["distribution"], &first["paths"]),
            (&json!(id), &json!(["/a", "/b/*"])),
            "{first}"
        );
        assert_eq!(first["status"].as_str().map(str::to_lowercase).as_deref(), Some("completed"), "{first}");
        let second = scene.ok(&["invalidate", "--json"]).json();
        assert_eq!(second["paths"], json!(["/*"]), "those of the configuration");
        assert_ne!(first["id"], second["id"]);
        assert_eq!(invalidations(emulator, &id), 2);
    }
}

#[test]
fn missing_permission_is_named_and_stops_no_deploy_that_is_not_strict() {
    let id = distribution(Emulator::ministack(), "cdn-denied", None, true);
    let mut scene = scene(Emulator::ministack(), "cdn-denied", &id, "");
    let deny = |scene: &Scene| {
        scene.wire.reset();
        scene.wire.rule(|call| {
            let action = ["cloudfront:GetDistribution", "cloudfront:CreateInvalidation"];
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: u is not authorized to perform: \
                 {call} on resource: d</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            );
            action.iter().any(|action| call.is(action)).then(|| Fault::Answer {
                status: 403,
                content_type: "text/xml".to_owned(),
                body,
            })
        });
    };
    let zip = artifact();
    deny(&scene);
    let plan = scene.run_on(&["plan", "--json", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let warnings = plan.json()["warnings"].to_string();
    assert!(warnings.contains("cloudfront:GetDistribution is not allowed"), "{warnings}");
    assert!(warnings.contains("hitctl policy deployer"), "{warnings}");
    deny(&scene);
    let refused = scene.run_on(&["invalidate", "/"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("cloudfront:CreateInvalidation is not allowed"),
        "{refused:?}"
    );
    scene.yard.configure(&format!("strict = true\ncloudfront.distribution_id = \"{id}\"\n"));
    deny(&scene);
    let strict = scene.run_on(&["deploy", "--artifact", &zip]);
    assert!(strict.code == 1 && strict.stderr.contains("cloudfront:GetDistribution"), "{strict:?}");
    assert_eq!(scene.wire.writes(), Vec::<String>::new());
}

#[test]
fn cloudfront_that_cannot_be_reached_does_not_stop_a_plan() {
    let id = distribution(Emulator::ministack(), "cdn-cut", None, true);
    let mut scene = scene(Emulator::ministack(), "cdn-cut", &id, "");
    scene.wire.reset();
    scene.wire.rule(|call| call.is("cloudfront:GetDistribution").then_some(Fault::Cut));
    let plan = scene.run_on(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.json()["warnings"].to_string().contains("the distribution was not checked"), "{plan:?}");
}
