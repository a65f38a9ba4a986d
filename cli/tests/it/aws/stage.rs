//! Settings of a route that is gone: API Gateway refuses an update of the stage that names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_apigatewayv2::types::RouteSettings;
use hitctl_emulators::{Emulator, Fault};

use super::scene::{Scene, config};
use crate::support::{DEFAULTS, artifact};

#[test]
fn settings_of_a_deleted_route_are_deleted() {
    let emulator = Emulator::ministack();
    let mut scene = Scene::new(emulator, "stale", DEFAULTS);
    scene.deploy();
    let client = aws_sdk_apigatewayv2::Client::new(&config(emulator));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let apis = client.get_apis().max_results("500").send().await.unwrap();
        let api = apis.items().iter().find(|api| api.name() == Some("stale-test")).unwrap();
        let slow = RouteSettings::builder().throttling_rate_limit(1.0).throttling_burst_limit(1).build();
        let update = client.update_stage().api_id(api.api_id().unwrap()).stage_name("$default");
        update.route_settings("GET /gone", slow).send().await.unwrap();
    });
    // The emulator does not know the call.
    let deleted = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&deleted);
    scene.wire.reset();
    scene.wire.rule(move |call| {
        call.is("apigateway:DeleteRouteSettings").then(|| {
            assert!(call.path.ends_with("/stages/%24default/routesettings/GET%20%2Fgone"), "{}", call.path);
            seen.fetch_add(1, Ordering::SeqCst);
            Fault::Answer { status: 204, content_type: "application/json".to_owned(), body: String::new() }
        })
    });
    let ran = scene.run_on(&["deploy", "--artifact", &artifact()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(deleted.load(Ordering::SeqCst), 1);
    let names = scene.wire.names();
    assert!(
        !names.contains(&"apigateway:UpdateStage".to_owned()),
        "nothing else of the stage differs: {names:?}"
    );
}
