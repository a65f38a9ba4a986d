//! A configured CloudFront distribution: its comparison with CloudFront's state, and manual invalidations.

use std::sync::LazyLock;

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{
    Aliases, CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, Origin, OriginProtocolPolicy,
    Origins, ViewerProtocolPolicy,
};
use hitctl_emulators::{Emulator, InjectedFault};
use serde_json::json;
use tokio::runtime::Runtime;

use super::recorded_env::{RecordedAwsEnv, sdk_config};
use crate::support::artifact;

const ALLOW_ORIGINS_LINE: &str = r#"allow_origins = ["https://example.com", "https://www.example.org"]"#;

fn emulators() -> [&'static Emulator; 2] {
    [Emulator::ministack(), Emulator::moto()]
}

/// Runs SDK calls on one shared runtime, since clients keep connections open.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    RUNTIME.block_on(work)
}

/// Creates a distribution. Returns its id, which begins with an E.
fn create_distribution(emulator: &Emulator, name: &str, alias: Option<&str>, enabled: bool) -> String {
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
    let client = Client::new(&sdk_config(emulator));
    let create = |attempt: u32| {
        let wanted = wanted.clone().caller_reference(format!("{name}-{attempt}")).build().unwrap();
        let call = client.create_distribution().distribution_config(wanted).send();
        block_on(call).unwrap().distribution.unwrap().id
    };
    // Ids of CloudFront begin with an E. Those of Moto begin with any letter, so this tries again.
    (0..2_000).map(create).find(|id| id.starts_with('E')).expect("one of many begins with E")
}

/// Returns the number of invalidations of a distribution.
fn invalidations(emulator: &Emulator, id: &str) -> usize {
    let call = Client::new(&sdk_config(emulator)).list_invalidations().distribution_id(id).send();
    block_on(call).unwrap().invalidation_list.map_or(0, |list| list.items().len())
}

fn env_with_distribution(emulator: &Emulator, app: &str, id: &str, more: &str) -> RecordedAwsEnv {
    RecordedAwsEnv::new(emulator, app, &format!("{more}cloudfront.distribution_id = \"{id}\"\n"))
}

#[test]
fn unknown_distribution_stops_deploy_before_any_write() {
    for emulator in emulators() {
        let mut aws_env = env_with_distribution(emulator, "cdn-unknown", "E0NOTTHERE", "");
        let zip = artifact();
        for args in [&["plan", "--artifact", &zip] as &[&str], &["deploy", "--artifact", &zip]] {
            let output = aws_env.run(args);
            assert_eq!(output.code, 1, "{output:?}");
            assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new(), "{args:?}");
            let expected = format!("account {} has no CloudFront distribution E0NOTTHERE", Emulator::ACCOUNT);
            assert!(
                output.stderr.contains(&expected) && output.stderr.contains("`distribution_id`"),
                "{output:?}"
            );
        }
        let doctor = aws_env.run(&["doctor"]);
        assert!(
            doctor.code == 1 && doctor.stdout.contains("no CloudFront distribution E0NOTTHERE"),
            "{doctor:?}"
        );
        let status = aws_env.ok(&["status", "--json"]).json();
        assert_eq!(status["distribution"]["present"], json!(false), "{status}");
        assert_eq!(aws_env.run(&["status", "--detailed-exitcode"]).code, 2);
        let refused = aws_env.run(&["invalidate", "/"]);
        assert!(refused.code == 1 && refused.stderr.contains("no CloudFront distribution"), "{refused:?}");
    }
}

#[test]
fn disabled_distribution_and_foreign_alias_are_warnings_or_strict_errors() {
    for emulator in emulators() {
        let id = create_distribution(emulator, "cdn-foreign", Some("www.example.org"), false);
        let origins = "http.allow_origins = [\"https://example.com\"]\n";
        let mut aws_env = env_with_distribution(emulator, "cdn-foreign", &id, origins);
        let zip = artifact();
        let plan = aws_env.ok(&["plan", "--json", "--artifact", &zip]).json();
        let warnings = plan["warnings"].to_string().replace("\\\"", "\"");
        assert!(warnings.contains(&format!("the distribution {id} is disabled")), "{warnings}");
        assert!(warnings.contains(ALLOW_ORIGINS_LINE), "{warnings}");
        let doctor = aws_env.run(&["doctor"]);
        assert!(
            doctor.stdout.contains("is disabled") && doctor.stdout.contains("www.example.org"),
            "{doctor:?}"
        );
        let status = aws_env.ok(&["status", "--json"]).json();
        let row = &status["distribution"];
        assert_eq!(
            (&row["id"], &row["present"], &row["enabled"], &row["aliases"]),
            (&json!(id), &json!(true), &json!(false), &json!(["www.example.org"])),
            "{status}"
        );
        assert_eq!(row["problems"].as_array().map(Vec::len), Some(2), "{status}");

        aws_env.env.configure(&format!("strict = true\n{origins}cloudfront.distribution_id = \"{id}\"\n"));
        let refused = aws_env.run(&["deploy", "--artifact", &zip]);
        assert!(refused.code == 1 && refused.stderr.contains("is disabled"), "{refused:?}");
        assert_eq!(
            aws_env.proxy.write_names(),
            Vec::<String>::new(),
            "it is refused before anything is created"
        );
    }
}

