//! Settings of a deleted route. API Gateway refuses every update of a stage that has such settings, so a deploy deletes
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_apigatewayv2::types::RouteSettings;
use hitctl_emulators::{Emulator, InjectedFault};

use super::recorded_env::{RecordedAwsEnv, sdk_config};
use crate::support::{DEFAULTS, artifact};

#[test]
fn settings_of_deleted_route_are_deleted() {
    let emulator = Emulator::ministack();
    let mut aws_env = RecordedAwsEnv::new(emulator, "stale", DEFAULTS);
    aws_env.deploy();
    let client = aws_sdk_apigatewayv2::Client::new(&sdk_config(emulator));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let apis = client.get_apis().max_results("500").send().await.unwrap();
        let api = apis.items().iter().find(|api| api.name() == Some("stale-test")).unwrap();
        let slow = RouteSettings::builder().throttling_rate_limit(1.0).throttling_burst_limit(1).build();
        let update = client.update_stage().api_id(api.api_id().unwrap()).stage_name("$default");
        update.route_settings("GET /gone", slow).send().await.unwrap();
    });
    // The emulator does not implement this call.
    let deleted = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&deleted);
    aws_env.proxy.reset();
    aws_env.proxy.set_fault_rule(move |call| {
        call.has_name("apigateway:DeleteRouteSettings").then(|| {
            assert!(call.path.ends_with("/stages/%24default/routesettings/GET%20%2Fgone"), "{}", call.path);
            counter.fetch_add(1, Ordering::SeqCst);
            InjectedFault::Response {
                status: 204,
                content_type: "application/json".to_owned(),
                body: String::new(),
            }
        })
    });
    let output = aws_env.run_with_rules(&["deploy", "--artifact", &artifact()]);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(deleted.load(Ordering::SeqCst), 1);
    let names = aws_env.proxy.call_names();
    assert!(
        !names.contains(&"apigateway:UpdateStage".to_owned()),
        "no other setting of the stage differs: {names:?}"
    );
}