#[test]
fn enabled_distribution_with_allowed_alias_has_no_problem() {
    for emulator in emulators() {
        let id = create_distribution(emulator, "cdn-good", Some("www.example.net"), true);
        let origins = "http.allow_origins = [\"https://www.example.net\"]\n";
        let mut aws_env = env_with_distribution(emulator, "cdn-good", &id, origins);
        let plan = aws_env.ok(&["plan", "--json", "--artifact", &artifact()]).json();
        assert!(!plan["warnings"].to_string().contains("cloudfront"), "{plan}");
        let doctor = aws_env.run(&["doctor"]);
        assert!(doctor.stdout.contains(&format!("{id}, enabled, ")), "{doctor:?}");
        let status = aws_env.ok(&["status"]);
        let line =
            status.stdout.lines().find(|line| line.starts_with("  cdn ")).unwrap_or_default().to_owned();
        assert!(line.contains(&id) && line.contains("www.example.net"), "{status:?}");
    }
}

#[test]
fn manual_invalidations_are_new_each_time_and_can_be_awaited() {
    for emulator in emulators() {
        let id = create_distribution(emulator, "cdn-invalidate", None, true);
        let mut aws_env = env_with_distribution(emulator, "cdn-invalidate", &id, "");
        let first = aws_env.ok(&["invalidate", "/a", "/b/*", "--wait=1m", "--json"]).json();
        assert_eq!(
            (&first["distribution"], &first["paths"]),
            (&json!(id), &json!(["/a", "/b/*"])),
            "{first}"
        );
        assert_eq!(first["status"].as_str().map(str::to_lowercase).as_deref(), Some("completed"), "{first}");
        let second = aws_env.ok(&["invalidate", "--json"]).json();
        assert_eq!(second["paths"], json!(["/*"]), "the paths are those of the configuration");
        assert_ne!(first["id"], second["id"]);
        assert_eq!(invalidations(emulator, &id), 2);
    }
}

#[test]
fn missing_permission_is_named_and_stops_only_strict_deploys() {
    let id = create_distribution(Emulator::ministack(), "cdn-denied", None, true);
    let mut aws_env = env_with_distribution(Emulator::ministack(), "cdn-denied", &id, "");
    let deny = |aws_env: &RecordedAwsEnv| {
        aws_env.proxy.reset();
        aws_env.proxy.set_fault_rule(|call| {
            let denied = ["cloudfront:GetDistribution", "cloudfront:CreateInvalidation"];
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: u is not authorized to perform: \
                 {call} on resource: d</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            );
            denied.iter().any(|action| call.has_name(action)).then(|| InjectedFault::Response {
                status: 403,
                content_type: "text/xml".to_owned(),
                body,
            })
        });
    };
    let zip = artifact();
    deny(&aws_env);
    let plan = aws_env.run_with_rules(&["plan", "--json", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let warnings = plan.json()["warnings"].to_string();
    assert!(warnings.contains("cloudfront:GetDistribution is not allowed"), "{warnings}");
    assert!(warnings.contains("hitctl policy deployer"), "{warnings}");
    deny(&aws_env);
    let refused = aws_env.run_with_rules(&["invalidate", "/"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("cloudfront:CreateInvalidation is not allowed"),
        "{refused:?}"
    );
    aws_env.env.configure(&format!("strict = true\ncloudfront.distribution_id = \"{id}\"\n"));
    deny(&aws_env);
    let strict = aws_env.run_with_rules(&["deploy", "--artifact", &zip]);
    assert!(strict.code == 1 && strict.stderr.contains("cloudfront:GetDistribution"), "{strict:?}");
    assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new());
}

#[test]
fn unreachable_cloudfront_does_not_stop_plan() {
    let id = create_distribution(Emulator::ministack(), "cdn-cut", None, true);
    let mut aws_env = env_with_distribution(Emulator::ministack(), "cdn-cut", &id, "");
    aws_env.proxy.reset();
    aws_env.proxy.set_fault_rule(|call| {
        call.has_name("cloudfront:GetDistribution").then_some(InjectedFault::DropRequest)
    });
    let plan = aws_env.run_with_rules(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.json()["warnings"].to_string().contains("the distribution was not checked"), "{plan:?}");
}
